"""TLS and authentication as frozen values: the part of the exporter toolkit's web-config that is supported.

Names are those of the file. Other keys are refused: ignoring a security setting is worse than an error.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import yaml

from hostcollector.base.errors import ConfigError
from hostcollector.config.checks import BOOLEAN, TEXT, URL_PATH, Check, mapping, plain_text
from hostcollector.config.document import Place, Read, UnfitError, known, leaf
from hostcollector.config.files import read_file
from hostcollector.config.reader import Distinct, Needed, Section

# The salt's last character holds two bits, so bcrypt takes only these four.
_HASH = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_HIGHEST_COST = 14
"""The cost of a bcrypt hash that takes about a second to check; the next one takes twice as long."""


class ClientAuthType(StrEnum):
    """Which clients TLS accepts. Go's types that request a certificate without checking it do not exist."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


class TlsVersion(StrEnum):
    """A version of TLS; those before 1.2 are broken and refused."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


def _bcrypt(node: yaml.Node) -> str:
    # The value is not repeated: it may be a password.
    value = node.value if isinstance(node, yaml.ScalarNode) else ""
    form = _HASH.fullmatch(value)
    if form is None:
        raise UnfitError("expected a bcrypt hash, as `htpasswd -nBC 10 USER` prints it")
    if not 4 <= int(form["cost"]) <= _HIGHEST_COST:
        raise UnfitError(f"expected a bcrypt hash of cost 4 to {_HIGHEST_COST}, not {form['cost']}")
    return str(value)


def _user_complaint(user: str) -> str:
    if not user or ":" in user or not user.isprintable():
        return "not a user name that HTTP can carry: empty, or with a colon or control character"
    return ""


def _header(*values: str) -> Read:
    def read(node: yaml.Node) -> str:
        value = plain_text(node)
        if values and value not in values:
            raise UnfitError(f"expected one of {', '.join(values)}")
        if not value.isascii():
            raise UnfitError("expected ASCII")
        return value

    return leaf(read)


def _no_http2(node: yaml.Node, place: Place) -> bool:
    if BOOLEAN.read(node, place):
        raise UnfitError("HTTP/2 is not spoken: write false or leave it out")
    return False


_HEADERS: Mapping[str, Read] = {
    "Content-Security-Policy": _header(),
    "Strict-Transport-Security": _header(),
    "X-Content-Type-Options": _header("nosniff"),
    "X-Frame-Options": _header("deny", "sameorigin"),
    "X-XSS-Protection": _header(),
}
"""The headers that the toolkit lets an operator set, with their values where those are limited."""

HEADERS = Check("mapping", lambda node, place: known(node, place, _HEADERS), ", ".join(_HEADERS))
HTTP2 = Check("false", _no_http2)
USERS = mapping(
    _user_complaint,
    Check("bcrypt hash", leaf(_bcrypt)),
    takes="mapping",
    allowed=f"bcrypt hashes of cost 4 to {_HIGHEST_COST}",
    empty="there is no user: leave the section out for a page without passwords",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsServerConfig(Section):
    """The `tls_server_config` section: TLS. Paths are absolute or relative to the web-config file."""

    cert_file: Annotated[str, Needed("TLS needs a certificate and its key")]
    """The server's certificate in PEM, followed by the intermediate ones."""

    key_file: Annotated[str, Needed("TLS needs a certificate and its key")]
    """The certificate's key in PEM, without a passphrase. A file that every account may read is refused."""

    client_ca_file: Annotated[str | None, TEXT] = None
    """The authorities that clients' certificates are checked against, in PEM."""

    client_auth_type: ClientAuthType = ClientAuthType.NONE
    """Which certificates clients need."""

    client_allowed_sans: tuple[str, ...] = ()
    """A client's certificate must have one of these as DNS name, e-mail, IP or URI; empty for any."""

    min_version: TlsVersion = TlsVersion.TLS12
    """The lowest version of TLS."""

    max_version: TlsVersion = TlsVersion.TLS13
    """The highest version of TLS."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield each key that does not fit the others: half a setting looks like protection and is none."""
        verifies = self.client_auth_type is not ClientAuthType.NONE
        if verifies and self.client_ca_file is None:
            yield "client_ca_file", f"missing: {self.client_auth_type} checks clients against it"
        if self.client_ca_file is not None and not verifies:
            yield "client_auth_type", "missing: client_ca_file alone does not request a certificate"
        if self.client_allowed_sans and self.client_auth_type is not ClientAuthType.REQUIRED:
            yield "client_allowed_sans", f"needs client_auth_type {ClientAuthType.REQUIRED}"
        if self.min_version > self.max_version:
            yield "min_version", f"{self.min_version} is above max_version {self.max_version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServerConfig:
    """The `http_server_config` section: headers of HTTP."""

    http2: Annotated[bool, HTTP2] = False
    """HTTP/2 is not spoken."""

    headers: Annotated[Mapping[str, str], HEADERS] = field(default_factory=dict)
    """Headers of every reply; they replace the collector's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathReaders(Section):
    """One entry of `access.readers`: the only clients that may read a path.

    A client that is listed for any path reads no path that does not list it. Paths below ``/tenants/`` are
    closed to every client that is not listed.
    """

    path: Annotated[str, URL_PATH, Needed("the path of the page, such as /tenants/metrics")]
    """The path of a page."""

    users: tuple[str, ...] = ()
    """Users of `basic_auth_users`."""

    certificates: tuple[str, ...] = ()
    """Names of clients' certificates: DNS name, e-mail, IP or URI."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield an entry without clients: it looks like a page for one client and is for none."""
        if not self.users and not self.certificates:
            yield "", "lists no client: give users or certificates"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessConfig:
    """The `access` section: which client may read which path. The exporter toolkit has no such section."""

    readers: Annotated[tuple[PathReaders, ...], Distinct(lambda entry: entry.path)] = ()
    """Paths with their clients. Other paths are open to every client that is not listed for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """The whole file. `WebConfig()` is what holds without one: no TLS, no authentication."""

    tls_server_config: TlsServerConfig | None = None
    """TLS; None for HTTP without it."""

    http_server_config: HttpServerConfig = field(default_factory=HttpServerConfig)

    basic_auth_users: Annotated[Mapping[str, str], USERS] = field(default_factory=dict)
    """User name to bcrypt hash; without it the page needs no password."""

    access: AccessConfig = field(default_factory=AccessConfig)

    def strangers(self) -> Iterator[str]:
        """Yield a sentence for clients of `access.readers` that can never identify themselves."""
        readers = self.access.readers
        unknown = {user for entry in readers for user in entry.users} - self.basic_auth_users.keys()
        if unknown:
            yield f"access.readers: not among basic_auth_users: {', '.join(sorted(unknown))}"
        tls = self.tls_server_config
        checked = tls is not None and tls.client_auth_type is not ClientAuthType.NONE
        if not checked and any(entry.certificates for entry in readers):
            yield "access.readers: certificates need tls_server_config with client_auth_type"


def read_web_config(path: Path | None) -> WebConfig:
    """Return what a web-config file says; neither TLS nor authentication if `path` is None.

    Its paths are taken from its own directory; the files are not opened. Raises as `read_file` does, and for
    clients in `access.readers` that cannot exist.
    """
    if path is None:
        return WebConfig()
    config = read_file(path, WebConfig)
    if strangers := list(config.strangers()):
        raise ConfigError(str(path), strangers)
    tls = config.tls_server_config
    if tls is None:
        return config
    client_ca = tls.client_ca_file and str(path.parent / tls.client_ca_file)
    cert, key = str(path.parent / tls.cert_file), str(path.parent / tls.key_file)
    return replace(
        config, tls_server_config=replace(tls, cert_file=cert, key_file=key, client_ca_file=client_ca)
    )
