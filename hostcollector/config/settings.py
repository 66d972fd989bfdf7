"""The configuration as frozen values, one annotated line per key.

The annotation says what a key takes (see `reader`), the docstring under it what it means: CONFIG.md is made
from both. `Settings()` is the configuration without a file.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from hostcollector.base.log import LogFormat, LogLevel
from hostcollector.config import checks
from hostcollector.config.address import Address
from hostcollector.config.checks import number, whole
from hostcollector.config.document import Read, known
from hostcollector.config.files import read_bytes, read_content
from hostcollector.config.reader import Section, section_reader
from hostcollector.config.services import (
    InfinibandSettings,
    NdfcSettings,
    OvnSettings,
    OvsSettings,
    RedfishSettings,
    UfmSettings,
)
from hostcollector.config.tenancy import TenancySettings, TenantsSettings, UsageSettings

DEFAULT_ADDRESS = Address("127.0.0.1", 10177)
SOCKET_NAME = "hostcollector.sock"
"""The daemon's own socket in `paths.runtime_directory`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtSettings:
    """The `libvirt` section: the connection to the hypervisor."""

    uri: Annotated[str, checks.LIBVIRT_URI] = "qemu:///system"
    """The libvirt connection URI. It is opened read-only."""

    keepalive_interval_seconds: Annotated[int, whole(1, 3600)] = 5
    """Seconds between keepalive messages on the connection."""

    keepalive_count: Annotated[int, whole(1, 100)] = 3
    """Keepalive messages without an answer after which the connection counts as dead."""

    listing_interval_seconds: Annotated[int, whole(10, 86400)] = 300
    """Seconds between full listings of the guests, which verify what libvirt's events reported."""

    kvm_extras: bool = False
    """Read halt polling and halted vCPUs too: three more round trips to each guest's monitor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The `web` section: where and how the page is served."""

    listen_address: Annotated[Address, checks.LISTEN_ADDRESS] = DEFAULT_ADDRESS
    """The TCP address of the page; ``:port`` listens on every address of the machine."""

    telemetry_path: Annotated[str, checks.TELEMETRY_PATH] = "/metrics"
    """The path of the page that Prometheus scrapes."""

    config_file: Annotated[str | None, checks.FILE] = None
    """The web-config file with TLS and authentication; null for neither."""

    systemd_socket: bool = False
    """Serve on the socket that systemd passes (hostcollector.socket) instead of `listen_address`."""

    @property
    def config_path(self) -> Path | None:
        """`config_file` as a path."""
        return None if self.config_file is None else Path(self.config_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSettings:
    """The `collection` section: how long a collection may take and how large it may get."""

    budget_seconds: Annotated[float, number(0.1, 300)] = 8.0
    """Seconds after which a collection ends with what it has. A scraper's own timeout can shorten it."""

    timeout_margin_seconds: Annotated[float, number(0, 60)] = 0.5
    """Seconds between the end of a collection and the scraper's own timeout."""

    maximum_age_seconds: Annotated[float, number(0, 60)] = 1.0
    """Seconds for which a finished collection answers further scrapes."""

    series_limit: Annotated[int, whole(1, 10_000_000)] = 200_000
    """Series that one page may contain. Further series are dropped and counted."""

    silent_guest_seconds: Annotated[int, whole(60, 86_400)] = 600
    """Seconds without any sign of life after which the instance check of a guest fails."""

    ended_guests_seconds: Annotated[int, whole(0, 2_592_000)] = 86_400
    """Seconds for which the page names guests that ended, and incidents such as panics."""

    ended_guests_limit: Annotated[int, whole(0, 1000)] = 100
    """How many ended guests the page names at most, the last ones, and as many incidents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSettings:
    """The `series` section: what the metrics page does not show, so that a Prometheus stores less."""

    compatibility_names: bool = True
    """Show other exporters' names for what has a name of its own too, so that their boards work."""

    vcpu_detail: bool = True
    """Show what hardly ever changes for each vCPU: its state, and the CPUs that it may run on."""

    drop: Annotated[tuple[str, ...], checks.METRICS] = ()
    """Names of metrics that are left out, or patterns of the shell, such as ``libvirt_domain_cgroup_*``."""

    @property
    def switched_off(self) -> frozenset[str]:
        """The switches that are false, by name."""
        return frozenset(each.name for each in fields(self) if getattr(self, each.name) is False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestPattern(Section):
    """One entry of `guests.include` or `guests.exclude`. It matches the guests that fit all its keys.

    `name`, `tenant` and `value` are patterns of the shell for the whole text; case matters.
    """

    name: Annotated[str, checks.PATTERN] = "*"
    """A pattern of the guest's name in libvirt."""

    tenant: Annotated[str, checks.PATTERN_OR_EMPTY] = "*"
    """A pattern of the tenant's id; ``""`` for guests without a tenant."""

    metadata: str = ""
    """A path in the domain's `<metadata>`, as in `tenancy.xpath`; empty for any metadata."""

    value: Annotated[str, checks.PATTERN_OR_EMPTY] = "*"
    """A pattern of the text at `metadata`, for at least one of the places that the path finds."""

    namespaces: Annotated[Mapping[str, str], checks.NAMESPACES] = field(default_factory=dict)
    """The prefixes that `metadata` uses, each with its namespace URI."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield a path that ElementTree does not take, and an entry that matches every guest."""
        if self.metadata and (complaint := checks.xpath_complaint(self.metadata, dict(self.namespaces))):
            yield "metadata", complaint
        if not self.metadata and self.value != "*":
            yield "value", "metadata is missing: the path of the text that is compared"
        if (self.name, self.tenant, self.metadata) == ("*", "*", ""):
            yield "", "matches every guest: give a name, a tenant or a path in the metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSettings:
    """The `guests` section: which guests the page shows.

    A guest that is left out has no series; its devices remain its own. `exclude` wins over `include`.
    """

    include: tuple[GuestPattern, ...] = ()
    """Guests on the page; empty for all."""

    exclude: tuple[GuestPattern, ...] = ()
    """Guests that are left out, also when `include` matches them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """The `paths` section: where the collector reads and writes on this machine."""

    root: Annotated[str, checks.DIRECTORY] = "/"
    """The directory that contains ``/proc`` and ``/sys``."""

    state_directory: Annotated[str, checks.DIRECTORY] = "/var/lib/hostcollector"
    """The directory for what must survive a restart."""

    runtime_directory: Annotated[str, checks.DIRECTORY_OR_EMPTY] = "/run/hostcollector"
    """The directory of the daemon's own socket, hostcollector.sock; empty for no socket.

    Commands read the running daemon through it. systemd makes the default directory; where it does not exist
    there is no socket.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The `log` section: what is logged to standard error, and in which form."""

    level: LogLevel = LogLevel.INFO
    """The lowest level that is logged."""

    format: LogFormat = LogFormat.LOGFMT
    """The form of a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration. To change a value, make a new one with `reader.changed`."""

    libvirt: LibvirtSettings = field(default_factory=LibvirtSettings)
    web: WebSettings = field(default_factory=WebSettings)
    collection: CollectionSettings = field(default_factory=CollectionSettings)
    sources: Mapping[str, bool] = field(default_factory=dict)
    """The sources by name: true switches one on, false switches one off."""

    tenancy: TenancySettings = field(default_factory=TenancySettings)
    tenants: TenantsSettings = field(default_factory=TenantsSettings)
    usage: UsageSettings = field(default_factory=UsageSettings)
    guests: GuestSettings = field(default_factory=GuestSettings)
    series: SeriesSettings = field(default_factory=SeriesSettings)
    ovs: OvsSettings = field(default_factory=OvsSettings)
    ovn: OvnSettings = field(default_factory=OvnSettings)
    ndfc: NdfcSettings = field(default_factory=NdfcSettings)
    infiniband: InfinibandSettings = field(default_factory=InfinibandSettings)
    ufm: UfmSettings = field(default_factory=UfmSettings)
    redfish: RedfishSettings = field(default_factory=RedfishSettings)
    paths: PathSettings = field(default_factory=PathSettings)
    log: LogSettings = field(default_factory=LogSettings)

    def source_enabled(self, name: str, *, default: bool) -> bool:
        """Whether the source runs: as configured, else `default`."""
        return self.sources.get(name, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A configuration as it was read; `sha256` is its file's digest in hexadecimal, empty without a file."""

    settings: Settings = field(default_factory=Settings)
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names that a configuration may use: of the sources, and of the metrics; no metrics for any name."""

    sources: Collection[str]
    metrics: Collection[str] = ()

    def readers(self) -> Mapping[str, Read]:
        """Return the readers of the sections that use these names."""
        switches = dict.fromkeys(self.sources, checks.BOOLEAN.read)
        drop = checks.metrics(self.metrics).read
        return {
            "sources": lambda node, place: known(node, place, switches),
            "series": section_reader(SeriesSettings, {"drop": drop}),
        }


def read_configuration(path: Path | None, names: Names) -> Configuration:
    """Return the configuration of a YAML file; the defaults if `path` is None. Raises `ConfigError`."""
    if path is None:
        return Configuration()
    content = read_content(path)
    settings = read_bytes(content, str(path), Settings, names.readers())
    return Configuration(settings=settings, sha256=sha256(content).hexdigest())


def read_settings(path: Path | None, names: Names) -> Settings:
    """Return the settings of a YAML file; the defaults if `path` is None. Raises `ConfigError`."""
    return read_configuration(path, names).settings
