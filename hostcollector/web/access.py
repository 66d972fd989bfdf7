"""Who may read the pages: TLS, client certificates and passwords, as the web-config file has them.

The probes need no password: they show nothing of guests.
"""

import binascii
import ipaddress
import logging
import ssl
import time
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from hostcollector.base.errors import CertificateError, ConfigError
from hostcollector.config.address import Address
from hostcollector.config.files import open_to_everybody
from hostcollector.config.web_config import ClientAuthType, PathReaders, WebConfig, read_web_config
from hostcollector.web.passwords import Passwords, Verdict
from hostcollector.web.replies import Refusals
from hostcollector.web.tls import Certificates

logger = logging.getLogger(__name__)

TENANTS = "/tenants/"
"""How the paths begin that show data of tenants: closed to clients that are not listed for them."""

_CHALLENGE: Mapping[str, str] = {"WWW-Authenticate": 'Basic realm="hostcollector", charset="UTF-8"'}


class Admission:
    """Checks each request: the TLS rules of its connection, the client's certificate, the password, the path.

    `readers` are the clients that may read a path. `wall_clock` gives Unix time in seconds.
    """

    def __init__(
        self,
        passwords: Passwords | None = None,
        allowed_sans: Collection[str] = (),
        refusals: Refusals | None = None,
        certificates: Certificates | None = None,
        readers: Collection[PathReaders] = (),
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.passwords = passwords
        self._readers = {entry.path: _Listed.of(entry) for entry in readers}
        self._allowed_sans = frozenset(map(_normal, allowed_sans))
        self._refusals = refusals or Refusals()
        self._certificates = certificates
        self._wall_clock = wall_clock

    async def accepts_connection(self, request: web.BaseRequest) -> bool:
        """Whether the request's connection was made under the TLS rules that are in use now."""
        context = request.get_extra_info("sslcontext")
        return self._certificates is None or await self._certificates.accept(context)

    async def admit(self, request: web.BaseRequest, *, probe: bool) -> None:
        """Return, or raise the reply for what is missing: 401, 403 or 429. A probe needs no password."""
        names = self._check_certificate(request)
        if probe:
            return
        user = "" if self.passwords is None else await self._check_password(request, self.passwords)
        if not self._may_read(request, user, names):
            self._refusals.note("not listed in access.readers for the path", _client(request))
            raise web.HTTPForbidden(text="The web-config file does not list this client for this path.\n")

    def close(self) -> None:
        """Let the threads end."""
        self._refusals.close()
        if self.passwords is not None:
            self.passwords.close()

    def _may_read(self, request: web.BaseRequest, user: str, names: frozenset[str]) -> bool:
        """Whether the client, known by `user` and by the `names` of its certificate, may read the path."""
        listed = self._readers.get(request.path)
        if listed is not None:
            return listed.has(user, names)
        if any(other.has(user, names) for other in self._readers.values()):
            return False
        return not request.path.startswith(TENANTS) or (self._is_open and _is_from_here(request))

    @property
    def _is_open(self) -> bool:
        return self.passwords is None and self._certificates is None

    def _check_certificate(self, request: web.BaseRequest) -> frozenset[str]:
        """Return the names of the client's certificate; none without one."""
        certificate: Mapping[str, Any] = request.get_extra_info("peercert") or {}
        if certificate and ssl.cert_time_to_seconds(certificate["notAfter"]) <= self._wall_clock():
            self._refusals.note("the client's certificate has expired", _client(request))
            refusal = web.HTTPForbidden(text="This certificate has expired.\n")
            refusal.force_close()
            raise refusal
        names = subject_names(certificate)
        if self._allowed_sans and not self._allowed_sans & names:
            self._refusals.note("no name of the client's certificate is allowed", _client(request))
            raise web.HTTPForbidden(text="No name of this certificate is among client_allowed_sans.\n")
        return names

    async def _check_password(self, request: web.BaseRequest, passwords: Passwords) -> str:
        """Return the user."""
        given = credentials(request.headers.getall("Authorization", []))
        if given is None:
            raise web.HTTPUnauthorized(text="A user and a password are needed.\n", headers=_CHALLENGE)
        verdict = await passwords.verdict(*given, client=_client(request))
        if verdict is Verdict.BUSY:
            self._refusals.note("too many passwords to check", _client(request))
            text = "Other passwords are being checked; try again in a moment.\n"
            raise web.HTTPTooManyRequests(text=text, headers={"Retry-After": "1"})
        if verdict is Verdict.WRONG:
            self._refusals.note("wrong user or password", _client(request))
            raise web.HTTPUnauthorized(text="The user or the password is wrong.\n", headers=_CHALLENGE)
        return given[0]


@dataclass(frozen=True, slots=True)
class _Listed:
    """The clients that an entry of `readers` lists."""

    users: frozenset[str]
    certificates: frozenset[str]

    @classmethod
    def of(cls, entry: PathReaders) -> "_Listed":
        return cls(frozenset(entry.users), frozenset(map(_normal, entry.certificates)))

    def has(self, user: str, names: frozenset[str]) -> bool:
        """Whether the user or a name of the certificate is listed."""
        return user in self.users or bool(self.certificates & names)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """TLS and authentication, ready for use in one event loop; `AccessRules()` requires neither."""

    config: WebConfig = field(default_factory=WebConfig)
    certificates: Certificates | None = None
    admission: Admission = field(default_factory=Admission)

    @property
    def scheme(self) -> str:
        """The scheme of a client's URL."""
        return "http" if self.certificates is None else "https"

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that the web-config file adds to every reply."""
        return self.config.http_server_config.headers

    @property
    def is_open(self) -> bool:
        """Whether there is neither TLS nor authentication."""
        return self.certificates is None and self.admission.passwords is None

    def close(self, successor: "AccessRules | None" = None) -> None:
        """Let the threads end, except those of certificates that `successor` still uses."""
        if self.certificates is not None and (
            successor is None or successor.certificates is not self.certificates
        ):
            self.certificates.close()
        self.admission.close()


def read_access_rules(path: Path | None, predecessor: AccessRules | None = None) -> AccessRules:
    """Return the rules of a web-config file, None for none. Reads it and the files that it names.

    `predecessor` has the rules in use: a client that was admitted by an unchanged rule stays admitted. Raises
    `ConfigError` with every problem that was found.
    """
    predecessor = predecessor or AccessRules()
    config = read_web_config(path)
    if path is not None and config.basic_auth_users and (complaint := open_to_everybody(path)):
        logger.warning("%s, with the hashes of the passwords in it, %s", path, complaint)
    tls, users = config.tls_server_config, config.basic_auth_users
    if tls == predecessor.config.tls_server_config:
        certificates = predecessor.certificates
    else:
        try:
            certificates = Certificates(tls) if tls else None
        except CertificateError as error:
            raise ConfigError(str(path), error.problems) from error
    known = predecessor.admission.passwords
    passwords = Passwords(users, checked=known.checked if known else None) if users else None
    sans = tls.client_allowed_sans if tls else ()
    admission = Admission(passwords, sans, certificates=certificates, readers=config.access.readers)
    return AccessRules(config=config, certificates=certificates, admission=admission)


def exposure(addresses: Iterable[Address], config: WebConfig) -> str | None:
    """Return the warning about a page that is open to a network; None where there is nothing to warn of.

    It is logged at each start, because an open page works and so is easily overlooked.
    """
    open_to = ", ".join(str(address) for address in addresses if not is_loopback(address.host))
    authenticated = _authenticates(config)
    if not open_to or (config.tls_server_config and authenticated):
        return None
    if authenticated:
        return f"passwords for {open_to} cross the network in the clear: there is no TLS"
    lack = "there is TLS, but no authentication"
    if config.tls_server_config is None:
        lack = "there is neither TLS nor authentication"
    return f"every client that reaches {open_to} can read the page: {lack}"


def removed_protection(before: WebConfig, after: WebConfig) -> list[str]:
    """Return as problems which of TLS and authentication `before` has and `after` lacks."""
    missing = []
    if before.tls_server_config and not after.tls_server_config:
        missing.append("tls_server_config: was removed; a page without TLS needs a restart")
    if _authenticates(before) and not _authenticates(after):
        missing.append("basic_auth_users: was removed; a page without authentication needs a restart")
    return missing


def _authenticates(config: WebConfig) -> bool:
    """Whether every client needs a certificate or a password."""
    tls = config.tls_server_config
    required = tls is not None and tls.client_auth_type is ClientAuthType.REQUIRED
    return required or bool(config.basic_auth_users)


def ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that is written there, without its zone; None for a name."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether `host` is an address of this machine only."""
    address = ip_address(host)
    return address is not None and address.is_loopback


def credentials(headers: Collection[str]) -> tuple[str, bytes] | None:
    """Return user and password of the Authorization headers (RFC 7617).

    None unless there is exactly one such header and it is a valid one.
    """
    scheme, _, encoded = (next(iter(headers)) if len(headers) == 1 else "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


def subject_names(certificate: Mapping[str, Any]) -> frozenset[str]:
    """Return the alternative names, of all types, of a certificate from `ssl.SSLSocket.getpeercert`.

    Directory names are left out: they are no text.
    """
    names = (value for _, value in certificate.get("subjectAltName", ()))
    return frozenset(_normal(name) for name in names if isinstance(name, str))


def _normal(name: str) -> str:
    """Return the name; an IP address in its one canonical form."""
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name


def _is_from_here(request: web.BaseRequest) -> bool:
    """Whether the client is on this machine: on a unix socket, or at a loopback address."""
    return not request.remote or is_loopback(request.remote)


def _client(request: web.BaseRequest) -> str:
    return request.remote or ""
