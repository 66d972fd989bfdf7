"""The emulated machine's display, passed through as a GPU would be; used inside the emulated hypervisor."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.lab.sriov.card import DEVICES, pci_address

DISPLAY_CLASS = "0x0380"
_FILES = ("class", "vendor", "device", "numa_node", "power_state", "reset_method", "power/runtime_status")


@dataclass(frozen=True, slots=True)
class Display:
    """The display by its PCI address."""

    address: str

    @classmethod
    def found(cls) -> "Display":
        """Return the machine's only display."""
        (device,) = (
            path for path in DEVICES.iterdir() if (path / "class").read_text().startswith(DISPLAY_CLASS)
        )
        return cls(device.name)

    @property
    def hostdev(self) -> str:
        """The XML of a guest's device that is this display."""
        source = f"<source>{pci_address(self.address)}</source>"
        return f"<hostdev mode='subsystem' type='pci' managed='yes'>{source}<rom enabled='no'/></hostdev>"

    def sysfs(self) -> Mapping[str, str]:
        """Return what the kernel shows of it now; driver, port and IOMMU group by name, empty for none."""
        path = DEVICES / self.address
        texts = {name: file.read_text().strip() for name in _FILES if (file := path / name).exists()}
        linked = {name: (path / name) for name in ("driver", "iommu_group")}
        names = {name: link.resolve().name if link.exists() else "" for name, link in linked.items()}
        return {**texts, **names, "port": path.resolve().parent.name}
