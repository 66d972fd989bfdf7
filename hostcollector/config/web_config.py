"""TLS and authentication as frozen values: the part of the exporter toolkit's web-config that is supported.

Names are those of the file, so that this is its documentation; what is not here is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ClientAuthType(StrEnum):
    """Which clients TLS lets in. Go's types that ask for a certificate without checking it do not exist."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


class TlsVersion(StrEnum):
    """A version of TLS; those before 1.2 are broken and refused."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsServerConfig:
    """The `tls_server_config` section. Paths are absolute or relative to the web-config file."""

    cert_file: str
    """The server's certificate in PEM, with the intermediate ones behind it."""

    key_file: str
    """The certificate's key in PEM, without a passphrase. A file that everybody may read is refused."""

    client_ca_file: str | None = None
    """The authorities that clients' certificates are checked against, in PEM."""

    client_auth_type: ClientAuthType = ClientAuthType.NONE
    """NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert."""

    client_allowed_sans: tuple[str, ...] = ()
    """A client's certificate must have one of these as DNS name, e-mail, IP or URI; empty for any."""

    min_version: TlsVersion = TlsVersion.TLS12
    """TLS12 or TLS13."""

    max_version: TlsVersion = TlsVersion.TLS13
    """TLS12 or TLS13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServerConfig:
    """The `http_server_config` section."""

    http2: bool = False
    """Only false: HTTP/2 is not spoken."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of every reply, out of those that the toolkit allows; they replace the collector's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """The whole file. `WebConfig()` is what holds without one: no TLS, no authentication."""

    tls_server_config: TlsServerConfig | None = None
    """TLS; None for a page in the clear."""

    http_server_config: HttpServerConfig = field(default_factory=HttpServerConfig)
    """What HTTP says besides the page."""

    basic_auth_users: Mapping[str, str] = field(default_factory=dict)
    """User name to bcrypt hash; empty for a page that nobody is asked a password for."""
