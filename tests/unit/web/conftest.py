"""An authority, certificates for the server and for clients, and access rules made of them."""

import json
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hostcollector.web.access import AccessRules, read_access_rules
from tests.fakes.authority import Authority, Certificate

CLIENT_NAMES = "DNS:prometheus.example, IP:192.0.2.7, URI:spiffe://example/prometheus, email:ops@example.org"


@dataclass(frozen=True, slots=True)
class Pki:
    """Who vouches for whom in these tests."""

    authority: Authority
    stranger: Authority
    """No client trusts it."""

    server: Certificate
    renewed: Certificate
    """The server's next one."""

    client: Certificate
    impostor: Certificate
    """What the stranger says about a client."""

    def client_context(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """Return what a scraper connects with."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if certificate is not None:
            context.load_cert_chain(certificate.file, certificate.key)
        return context


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Return two authorities and what they have signed."""
    authority = Authority.new(tmp_path_factory.mktemp("authority"))
    stranger = Authority.new(tmp_path_factory.mktemp("stranger"))
    return Pki(
        authority=authority,
        stranger=stranger,
        server=authority.issue("server", "IP:127.0.0.1, DNS:localhost"),
        renewed=authority.issue("renewed", "IP:127.0.0.1, DNS:localhost"),
        client=authority.issue("client", CLIENT_NAMES),
        impostor=stranger.issue("impostor", CLIENT_NAMES),
    )


@pytest.fixture
def tls(pki: Pki, tmp_path: Path) -> dict[str, Any]:
    """Return a `tls_server_config` whose files are copies that a test may change."""
    shutil.copy(pki.server.file, tmp_path / "tls.crt")
    shutil.copy(pki.server.key, tmp_path / "tls.key")
    return {"cert_file": "tls.crt", "key_file": "tls.key"}


@pytest.fixture
def mutual_tls(pki: Pki, tls: dict[str, Any]) -> dict[str, Any]:
    """Return the same for clients with a certificate of the authority."""
    required = "RequireAndVerifyClientCert"
    return {**tls, "client_ca_file": str(pki.authority.file), "client_auth_type": required}


def web_config(directory: Path, **sections: Any) -> Path:
    """Write a web-config file and return its path; JSON is YAML."""
    file = directory / "web-config.yml"
    file.write_text(json.dumps(sections))
    return file


def access_of(directory: Path, **sections: Any) -> AccessRules:
    """Return the access of a web-config file with these sections."""
    return read_access_rules(web_config(directory, **sections))
