"""The sections of the services that are read beside libvirt: switch, fabric, controllers and BMC."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from hostcollector.base import infiniband
from hostcollector.config import checks
from hostcollector.config.address import Remote, Transport
from hostcollector.config.checks import number, whole
from hostcollector.config.reader import Distinct, Needed, Section

DEFAULT_OVS_REMOTE = Remote(Transport.UNIX, path="/run/openvswitch/db.sock")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings(Section):
    """The keys of every service that is read over HTTPS."""

    what: ClassVar[str] = "the service"
    """The program at `url`, for errors."""

    url: Annotated[str, checks.HTTPS_URL] = ""
    """The address of the service. Without it the service is not read."""

    user: str = ""
    """An account that may only read: NDFC's role network-operator, a BMC's role ReadOnly."""

    password_file: Annotated[str | None, checks.PASSWORD] = None
    """The file with the password in one line; it is read again for each round.

    Null for the credential ``SECTION-password`` that systemd passes (`LoadCredential=`).
    """

    ca_file: Annotated[str | None, checks.CERTIFICATES] = None
    """The certificates that the server's must be signed by; null for the system's."""

    insecure_skip_verify: bool = False
    """Do not check the server's certificate: a machine in between can then read the password."""

    interval_seconds: Annotated[int, whole(60, 86400)] = 600
    """Seconds between two rounds of requests."""

    @property
    def bearer_file(self) -> str | None:
        """The file with a bearer token; null for a service that takes none."""
        return None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield keys without an address, and an address without an account."""
        if not self.url and self != type(self)():
            yield "", f"url is missing: the address of {self.what}"
        if self.url and not self.user and self.bearer_file is None:
            yield "", "user is missing: an account that may only read"


@dataclass(frozen=True, slots=True, kw_only=True)
class OvsSettings:
    """The `ovs` section: the database of this machine's Open vSwitch, for the sources `ovs` and `ovn`."""

    remote: Annotated[Remote, checks.LOCAL_REMOTE] = DEFAULT_OVS_REMOTE
    """The database server. A socket that does not exist means a machine without a switch."""

    maximum_age_seconds: Annotated[float, number(1, 300)] = 15.0
    """Seconds without a message from the database after which its data are not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OvnSettings(Section):
    """The `ovn` section: OVN's southbound database, for the source and the resolver `ovn`."""

    remote: Annotated[tuple[Remote, ...], checks.REMOTES] = ()
    """The database server, or the members of its cluster. Without it OVN is not read."""

    maximum_age_seconds: Annotated[float, number(1, 3600)] = 60.0
    """Seconds without a message from the database after which the ports are not shown.

    The tenants found through the ports stay: the project of a port never changes.
    """

    ca_file: Annotated[str | None, checks.CERTIFICATES] = None
    """The certificates that the server's must be signed by; needed for ``ssl:``.

    As with OVN's own programs the server's name is not checked: the certificates of `ovs-pki` have none.
    """

    certificate_file: Annotated[str | None, checks.CERTIFICATES] = None
    """The collector's certificate, for a server that requires one."""

    private_key_file: Annotated[str | None, checks.PRIVATE_KEY] = None
    """The key of the collector's certificate. The files are read again at each connection."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield TLS without authorities, and a certificate without its key."""
        tls = any(remote.transport is Transport.TLS for remote in self.remote)
        if tls and self.ca_file is None:
            yield "", "ca_file is missing: the certificates that an ssl: server is checked against"
        if (self.certificate_file is None) != (self.private_key_file is None):
            yield "", "certificate_file and private_key_file go together: give both or neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class NdfcSettings(ServiceSettings):
    """The `ndfc` section: Cisco's fabric controller, for the source `ndfc`."""

    what: ClassVar[str] = "the controller"

    domain: str = "local"
    """The login domain of the account."""

    fabrics: tuple[str, ...] = ()
    """Names of the fabrics to read; empty for all that the controller has."""

    switches: tuple[str, ...] = ()
    """The leaf or ToR switches that this host is cabled to, by name, serial number or management address.

    VLAN ids belong to a switch. Without this list a VLAN is shown if it is the same network on all switches.
    """

    cluster: str = ""
    """The member to read in a group of clusters whose primary is at `url`; empty for the one at `url`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSettings(Section):
    """One entry of `infiniband.partitions`: a partition, its name and its members' ports.

    GUIDs may have colons, ``0x`` or neither; they are kept as ``0c:42:a1:03:00:ab:cd:ef``.
    """

    pkey: Annotated[int, checks.PARTITION, Needed("the partition's P_Key")]
    """The P_Key. The membership bit (0x8000) may be set and has no meaning here."""

    name: str = ""
    """The partition's name. It replaces the name in UFM."""

    full: tuple[Annotated[str, checks.PORT_GUID], ...] = ()
    """Port GUIDs of full members."""

    limited: tuple[Annotated[str, checks.PORT_GUID], ...] = ()
    """Port GUIDs of limited members."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield the ports with two memberships."""
        if both := sorted(set(self.full) & set(self.limited)):
            yield "", f"both a full and a limited member: {', '.join(both)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InfinibandSettings:
    """The `infiniband` section: the partitions of the fabric, for the source `sriov`."""

    partitions: Annotated[
        tuple[PartitionSettings, ...], Distinct(lambda partition: partition.pkey, infiniband.pkey)
    ] = ()
    """Partitions with their members. For ports in this list UFM's answers are not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UfmSettings(ServiceSettings):
    """The `ufm` section: NVIDIA's manager of the InfiniBand fabric, for the sources `ufm` and `sriov`."""

    what: ClassVar[str] = "the fabric's manager"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedfishSettings(ServiceSettings):
    """The `redfish` section: the BMC of the GPUs' baseboard, for the source `redfish`."""

    what: ClassVar[str] = "the BMC"

    url: Annotated[str, checks.HTTPS_ADDRESS] = ""
    """The address of the BMC, or of a proxy in front of it. Without it no BMC is read.

    A path is put before every request, as in ``https://proxy/bmc/host17``: then links in the BMC's answers
    (``/redfish/v1/...``) are below that path too.
    """

    token_file: Annotated[str | None, checks.TOKEN] = None
    """The file with a bearer token for the proxy, in one line; it is read again for each round.

    With a `user` as well, the collector also logs in at the BMC. Without one, the proxy does that.
    """

    interval_seconds: Annotated[int, whole(5, 600)] = 15
    """Seconds between two readings of the metric reports. A reading is shown for three times as long."""

    ports_interval_seconds: Annotated[int, whole(30, 3600)] = 300
    """Seconds between two readings of the NVLinks' counters and the GPUs' health."""

    gpu_map_file: Annotated[str | None, checks.FILE] = None
    """A YAML file of PCI addresses and the BMC's names of the GPUs; null for none.

    ``"0000:1b:00.0": GPU_SXM_1``. It is read again when it changes. Not needed for GPUs that the source
    `nvml` has seen with NVIDIA's driver.
    """

    @property
    def bearer_file(self) -> str | None:
        """The file with a bearer token for the proxy."""
        return self.token_file
