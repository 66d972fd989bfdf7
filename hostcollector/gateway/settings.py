"""The gateway's configuration as frozen values, one annotated line per key (see `config.reader`)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from hostcollector.base.log import LogFormat, LogLevel
from hostcollector.config import checks
from hostcollector.config.address import Address
from hostcollector.config.checks import number, text, whole
from hostcollector.config.files import read_file
from hostcollector.config.reader import Needed, Section
from hostcollector.web.access import is_loopback

DEFAULT_ADDRESS = Address("127.0.0.1", 10178)
DEFAULT_OPERATOR_ADDRESS = Address("127.0.0.1", 10179)
DEFAULT_INTAKE_ADDRESS = Address("127.0.0.1", 10189)
DEFAULT_ADMIN_ADDRESS = Address("127.0.0.1", 10188)
DEFAULT_STORE = "http://127.0.0.1:8428"


def secured_url(value: str) -> str:
    """Return the address of a service without a slash at its end. Raises `ValueError` with a sentence.

    What crosses the network is encrypted, so without TLS only a service on this machine is taken.
    """
    parts = urlsplit(value)
    # The text is not repeated: it may contain a password.
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise ValueError("expected https://host:port/path, or http:// with an address of this machine")
    if parts.scheme == "http" and not (parts.hostname == "localhost" or is_loopback(parts.hostname)):
        raise ValueError("a service on another machine needs https://")
    return value.rstrip("/")


STORE_URL = text(secured_url, "URL", "https://host:port/path, or http:// with a loopback address")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings(Section):
    """The `web` section: where tenants reach the gateway."""

    listen_address: Annotated[Address, checks.LISTEN_ADDRESS] = DEFAULT_ADDRESS
    """The TCP address for tenants; ``:port`` listens on every address of the machine."""

    config_file: Annotated[str | None, checks.FILE] = None
    """The web-config file with TLS, as the collector's. Tenants have tokens, so it has no users."""

    workers: Annotated[int, whole(1, 64)] = 2
    """Processes that answer requests on this address."""

    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages that may read answers, exactly, such as ``https://console.example``."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield an origin that is none: a browser sends scheme, host and port, and nothing else."""
        for origin in self.allowed_origins:
            parts = urlsplit(origin)
            whole = f"{parts.scheme}://{parts.netloc}"
            if parts.scheme not in {"http", "https"} or whole != origin.lower() or parts.username:
                yield (
                    "allowed_origins",
                    f"{origin[:80]!a} is no origin: expected https://host or https://host:port",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """The `operator` section: the listener for the operator's Prometheus: metrics and health."""

    listen_address: Annotated[Address, checks.LISTEN_ADDRESS] = DEFAULT_OPERATOR_ADDRESS
    """The TCP address of the first worker; the second one has the next port, and so on."""

    config_file: Annotated[str | None, checks.FILE] = None
    """The web-config file with TLS and users of this listener, as the collector's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings(Section):
    """The `store` section: the VictoriaMetrics with the tenants' series."""

    url: Annotated[str, STORE_URL] = DEFAULT_STORE
    """The address below which the store has ``/api/v1``."""

    ca_file: Annotated[str | None, checks.CERTIFICATES] = None
    """The certificates that the store's must be signed by; null for those of the system."""

    certificate_file: Annotated[str | None, checks.CERTIFICATES] = None
    """The gateway's certificate, for a store that requires one."""

    private_key_file: Annotated[str | None, checks.PRIVATE_KEY] = None
    """The key of the gateway's certificate."""

    connections: Annotated[int, whole(1, 1000)] = 64
    """Connections of one worker to the store."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield a certificate without its key."""
        if (self.certificate_file is None) != (self.private_key_file is None):
            yield "", "certificate_file and private_key_file go together: give both or neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """The `limits` section: the bounds of one tenant's requests. Plans set the requests in a minute."""

    concurrency: Annotated[int, whole(1, 10_000)] = 16
    """Requests of a tenant that are answered at the same time, by all workers together."""

    store_queries: Annotated[int, whole(1, 10_000)] = 4
    """Queries of a tenant that the store answers at the same time; its others wait.

    Each worker has its share of them, at least one. A quarter of the store's processors is a good number."""

    range_seconds: Annotated[int, whole(60, 315_360_000)] = 35 * 86_400
    """The longest time between a query's start and end."""

    points: Annotated[int, whole(1, 1_000_000)] = 11_000
    """The most points of a series in one answer: the range divided by the step."""

    response_bytes: Annotated[int, whole(1024, 2**40)] = 64 * 1024 * 1024
    """The most bytes of one answer."""

    seconds: Annotated[float, number(0.1, 600)] = 30.0
    """The most seconds that a request may take, the sending of the answer included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings(Section):
    """A database: its URL, and the file with the password of its user."""

    database: str
    password_file: str | None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield a database that is neither SQLite nor PostgreSQL, and one with a password in its URL."""
        parts = urlsplit(self.database)
        if parts.scheme not in {"sqlite", "postgresql+psycopg"}:
            yield "database", "expected sqlite:////path or postgresql+psycopg://user@host/name"
        if parts.password:
            yield "database", "a password belongs to password_file, not to the URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings(DatabaseSettings):
    """The `accounts` section: the database of tenants and tokens, and the file of plans."""

    database: str = "sqlite:////var/lib/hostcollector-gateway/accounts.db"
    """The database as a URL of SQLAlchemy without a password: ``sqlite:///`` and a path, or PostgreSQL."""

    password_file: Annotated[str | None, checks.PASSWORD] = None
    """The file with the password of the database's user."""

    plans_file: Annotated[str | None, checks.FILE] = None
    """The YAML file of plans; null for one plan, `detailed`, with everything."""


FOREVER_MONTHS = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSettings(DatabaseSettings):
    """The `ledger` section: the database of usage. `serve` only reads it, the intake writes it."""

    database: str = "sqlite:////var/lib/hostcollector-gateway/ledger.db"
    """The database as a URL of SQLAlchemy without a password: ``sqlite:///`` and a path, or PostgreSQL."""

    password_file: Annotated[str | None, checks.PASSWORD] = None
    """The file with the password of the database's user."""

    keep_months: Annotated[int, whole(2, FOREVER_MONTHS)] = FOREVER_MONTHS
    """Months before the present one that `ledger prune` keeps; 1200 for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings(Section):
    """The `intake` section: the hosts whose usage records the intake pulls, and how."""

    hosts_file: Annotated[str | None, checks.FILE] = None
    """The hosts as Prometheus' file_sd has them, in JSON or YAML; it is read again in each round."""

    ca_file: Annotated[str | None, checks.CERTIFICATES] = None
    """The certificates that the hosts' must be signed by."""

    certificate_file: Annotated[str | None, checks.CERTIFICATES] = None
    """The intake's certificate; null for plain HTTP, over which only loopback addresses are read."""

    private_key_file: Annotated[str | None, checks.PRIVATE_KEY] = None
    """The key of the intake's certificate."""

    interval_seconds: Annotated[int, whole(5, 3600)] = 300
    """Between the starts of two rounds over all hosts."""

    connections: Annotated[int, whole(1, 1000)] = 32
    """Hosts that are read at the same time."""

    host_seconds: Annotated[float, number(0.5, 300)] = 30.0
    """The most seconds that one answer of a host may take."""

    final_hours: Annotated[int, whole(1, 168)] = 6
    """Hours after which an hour is final although a host has not closed it."""

    listen_address: Annotated[Address, checks.LISTEN_ADDRESS] = DEFAULT_INTAKE_ADDRESS
    """The TCP address of the intake's metrics."""

    config_file: Annotated[str | None, checks.FILE] = None
    """The web-config file with TLS and users of this listener, as the collector's."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield a certificate without its key or without the hosts' authority."""
        given = {self.ca_file is None, self.certificate_file is None, self.private_key_file is None}
        if len(given) > 1:
            yield "", "ca_file, certificate_file and private_key_file go together: give all or none"


class Algorithm(StrEnum):
    """A way to sign a JWT with a key of which only the provider has the private part (RFC 7518)."""

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    ES256 = "ES256"
    ES384 = "ES384"
    EDDSA = "EdDSA"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdSettings:
    """The `openid` section: the OpenID provider whose JWTs are taken beside API tokens."""

    issuer: Annotated[str, Needed("the provider's `iss`")]
    """What `iss` must be."""

    audience: Annotated[str, Needed("what the provider calls the gateway in `aud`")]
    """What `aud` must be or contain."""

    keys_url: Annotated[str, STORE_URL, Needed("where the provider's keys are")]
    """The address of the provider's JWKS."""

    tenant_claim: str = "tenant"
    """The claim with the tenant: its id, or a list of ids."""

    algorithms: tuple[Algorithm, ...] = (Algorithm.RS256, Algorithm.ES256)
    """The algorithms that are taken."""

    ca_file: Annotated[str | None, checks.CERTIFICATES] = None
    """The certificates that the provider's must be signed by; null for those of the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """The `audit` section: the record of requests."""

    directory: Annotated[str, checks.DIRECTORY] = "/var/lib/hostcollector-gateway/audit"
    """The directory with one chain of files for each worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings(Section):
    """The `admin` section: the operator's process, which changes accounts and erases tenants."""

    listen_address: Annotated[Address, checks.LISTEN_ADDRESS] = DEFAULT_ADMIN_ADDRESS
    """The TCP address for the operator's console; not one that tenants reach."""

    config_file: Annotated[str | None, checks.FILE] = None
    """The web-config file with TLS; client_auth_type RequireAndVerifyClientCert admits by certificate."""

    token_file: Annotated[str | None, checks.TOKEN] = None
    """The file with the operator's bearer token; null where client certificates are required."""

    records_directory: Annotated[str, checks.DIRECTORY] = "/var/lib/hostcollector-gateway/erasures"
    """The directory with a record of each erasure."""

    store_retention_days: Annotated[int, whole(1, 3650)] = 35
    """The store's retention, for the records: until then the index and the disk keep what is deleted."""

    backup_days: Annotated[int, whole(0, 3650)] = 90
    """How long backups are kept, for the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The `log` section: what is logged to standard error, and in which form."""

    level: LogLevel = LogLevel.INFO
    """The lowest level that is logged."""

    format: LogFormat = LogFormat.LOGFMT
    """The form of a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The whole configuration; `GatewaySettings()` is the one without a file."""

    web: WebSettings = field(default_factory=WebSettings)
    operator: OperatorSettings = field(default_factory=OperatorSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    accounts: AccountSettings = field(default_factory=AccountSettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    openid: OpenIdSettings | None = None
    """The `openid` section; without it only API tokens are taken."""

    audit: AuditSettings = field(default_factory=AuditSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    log: LogSettings = field(default_factory=LogSettings)


def read_settings(path: Path | None) -> GatewaySettings:
    """Return the settings of a YAML file; the defaults if `path` is None. Raises as `read_file` does."""
    return GatewaySettings() if path is None else read_file(path, GatewaySettings)
