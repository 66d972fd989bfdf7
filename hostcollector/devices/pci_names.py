"""Names of vendors and models from the system's copy of the PCI ID list (pci.ids), where there is one."""

from pathlib import Path

_LISTS = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids")
_SHORT = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel", "0x15b3": "Mellanox", "0x1a03": "ASPEED"}


class PciNames:
    """Looks up names; a list is read once, at the first device that it may name."""

    def __init__(self, root: Path) -> None:
        self._lists = [root / path for path in _LISTS]
        self._models: dict[tuple[str, str], str] | None = None

    def vendor(self, vendor: str) -> str:
        """Return the vendor's usual short name, else its PCI ID (``0x10de``)."""
        return _SHORT.get(vendor, vendor)

    def model(self, vendor: str, device: str) -> str:
        """Return the model's name, else its PCI ID (``0x2330``)."""
        if self._models is None:
            self._models = self._read()
        return self._models.get((vendor, device), device)

    def _read(self) -> dict[tuple[str, str], str]:
        for path in self._lists:
            try:
                return _parsed(path.read_text(encoding="utf-8", errors="replace"))
            except OSError:
                continue
        return {}


def _parsed(text: str) -> dict[tuple[str, str], str]:
    """Return the models by vendor and device, of the vendors that make what is passed through.

    Vendors begin at the margin, their devices after one tab, subsystems after two; classes come last.
    """
    models: dict[tuple[str, str], str] = {}
    vendor = ""
    for line in text.splitlines():
        if line.startswith("C "):
            break
        if line and line[0] not in "#\t":
            vendor = f"0x{line[:4]}"
        elif line.startswith("\t") and line[1:2] != "\t" and vendor in _SHORT:
            device, _, name = line[1:].partition("  ")
            models[vendor, f"0x{device}"] = name
    return models
