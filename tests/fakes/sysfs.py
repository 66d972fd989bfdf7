"""A host's ``/sys`` built by hand: SR-IOV cards, their VFs, their network interfaces, vDPA devices.

The shape is that of Linux 6.12: real directories below ``/sys/devices``, links everywhere else, as
Documentation/ABI/testing/sysfs-bus-pci and sysfs-class-net say.
"""

import os
from collections.abc import Mapping
from pathlib import Path

ETHERNET_CLASS, INFINIBAND_CLASS, NVME_CLASS = "0x020000", "0x020700", "0x010802"


class Sysfs:
    """Builds below `root`/sys; addresses are PCI addresses, names those of interfaces."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sys = root / "sys"
        for part in ("bus/pci/devices", "bus/pci/drivers", "class/net", "bus/vdpa/devices"):
            (self._sys / part).mkdir(parents=True, exist_ok=True)

    def device(self, address: str) -> Path:
        """Return the directory of a PCI function."""
        return self._sys / "devices/pci0000:00" / address

    def function(self, address: str, driver: str, pci_class: str = ETHERNET_CLASS) -> Path:
        """Add a PCI function."""
        path = self.device(address)
        path.mkdir(parents=True)
        self.write(path / "class", pci_class)
        _link(self._sys / "bus/pci/devices" / address, path)
        self.bind(address, driver)
        return path

    def bind(self, address: str, driver: str) -> None:
        """Bind a PCI function to another driver; to none if it has no name."""
        (self.device(address) / "driver").unlink(missing_ok=True)
        if driver:
            home = self._sys / "bus/pci/drivers" / driver
            home.mkdir(exist_ok=True)
            _link(self.device(address) / "driver", home)

    def pf(
        self,
        address: str,
        *,
        netdev: str = "",
        index: int = 2,
        driver: str = "mlx5_core",
        pci_class: str = ETHERNET_CLASS,
        ib_device: str = "",
        **about: str,
    ) -> Path:
        """Add a card that can be split; `about` are files of its interface, such as ``phys_port_name``."""
        path = self.function(address, driver, pci_class)
        self.write(path / "sriov_numvfs", "0")
        if netdev:
            self.netdev(netdev, index, address, None, **about)
        if ib_device:
            (path / "infiniband" / ib_device).mkdir(parents=True)
        return path

    def vf(self, pf: str, number: int, address: str, driver: str = "vfio-pci") -> Path:
        """Split one more VF off a card."""
        path = self.function(address, driver)
        _link(path / "physfn", self.device(pf))
        _link(self.device(pf) / f"virtfn{number}", path)
        count = len(list(self.device(pf).glob("virtfn*")))
        self.write(self.device(pf) / "sriov_numvfs", str(count))
        return path

    def remove_vf(self, pf: str, number: int) -> None:
        """Take a VF away again."""
        link = self.device(pf) / f"virtfn{number}"
        address = link.readlink().name
        link.unlink()
        (self._sys / "bus/pci/devices" / address).unlink()

    def netdev(
        self, name: str, index: int, parent: str, statistics: Mapping[str, int] | None = None, **about: str
    ) -> Path:
        """Add a network interface of a PCI function."""
        path = self.device(parent) / "net" / name
        for file, value in {"ifindex": str(index), "iflink": str(index), "dev_port": "0", **about}.items():
            self.write(path / file, value)
        for file, count in (statistics or {}).items():
            self.write(path / "statistics" / file, str(count))
        _link(path / "device", self.device(parent))
        _link(self._sys / "class/net" / name, path)
        return path

    def vdpa(self, name: str, number: int, parent: str) -> str:
        """Add a vDPA device on a VF and return the character device that a guest's definition names."""
        (self.device(parent) / name / f"vhost-vdpa-{number}").mkdir(parents=True)
        _link(self._sys / "bus/vdpa/devices" / name, self.device(parent) / name)
        return f"/dev/vhost-vdpa-{number}"

    def write(self, path: Path, value: str) -> None:
        """Write a file with its line break, its directories included."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent))
