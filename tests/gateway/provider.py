"""glewlwyd, an OpenID provider of Debian's, with a login, a client and keys that a test may exchange.

Its administration API is in Debian's /usr/share/doc/glewlwyd/API.md.gz, the plugin in OIDC.md.gz beside it.
"""

import json
import shutil
import socket
import sqlite3
import tempfile
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm

from hostcollector.gateway.settings import OpenIdSettings
from tests.lab.process import end, spawn, until
from tests.ports import reserved_port

AUDIENCE = "metrics"
"""Without a resource parameter glewlwyd's audience is the list of scopes."""

TABLES = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
USER, PASSWORD = "ada", "correct horse"
CLIENT, SECRET = "console", "battery staple"

CONFIGURATION = """
port={port}
bind_address="127.0.0.1"
external_url="{url}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="WARNING"
cookie_secure=0
cookie_domain="127.0.0.1"
session_key="session"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
user_middleware_module_path="/usr/lib/glewlwyd/user_middleware"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3", path = "{directory}/database" }};
"""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private RSA key as a JWK (RFC 7517)."""

    kid: str
    jwk: Mapping[str, Any]

    @classmethod
    def new(cls, kid: str) -> "SigningKey":
        """Return a new key."""
        private = json.loads(RSAAlgorithm.to_jwk(generate_private_key(65537, 2048)))
        return cls(kid, {**private, "kid": kid, "alg": "RS256", "use": "sig"})

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a JWT with these claims."""
        private = jwt.PyJWK.from_dict(dict(self.jwk)).key
        return jwt.encode(dict(claims), private, "RS256", headers={"kid": self.kid})


@dataclass(frozen=True)
class Provider:
    """A running server. `issuer` is its address too."""

    issuer: str
    opener: urllib.request.OpenerDirector = field(repr=False)

    @property
    def settings(self) -> OpenIdSettings:
        """Return how a gateway trusts it."""
        keys_url = str(self._call("GET", "/oidc/.well-known/openid-configuration")["jwks_uri"])
        return OpenIdSettings(issuer=self.issuer, audience=AUDIENCE, keys_url=keys_url, tenant_claim="tenant")

    def token(self) -> str:
        """Return an access token for the login."""
        login = {"grant_type": "password", "username": USER, "password": PASSWORD, "scope": AUDIENCE}
        request = urllib.request.Request(f"{self.issuer}/api/oidc/token", urlencode(login).encode())
        basic = b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        request.add_header("Authorization", f"Basic {basic}")
        with self.opener.open(request, timeout=20) as answer:
            return str(json.load(answer)["access_token"])

    def use(self, keys: Sequence[SigningKey]) -> None:
        """Sign with the first of the keys from now on, and publish all of them."""
        self._call("PUT", "/mod/plugin/oidc", self._plugin(keys))
        self._call("PUT", "/mod/plugin/oidc/reset")

    def set_up(self, keys: Sequence[SigningKey]) -> None:
        """Make a login of tenant a, a client, and the OpenID plugin."""
        self._call("POST", "/auth/", {"username": "admin", "password": "password"})
        users = self._call("GET", "/mod/user/database")
        users["parameters"]["data-format"]["tenant"] = {"multiple": False, "read": True, "write": True}
        self._call("PUT", "/mod/user/database", users)
        self._call("PUT", "/mod/user/database/reset")
        self._call("POST", "/scope/", {"name": AUDIENCE, "display_name": "x", "password_required": False})
        login = {"username": USER, "password": PASSWORD, "name": "Ada", "tenant": "a", "enabled": True}
        self._call("POST", "/user/", {**login, "scope": [AUDIENCE]})
        client = {"client_id": CLIENT, "name": CLIENT, "password": SECRET, "confidential": True}
        more = {"authorization_type": ["password"], "scope": [AUDIENCE], "enabled": True}
        more["token_endpoint_auth_method"] = ["client_secret_basic"]
        self._call("POST", "/client/", {**client, **more, "redirect_uri": [self.issuer]})
        self._call("POST", "/mod/plugin/", self._plugin(keys))

    def _plugin(self, keys: Sequence[SigningKey]) -> dict[str, Any]:
        parameters = {
            "iss": self.issuer,
            "jwt-type": "rsa",
            "jwt-key-size": "256",
            "jwks-show": True,
            "subject-type": "public",
            "jwks-private": json.dumps({"keys": [key.jwk for key in keys]}),
            "access-token-duration": 600,
            "refresh-token-duration": 600,
            "code-duration": 60,
            "allow-non-oidc": True,
            "refresh-token-rolling": False,
            **{
                f"auth-type-{kind}-enabled": kind == "password"
                for kind in ("client", "code", "device", "implicit", "none", "password", "refresh", "token")
            },
            "additional-parameters": [{"user-parameter": "tenant", "token-parameter": "tenant"}],
        }
        named = {"module": "oidc", "name": "oidc", "display_name": "OpenID"}
        return {**named, "parameters": parameters}

    def _call(self, method: str, path: str, content: object = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.issuer}/api{path}", body, method=method)
        request.add_header("Content-Type", "application/json")
        with self.opener.open(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextmanager
def provider(keys: Sequence[SigningKey]) -> Iterator[Provider]:
    """Give a running server with these keys."""
    with tempfile.TemporaryDirectory(prefix="hostcollector-openid-") as name, reserved_port() as port:
        directory, url = Path(name), f"http://127.0.0.1:{port}"
        with sqlite3.connect(directory / "database") as database:
            database.executescript(TABLES.read_text())
        database.close()
        text = CONFIGURATION.format(port=port, url=url, directory=directory)
        (directory / "glewlwyd.conf").write_text(text)
        program = shutil.which("glewlwyd")
        assert program is not None, "glewlwyd is not installed: make setup"
        child = spawn([program, f"--config-file={directory}/glewlwyd.conf"], directory / "log")

        def listens() -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                return True
            return False

        try:
            until(listens, 30.0, "glewlwyd")
            cookies = urllib.request.HTTPCookieProcessor(CookieJar())
            running = Provider(url, urllib.request.build_opener(cookies))
            running.set_up(keys)
            yield running
        finally:
            end(child)
