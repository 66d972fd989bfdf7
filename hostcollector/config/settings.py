"""The configuration as frozen values; every field's docstring is the operator's documentation of the key.

The defaults are the documented ones: `Settings()` is what the collector runs with when there is no file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hostcollector.base.log import LogFormat, LogLevel
from hostcollector.config.address import Address
from hostcollector.config.remote import Remote, Transport

DEFAULT_ADDRESS = Address("127.0.0.1", 10177)
SOCKET_NAME = "hostcollector.sock"
"""The daemon's own socket in `paths.runtime_directory`."""

DEFAULT_OVS_REMOTE = Remote(Transport.UNIX, path="/run/openvswitch/db.sock")


class ResolverName(StrEnum):
    """A way to find out whose a guest is."""

    METADATA = "metadata"
    NOVA = "nova"
    XPATH = "xpath"
    MAP = "map"
    OVN = "ovn"


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtSettings:
    """The `libvirt` section: the connection to the hypervisor."""

    uri: str = "qemu:///system"
    """The libvirt connection URI; it is only ever opened read-only."""

    keepalive_interval_seconds: int = 5
    """Seconds between keepalive messages on the connection, 1 to 3600."""

    keepalive_count: int = 3
    """Keepalive messages without an answer after which the connection counts as dead, 1 to 100."""

    listing_interval_seconds: int = 300
    """Seconds between full listings that verify what the events said, 10 to 86400."""

    kvm_extras: bool = False
    """Read halt polling and halted vCPUs too: three more round trips to each guest's monitor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The `web` section: where and how the page is served."""

    listen_address: Address = DEFAULT_ADDRESS
    """``host:port``, ``[::1]:port``, or ``:port`` for every address of the machine."""

    telemetry_path: str = "/metrics"
    """The path of the page that Prometheus scrapes."""

    config_file: str | None = None
    """Absolute path of the web-config file with TLS and authentication; null for neither."""

    systemd_socket: bool = False
    """Serve on the socket that systemd hands over (hostcollector.socket) instead of `listen_address`."""

    @property
    def config_path(self) -> Path | None:
        """`config_file` as a path."""
        return None if self.config_file is None else Path(self.config_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSettings:
    """The `collection` section: how long a collection may take and how large it may get."""

    budget_seconds: float = 8.0
    """Seconds after which a collection ends with what it has, 0.1 to 300; a scraper may ask for less."""

    timeout_margin_seconds: float = 0.5
    """Seconds kept free between the end of a collection and the scraper's own timeout, 0 to 60."""

    maximum_age_seconds: float = 1.0
    """For so many seconds a finished collection answers further scrapes, 0 to 60."""

    series_limit: int = 200_000
    """Series that one page may hold, 1 to 10000000; what exceeds it is dropped and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XPathRule:
    """One entry of `tenancy.xpath`: where a cloud's own metadata says the tenant.

    Paths are of ElementTree's XPath subset, relative to the domain's `<metadata>`, and may end in
    ``/@attribute``.
    """

    tenant: str
    """The path of the tenant's id."""

    name: str = ""
    """The path of the tenant's display name; empty when there is none."""

    namespaces: Mapping[str, str] = field(default_factory=dict)
    """Prefix to namespace URI, for the prefixes that the paths use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenancySettings:
    """The `tenancy` section: how a guest's tenant is found."""

    resolvers: tuple[ResolverName, ...] = tuple(ResolverName)
    """Which resolvers are asked, in this order; the first answer wins."""

    xpath: tuple[XPathRule, ...] = ()
    """Rules of the `xpath` resolver, in order."""

    map_file: str | None = None
    """Absolute path of the `map` resolver's YAML file of UUIDs and name patterns; null for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OvsSettings:
    """The `ovs` section: the database of this machine's Open vSwitch, for the sources `ovs` and `ovn`."""

    remote: Remote = DEFAULT_OVS_REMOTE
    """``unix:/path`` or ``tcp:host:port``. A socket that does not exist means a machine without a switch."""

    maximum_age_seconds: float = 15.0
    """Seconds without a sign of life after which what the database said is not shown any more, 1 to 300."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OvnSettings:
    """The `ovn` section: OVN's southbound database, for the source and the resolver `ovn`."""

    remote: tuple[Remote, ...] = ()
    """``ssl:host:port``, ``tcp:host:port`` or ``unix:/path``; a cluster's members with commas between them.

    Without it nothing is asked of OVN.
    """

    maximum_age_seconds: float = 60.0
    """Seconds without a sign of life after which the ports are not shown any more, 1 to 3600.

    The tenants that they gave stay: the project of a port never changes.
    """

    ca_file: str | None = None
    """Absolute path of the certificates that the server's must be signed by, in PEM; needed for ``ssl:``.

    As with OVN's own programs the server's name is not checked: the certificates of `ovs-pki` have none.
    """

    certificate_file: str | None = None
    """Absolute path of our certificate in PEM, for a server that asks for one."""

    private_key_file: str | None = None
    """Absolute path of our certificate's key in PEM. The files are read again at each connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NdfcSettings:
    """The `ndfc` section: Cisco's fabric controller, for the source `ndfc`."""

    url: str = ""
    """``https://host`` or ``https://host:port``. Without it nothing is asked of a controller."""

    user: str = ""
    """An account with a role that may only read (network-operator)."""

    domain: str = "local"
    """The login domain of the account."""

    password_file: str | None = None
    """Absolute path of a file with the password in one line; it is read again for each round.

    Null for the credential ``ndfc-password`` that systemd hands over (`LoadCredential=`).
    """

    ca_file: str | None = None
    """Absolute path of the certificates that the server's must be signed by (PEM); null for the system's."""

    insecure_skip_verify: bool = False
    """Do not check the controller's certificate: anybody in between can then read the password."""

    fabrics: tuple[str, ...] = ()
    """Names of the fabrics to read; empty for all that the controller has."""

    switches: tuple[str, ...] = ()
    """The leaf or ToR switches that this host is cabled to, by name, serial number or management address.

    VLAN ids belong to a switch. Without this list a VLAN is shown if it is the same network on all switches.
    """

    cluster: str = ""
    """The member to ask of a group of clusters whose primary is at `url`; empty for the one at `url`."""

    interval_seconds: int = 600
    """Seconds between two rounds of questions, 60 to 86400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSettings:
    """One entry of `infiniband.partitions`: a partition, its name and its members' ports.

    GUIDs are written as any tool writes them; kept as ``0c:42:a1:03:00:ab:cd:ef``.
    """

    pkey: int
    """The P_Key, from 0x1 to 0x7fff; the membership bit (0x8000) may be set and means nothing here."""

    name: str = ""
    """The partition's name; it also stands in place of the one that UFM gives."""

    full: tuple[str, ...] = ()
    """Port GUIDs of full members."""

    limited: tuple[str, ...] = ()
    """Port GUIDs of limited members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfinibandSettings:
    """The `infiniband` section: what only the subnet manager knows of the fabric, for the source `sriov`."""

    partitions: tuple[PartitionSettings, ...] = ()
    """Partitions with their members. UFM is not believed about ports that stand here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UfmSettings:
    """The `ufm` section: NVIDIA's manager of the InfiniBand fabric, for the sources `ufm` and `sriov`."""

    url: str = ""
    """``https://host`` or ``https://host:port``. Without it nothing is asked of a manager."""

    user: str = ""
    """An account that may only read."""

    password_file: str | None = None
    """Absolute path of a file with the password in one line; it is read again for each round.

    Null for the credential ``ufm-password`` that systemd hands over (`LoadCredential=`).
    """

    ca_file: str | None = None
    """Absolute path of the certificates that the server's must be signed by (PEM); null for the system's."""

    insecure_skip_verify: bool = False
    """Do not check the manager's certificate: anybody in between can then read the password."""

    interval_seconds: int = 600
    """Seconds between two rounds of questions, 60 to 86400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedfishSettings:
    """The `redfish` section: the BMC of the GPUs' baseboard, for the source `redfish`."""

    url: str = ""
    """``https://host`` or ``https://host:port``. Without it nothing is asked of a BMC."""

    user: str = ""
    """An account that may log in and read (role ReadOnly)."""

    password_file: str | None = None
    """Absolute path of a file with the password in one line; it is read again for each round.

    Null for the credential ``redfish-password`` that systemd hands over (`LoadCredential=`).
    """

    ca_file: str | None = None
    """Absolute path of the certificates that the BMC's must be signed by (PEM); null for the system's."""

    insecure_skip_verify: bool = False
    """Do not check the BMC's certificate: anybody in between can then read the password."""

    interval_seconds: int = 15
    """Seconds between two readings of the metric reports, 5 to 600.

    What they say is shown for three times as long.
    """

    ports_interval_seconds: int = 300
    """Seconds between two readings of the NVLinks' counters and the GPUs' health, 30 to 3600."""

    gpu_map_file: str | None = None
    """Absolute path of a YAML file of PCI addresses and the BMC's names of the GPUs; null for none.

    ``"0000:1b:00.0": GPU_SXM_1``. It is read again when it changes. Not needed for GPUs that the source
    `nvml` has seen with NVIDIA's driver.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """The `paths` section: where the collector reads and writes on this machine."""

    root: str = "/"
    """Absolute path under which ``/proc`` and ``/sys`` lie."""

    state_directory: str = "/var/lib/hostcollector"
    """Absolute path of the directory for what must survive a restart."""

    runtime_directory: str = "/run/hostcollector"
    """Absolute path of the directory for the daemon's own socket, hostcollector.sock; empty for no socket.

    Commands by hand read the running daemon through it. systemd makes the default directory; where it does
    not exist there is no socket.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The `log` section: what goes to standard error, and in which form."""

    level: LogLevel = LogLevel.INFO
    """debug, info, warn or error."""

    format: LogFormat = LogFormat.LOGFMT
    """logfmt or json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration. To change a value, make a new one with `Overrides.applied_to`."""

    libvirt: LibvirtSettings = field(default_factory=LibvirtSettings)
    """The connection to the hypervisor."""

    web: WebSettings = field(default_factory=WebSettings)
    """Where and how the page is served."""

    collection: CollectionSettings = field(default_factory=CollectionSettings)
    """How long a collection may take and how large it may get."""

    sources: Mapping[str, bool] = field(default_factory=dict)
    """Source name to on or off, where it differs from the source's default."""

    tenancy: TenancySettings = field(default_factory=TenancySettings)
    """How a guest's tenant is found."""

    ovs: OvsSettings = field(default_factory=OvsSettings)
    """The database of this machine's Open vSwitch."""

    ovn: OvnSettings = field(default_factory=OvnSettings)
    """OVN's southbound database."""

    ndfc: NdfcSettings = field(default_factory=NdfcSettings)
    """Cisco's fabric controller."""

    infiniband: InfinibandSettings = field(default_factory=InfinibandSettings)
    """What only the subnet manager knows."""

    ufm: UfmSettings = field(default_factory=UfmSettings)
    """NVIDIA's manager of the InfiniBand fabric."""

    redfish: RedfishSettings = field(default_factory=RedfishSettings)
    """The BMC of the GPUs' baseboard."""

    paths: PathSettings = field(default_factory=PathSettings)
    """Where the collector reads and writes on this machine."""

    log: LogSettings = field(default_factory=LogSettings)
    """What goes to standard error, and in which form."""

    def source_enabled(self, name: str, *, default: bool) -> bool:
        """Whether the source is to run: what the configuration says of it, else `default`."""
        return self.sources.get(name, default)
