"""The SR-IOV topology of the host: physical functions, their VFs, network interfaces and representors.

Kernel: Documentation/ABI/testing/sysfs-bus-pci. VF numbers come from the ``virtfnN`` links and are never
computed from PCI addresses: offset and stride depend on the card (Intel's igb uses every second function).
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostcollector.protocols.kernel.sysfs import entries, number, target, text

# PCI base class 02, network controller: 00 is Ethernet, 07 is InfiniBand; the last two digits vary.
ETHERNET, INFINIBAND = "0x0200", "0x0207"

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_VF_LINK = re.compile(r"virtfn(\d{1,5})")

Stamp = tuple[object, ...]

# The kind of a port, by phys_port_name (kernel: net/devlink/port.c). A leading ``c<N>`` is another
# controller, such as the host seen from a DPU: its functions are not this host's.
_PORT = re.compile(r"(?:c\d+)?pf\d+(?:vf\d+|sf\d+)?")
_VF_PORT = re.compile(r"pf(\d+)vf(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Netdev:
    """A network interface of the host with its kernel index."""

    name: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalFunction:
    """A network card that can be split into VFs. Empty text means that sysfs has no value.

    - `netdevs` are the PF's own interfaces, the most likely first; no representors, no IPoIB children.
    - `vfs` maps VF numbers to PCI addresses.
    - `representors` maps VF numbers to the netdevs that represent them in a switchdev e-switch.
    """

    address: str
    driver: str = ""
    infiniband: bool = False
    netdevs: tuple[Netdev, ...] = ()
    ib_device: str = ""
    vfs: Mapping[int, str] = field(default_factory=dict)
    representors: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the PF's network interface, else its PCI address."""
        return self.netdevs[0].name if self.netdevs else self.address

    @property
    def switchdev(self) -> bool:
        """Whether the card's e-switch is in switchdev mode: it has representors then."""
        return bool(self.representors)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualFunction:
    """One VF: its PCI address, its number and the PF that it belongs to."""

    address: str
    number: int
    pf: PhysicalFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All network PFs of the host, and their VFs by PCI address."""

    pfs: tuple[PhysicalFunction, ...] = ()
    vfs: Mapping[str, VirtualFunction] = field(default_factory=dict)

    @property
    def representors(self) -> Mapping[str, str]:
        """The PCI addresses of VFs by the names of their representors."""
        return {
            netdev: pf.vfs[number]
            for pf in self.pfs
            for number, netdev in pf.representors.items()
            if number in pf.vfs
        }

    @classmethod
    def of(cls, pfs: tuple[PhysicalFunction, ...]) -> "Topology":
        """Return the topology with these PFs."""
        vfs = {
            address: VirtualFunction(address=address, number=number, pf=pf)
            for pf in pfs
            for number, address in pf.vfs.items()
        }
        return cls(pfs=pfs, vfs=vfs)


class TopologyReader:
    """Reads the topology of the host whose ``/sys`` lies under `root`; one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._devices = str(root / "sys/bus/pci/devices")
        self._class = str(root / "sys/class/net")
        self._vdpa = str(root / "sys/bus/vdpa/devices")
        self._netdevs = NetdevReader(root)
        self._stamp: Stamp | None = None
        self._topology = Topology()

    def read(self) -> Topology:
        """Return the topology: the same object as before as long as nothing changed.

        Changes show in the list of PCI devices and in a few files per PF. Times of change in sysfs are not
        reliable.
        """
        devices = entries(self._devices)
        stamp = self._stamp_of(devices, self._topology)
        if stamp != self._stamp:
            self._topology = Topology.of(tuple(self._pfs(devices)))
            self._stamp = self._stamp_of(devices, self._topology)
        return self._topology

    def driver(self, address: str) -> str:
        """Return the present driver of a PCI function (``vfio-pci`` ...), empty for none."""
        return target(f"{self._devices}/{address}/driver")

    def exists(self, address: str) -> bool:
        """Return whether there is a PCI function with this address."""
        return os.path.lexists(f"{self._devices}/{address}")

    def netdev_address(self, name: str) -> str:
        """Return the PCI address of an interface's function, empty for a virtual interface."""
        address = os.path.realpath(f"{self._class}/{name}/device").rpartition("/")[2]
        return address if name and _ADDRESS.fullmatch(address) else ""

    def vdpa_address(self, device: str) -> str:
        """Return the PCI address behind ``/dev/vhost-vdpa-N``, empty if there is none.

        The character device is a child of its vDPA device, and that one of the VF (kernel:
        drivers/vdpa/vdpa.c, drivers/vhost/vdpa.c).
        """
        name = device.rpartition("/")[2]
        for parent in entries(self._vdpa):
            path = f"{self._vdpa}/{parent}"
            if name and os.path.lexists(f"{path}/{name}"):
                above = reversed(os.path.realpath(path).split("/"))
                return next((part for part in above if _ADDRESS.fullmatch(part)), "")
        return ""

    def _stamp_of(self, devices: list[str], topology: Topology) -> Stamp:
        per_pf = [
            (
                text(f"{self._devices}/{pf.address}/sriov_numvfs"),
                entries(f"{self._devices}/{pf.address}/net"),
                entries(f"{self._devices}/{pf.address}/infiniband"),
                self.driver(pf.address),
                tuple(self._netdevs.index(netdev.name) for netdev in pf.netdevs),
            )
            for pf in topology.pfs
        ]
        return devices, per_pf

    def _pfs(self, devices: list[str]) -> Iterator[PhysicalFunction]:
        for address in sorted(devices):
            path = f"{self._devices}/{address}"
            if not os.path.lexists(f"{path}/sriov_numvfs"):
                continue
            pci_class = text(f"{path}/class")
            if not pci_class.startswith((ETHERNET, INFINIBAND)):
                continue
            function = int(address.rpartition(".")[2], 16)
            netdevs, representors = self._netdevs.of_pf(f"{path}/net", function)
            yield PhysicalFunction(
                address=address,
                driver=self.driver(address),
                infiniband=pci_class.startswith(INFINIBAND),
                netdevs=netdevs,
                ib_device=next(iter(sorted(entries(f"{path}/infiniband"))), ""),
                vfs=_vfs(path),
                representors=representors,
            )


