"""Reads the SR-IOV topology from sysfs (kernel: Documentation/ABI/testing/sysfs-bus-pci).

Everything is followed along links: VF numbers are never computed from PCI addresses, because offset and
stride are the card's (Intel's igb uses every second function).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hostcollector.devices.netdevs import NetdevReader
from hostcollector.devices.sriov_values import PhysicalFunction, Topology
from hostcollector.protocols.kernel.sysfs import entries, target, text

# PCI base class 02, network controller: 00 is Ethernet, 07 is InfiniBand; the last two digits vary.
ETHERNET, INFINIBAND = "0x0200", "0x0207"

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_VF_LINK = re.compile(r"virtfn(\d{1,5})")

Stamp = tuple[object, ...]


class TopologyReader:
    """Keeps the topology of the host whose ``/sys`` lies under `root`; one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._devices = str(root / "sys/bus/pci/devices")
        self._class = str(root / "sys/class/net")
        self._vdpa = str(root / "sys/bus/vdpa/devices")
        self._netdevs = NetdevReader(root)
        self._stamp: Stamp | None = None
        self._topology = Topology()

    def read(self) -> Topology:
        """Return the topology: the same object as before as long as nothing changed.

        VFs that come or go show as PCI devices, everything else in a few files per PF; sysfs keeps no times
        of change that could be trusted instead.
        """
        devices = entries(self._devices)
        stamp = self._stamp_of(devices, self._topology)
        if stamp != self._stamp:
            self._topology = Topology.of(tuple(self._pfs(devices)))
            self._stamp = self._stamp_of(devices, self._topology)
        return self._topology

    def driver(self, address: str) -> str:
        """Return the driver that a PCI function is bound to now (``vfio-pci`` ...), empty for none."""
        return target(f"{self._devices}/{address}/driver")

    def exists(self, address: str) -> bool:
        """Return whether there is a PCI function with this address."""
        return os.path.lexists(f"{self._devices}/{address}")

    def netdev_address(self, name: str) -> str:
        """Return the PCI address of an interface's function, empty for one that is no device's."""
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
    """Return the PF's VFs by number, in order."""
    links = sorted((int(match[1]), match[0]) for match in map(_VF_LINK.fullmatch, entries(path)) if match)
    addresses = ((number, target(f"{path}/{link}")) for number, link in links)
    # One that has no target any more was removed this very moment.
    return {number: address for number, address in addresses if address}
