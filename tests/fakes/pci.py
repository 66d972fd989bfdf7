"""A host's PCI devices in ``/sys`` built by hand, in the shape of Linux 6.12: a port above each device.

Files that must never be opened are there too: `opened_below` says whether a reader did.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GPU_CLASS, ACCELERATOR_CLASS, VGA_CLASS = "0x030200", "0x120000", "0x030000"
NVSWITCH_CLASS, ETHERNET_CLASS, SATA_CLASS = "0x068000", "0x020000", "0x010601"
NVIDIA, MELLANOX, ASPEED = "0x10de", "0x15b3", "0x1a03"
FORBIDDEN = ("config", "resource", "resource0", "rom", "vpd")
LINK_NOW = ("current_link_speed", "current_link_width")

_CORRECTABLE = ("RxErr", "BadTLP", "BadDLLP", "Rollover", "Timeout", "NonFatalErr", "CorrIntErr", "HeaderOF")
_UNCORRECTABLE = ("Undefined", "DLP", "SDES", "TLP", "CmpltTO", "MalfTLP", "UnsupReq", "PoisonTLPBlocked")


class PciTree:
    """Builds below `root`/sys. `opened` may be read while `recording`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sys = root / "sys"
        (self._sys / "bus/pci/devices").mkdir(parents=True)

    def device(self, address: str) -> Path:
        """Return the directory of a PCI function."""
        return (self._sys / "bus/pci/devices" / address).resolve()

    def add(
        self,
        address: str,
        *,
        pci_class: str = GPU_CLASS,
        vendor: str = NVIDIA,
        device: str = "0x2330",
        driver: str = "vfio-pci",
        port: str = "",
        **files: str,
    ) -> Path:
        """Add a function below a port, with what a kernel shows of it; `files` replace single ones.

        `port` may be a path of ports that begins with ones which are there.
        """
        above = self._sys / "devices/pci0000:3a"
        if port:
            above /= port
            if not above.is_dir():
                self.function(above, {"class": "0x060400", "vendor": MELLANOX, "device": "0x1979"})
                self.links(above.name)
        path = above / address
        about = {
            "class": pci_class,
            "vendor": vendor,
            "device": device,
            "numa_node": "1",
            "power_state": "D0",
        }
        self.function(path, {**about, "reset_method": "flr bus", **files})
        for name in FORBIDDEN:
            (path / name).write_bytes(b"\xff" * 64)
        self.runtime(address, "active")
        self.links(address)
        self.bind(address, driver)
        group = self._sys / "kernel/iommu_groups/42"
        group.mkdir(parents=True, exist_ok=True)
        (path / "iommu_group").symlink_to(group)
        return path

    def vf(self, address: str, physical: str, *, driver: str = "nvidia", **nvidia: str) -> Path:
        """Add a VF of a GPU; `nvidia` are the files of its driver's folder."""
        path = self.add(address, driver=driver, port="")
        (path / "physfn").symlink_to(self.device(physical))
        for name, value in nvidia.items():
            write(path / "nvidia" / name, value)
        return path

    def mdev(self, uuid: str, parent: str, type_name: str) -> None:
        """Add a mediated device."""
        path = self.device(parent) / uuid
        write(path / "mdev_type/name", type_name)
        link = self._sys / "bus/mdev/devices" / uuid
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)

    def bind(self, address: str, driver: str) -> None:
        """Bind a function to another driver; to none if it has no name."""
        link = self.device(address) / "driver"
        link.unlink(missing_ok=True)
        if driver:
            home = self._sys / "bus/pci/drivers" / driver
            home.mkdir(parents=True, exist_ok=True)
            link.symlink_to(home)

    def runtime(self, address: str, status: str) -> None:
        """Put a device to sleep or wake it up."""
        write(self.device(address) / "power/runtime_status", status)

    def links(
        self,
        address: str,
        *,
        speed: str = "32.0",
        width: int = 16,
        top_speed: str = "32.0",
        top_width: int = 16,
    ) -> None:
        """Set the link's speed and width and the end's maxima."""
        path = self.device(address)
        write(path / "current_link_speed", f"{speed} GT/s PCIe")
        write(path / "current_link_width", str(width))
        write(path / "max_link_speed", f"{top_speed} GT/s PCIe")
        write(path / "max_link_width", str(top_width))

    def aer(self, address: str, **counts: int) -> None:
        """Set the AER counters of a device: ``correctable_RxErr=3``; those not named are 0."""
        for severity, total, kinds in (
            ("correctable", "COR", _CORRECTABLE),
            ("nonfatal", "NONFATAL", _UNCORRECTABLE),
            ("fatal", "FATAL", _UNCORRECTABLE),
        ):
            values = {kind: counts.get(f"{severity}_{kind}", 0) for kind in kinds}
            lines = [f"{kind} {count}" for kind, count in values.items()]
            lines.append(f"TOTAL_ERR_{total} {sum(values.values())}")
            write(self.device(address) / f"aer_dev_{severity}", "\n".join(lines))

    def remove(self, address: str) -> None:
        """Let a device fall off the bus."""
        (self._sys / "bus/pci/devices" / address).unlink()

    def function(self, path: Path, files: dict[str, str]) -> None:
        """Add a bare function at a place in the tree."""
        path.mkdir(parents=True)
        for name, value in files.items():
            write(path / name, value)
        (self._sys / "bus/pci/devices" / path.name).symlink_to(path)


def write(path: Path, value: str) -> None:
    """Write a file with its line break, its directories included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value + "\n")


_recordings: list[list[str]] = []
_hooked: list[bool] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _recordings:
        for recording in _recordings:
            recording.append(os.fspath(arguments[0]) if isinstance(arguments[0], str | Path) else "")


@contextmanager
def opened() -> Iterator[list[str]]:
    """Record the paths of all files that this process opens meanwhile, as the interpreter itself sees it."""
    if not _hooked:
        sys.addaudithook(_note)
        _hooked.append(True)
    recording: list[str] = []
    _recordings.append(recording)
    try:
        yield recording
    finally:
        _recordings.remove(recording)