def _vfs(path: str) -> dict[int, str]:
    """Return the PF's VFs, sorted by number."""
    links = sorted((int(match[1]), match[0]) for match in map(_VF_LINK.fullmatch, entries(path)) if match)
    addresses = ((number, target(f"{path}/{link}")) for number, link in links)
    # A link without a target belongs to a VF that was removed just now.
    return {number: address for number, address in addresses if address}


class NetdevReader:
    """Reads ``/sys/class/net`` under `root`, and separates a PF's own interfaces from its other ones.

    In switchdev mode the VFs' representors have the PF as their parent, and IPoIB children share it.
    """

    def __init__(self, root: Path) -> None:
        self._class = str(root / "sys/class/net")

    def index(self, name: str) -> int | None:
        """Return the interface's index; None for a removed interface."""
        return number(f"{self._class}/{name}/ifindex")

    def of_pf(self, directory: str, function: int) -> tuple[tuple[Netdev, ...], dict[int, str]]:
        """Return the PF's own interfaces and its representors by VF number.

        `directory` is the PF's ``net``. `function` is its PCI function number, the ``pf<N>`` of its
        representors.
        """
        ports = {name: text(f"{self._class}/{name}/phys_port_name") for name in sorted(entries(directory))}
        own = [name for name, port in ports.items() if not _PORT.fullmatch(port) and not self._is_child(name)]
        own.sort(key=self._port_number)
        switches = {self._switch(name) for name in own} - {""}
        representors = {
            int(match[2]): name
            for name, match in ((name, _VF_PORT.fullmatch(port)) for name, port in ports.items())
            if match and int(match[1]) == function and self._switch(name) in switches
        }
        indexes = ((name, self.index(name)) for name in own)
        return tuple(Netdev(name=name, index=index) for name, index in indexes if index), representors

    def _is_child(self, name: str) -> bool:
        """Whether the interface is on top of another one, as ``ib0.8001`` on ``ib0``."""
        link = text(f"{self._class}/{name}/iflink")
        return bool(link) and link != text(f"{self._class}/{name}/ifindex")

    def _port_number(self, name: str) -> tuple[int, str]:
        return number(f"{self._class}/{name}/dev_port") or 0, name

    def _switch(self, name: str) -> str:
        return text(f"{self._class}/{name}/phys_switch_id")
