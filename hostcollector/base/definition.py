"""A guest as its live domain XML describes it: frozen values, without libvirt."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLimits:
    """What a disk may do at most: bytes or requests per second, seconds for burst lengths.

    The keys are libvirt's element names (``total_bytes_sec`` ...); a limit that is not set is missing. With
    all other disks of its `groups` the disk shares one budget.
    """

    values: Mapping[str, int]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk of the live domain XML. Empty text means that the XML does not say.

    `pci_addresses` are NVMe controllers of the host that QEMU drives itself for this disk. `backing_images`
    is how many images are under the disk's own. `mirror` is the block job that copies the disk (``copy`` or
    ``active-commit``). `address` is the PCI address that the guest sees.
    """

    target: str
    type: str = ""
    device: str = "disk"
    alias: str = ""
    serial: str = ""
    bus: str = ""
    source: str = ""
    protocol: str = ""
    driver: str = ""
    format: str = ""
    cache: str = ""
    discard: str = ""
    limits: DiskLimits | None = None
    pci_addresses: tuple[str, ...] = ()
    backing_images: int | None = None
    mirror: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """What a definition grants an interface in one direction; None for what it does not set.

    `average`, `peak` and `floor` are in bytes per second, `burst` is in bytes. `average` is the limit, and
    `floor` is guaranteed (libvirt: formatnetwork, "bandwidth").
    """

    average: int | None = None
    peak: int | None = None
    burst: int | None = None
    floor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A network interface of the live domain XML.

    `target` is the host's netdev (empty for passed-through and vhost-user interfaces without one),
    `source_mode` how a macvtap uses its device (``passthrough`` ...), `pci_address` the host's PCI function
    of a passed-through one (``0000:3b:00.2``), `address` the PCI address that the guest sees. With
    `trusts_guest` the host follows the guest where that changes its MAC address and filters. `inbound` is
    what the guest receives, `outbound` what it sends.
    """

    type: str
    target: str = ""
    mac: str = ""
    model: str = ""
    alias: str = ""
    bridge: str = ""
    network: str = ""
    portgroup: str = ""
    source_device: str = ""
    source_mode: str = ""
    source_socket: str = ""
    interface_id: str = ""
    profile_id: str = ""
    vlans: tuple[int, ...] = ()
    mtu: int | None = None
    pci_address: str = ""
    address: str = ""
    trusts_guest: bool = False
    inbound: Bandwidth | None = None
    outbound: Bandwidth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDevice:
    """A `<hostdev>` of the live domain XML: a PCI function or a mediated device.

    `pci_address` is the host's, `address` the one that the guest sees.
    """

    type: str
    alias: str = ""
    pci_address: str = ""
    mdev_uuid: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBacking:
    """How the live domain XML backs the guest's memory. Empty text means that the XML does not say.

    `huge_page_sizes` are the page sizes in bytes, 0 for the host's default size, empty for normal pages.
    `source` is ``file``, ``memfd`` or ``anonymous``, `access` is ``shared`` or ``private``.
    """

    huge_page_sizes: tuple[int, ...] = ()
    source: str = ""
    access: str = ""
    locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataElement:
    """One child of the domain's `<metadata>`, as serialised XML with its namespace."""

    namespace: str
    name: str
    xml: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """An active QEMU domain as its live XML describes it. Memory is in bytes.

    `complete` is False when the XML could not be read: the guest then exists with name and UUID only.
    `remarks` say why, or what was left out. `name` is as libvirt has it, blanks around it included.
    `iothreads` are the ids of QEMU's I/O threads. `agent_connected` is whether an agent in the guest holds
    the guest agent's channel open; None without such a channel. `vcpu_cpus` are the host's CPUs for vCPUs
    without an entry in `vcpu_pins`; `numa_mode` and `numa_nodes` bind the memory. `memory_bytes` is the most
    that the guest may have, of which `withheld_bytes` are neither offered to it nor in its use (virtio-mem).
    """

    uuid: str
    name: str
    id: int = -1
    title: str = ""
    virt_type: str = ""
    os_type: str = ""
    arch: str = ""
    machine: str = ""
    vcpus: int | None = None
    vcpus_maximum: int | None = None
    memory_bytes: int | None = None
    withheld_bytes: int = 0
    current_memory_bytes: int | None = None
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    host_devices: tuple[HostDevice, ...] = ()
    vcpu_pins: Mapping[int, str] = field(default_factory=dict)
    vcpu_cpus: str = ""
    numa_nodes: str = ""
    numa_mode: str = ""
    memory_backing: MemoryBacking = MemoryBacking()
    balloon_model: str = ""
    balloon_period_seconds: int | None = None
    iothreads: tuple[int, ...] = ()
    agent_connected: bool | None = None
    metadata: tuple[MetadataElement, ...] = ()
    remarks: tuple[str, ...] = ()
    complete: bool = True
