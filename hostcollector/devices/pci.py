"""The host's GPUs, NVSwitches, mediated devices and other PCI functions, read from sysfs.

Kernel: Documentation/ABI/testing/sysfs-bus-pci, driver-api/vfio-mediated-device.rst. Only files that the
kernel answers from memory are opened: never config space, resources or ROM, and no file that wakes a device.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from hostcollector.protocols.kernel.sysfs import entries, number, target, text

# NVIDIA names its MIG-backed types by slices and memory (A100-2-10C), all others by memory only (A100-10C).
_MIG_TYPE = re.compile(r".*-\d+-\d+[A-Z]+\d*(?:\.me|ME)?")

NVIDIA = "0x10de"
"""The vendor's PCI ID as sysfs writes it."""

# A line of creatable_vgpu_types: a number, a colon, the name of the type.
_TYPE_LINE = re.compile(r"\s*(\d+)\s*:\s*(\S.*\S)\s*")
_LISTS = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids")
_SHORT = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel", "0x15b3": "Mellanox", "0x1a03": "ASPEED"}


class Mode(StrEnum):
    """How a GPU is used."""

    PASSTHROUGH = "passthrough"
    VGPU = "vgpu"
    MIG_VGPU = "mig-vgpu"
    HOST = "host"


class DeviceClass(StrEnum):
    """The kinds of PCI functions that the page distinguishes."""

    GPU = "gpu"
    NVSWITCH = "nvswitch"
    NETWORK = "network"
    STORAGE = "storage"
    OTHER = "other"


def vgpu_mode(type_name: str) -> Mode:
    """Return whether a vGPU of this type has its own MIG instance; a type without a name has none."""
    return Mode.MIG_VGPU if _MIG_TYPE.fullmatch(type_name) else Mode.VGPU


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A PCI function.

    - `driver` is the present driver, empty for none.
    - `numa_node` is empty where the firmware does not report it.
    - `physical` is the address of a VF's physical function, empty for other functions.
    - `vgpu_type` is set for a VF that is a vGPU, `vgpu_type_name` if the driver names that type.
    """

    address: str
    device_class: DeviceClass
    vendor_id: str
    vendor: str
    model: str
    driver: str = ""
    numa_node: str = ""
    physical: str = ""
    vgpu_type: int | None = None
    vgpu_type_name: str = ""

    @property
    def is_gpu(self) -> bool:
        """Whether it is a display or an accelerator."""
        return self.device_class is DeviceClass.GPU

    @property
    def is_nvidia_gpu(self) -> bool:
        """Whether it is a GPU of NVIDIA."""
        return self.is_gpu and self.vendor_id == NVIDIA

    @property
    def is_nvswitch(self) -> bool:
        """Whether it is an NVSwitch, which connects the GPUs of a baseboard."""
        return self.device_class is DeviceClass.NVSWITCH

    @property
    def held_for_guests(self) -> bool:
        """Whether it is reserved for guests: a vGPU, or bound to vfio-pci or a variant of it."""
        return bool(self.vgpu_type) or "vfio" in self.driver or self.driver == "pci-stub"

    @property
    def name(self) -> str:
        """The vGPU type's name, else the model."""
        return self.vgpu_type_name or self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Mdev:
    """A mediated device of a GPU. `parent` is its PCI function, a VF or the GPU itself."""

    uuid: str
    parent: str
    type_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """All GPUs, NVSwitches and mdevs of the host, and the other functions that were requested.

    `present` are the addresses of all PCI functions of any kind.
    """

    functions: Mapping[str, Function]
    mdevs: Mapping[str, Mdev]
    present: frozenset[str] = frozenset()

    def physical(self, address: str) -> str:
        """Return the address of a VF's physical function; of other functions their own address."""
        function = self.functions.get(address)
        return function.physical or address if function is not None else address


# PCI class codes: 03 display, 1200 accelerator, 0680 other bridge, 02 network, 01 storage.
_CLASSES = (
    ("0x03", DeviceClass.GPU),
    ("0x1200", DeviceClass.GPU),
    ("0x02", DeviceClass.NETWORK),
    ("0x01", DeviceClass.STORAGE),
)
_OTHER_BRIDGE = "0x0680"


def has_nvidia_device(root: Path) -> bool:
    """Whether the host has a PCI function of NVIDIA, with any driver."""
    devices = str(root / "sys/bus/pci/devices")
    return any(text(f"{devices}/{address}/vendor") == NVIDIA for address in entries(devices))


class DeviceReader:
    """Reads the devices of the host whose ``/sys`` lies under `root`; one thread at a time.

    Class, vendor and model are read once while the address exists; driver and vGPU type every time.
    """

    def __init__(self, root: Path) -> None:
        self._pci = str(root / "sys/bus/pci/devices")
        self._mdev = str(root / "sys/bus/mdev/devices")
        self._names = PciNames(root)
        self._known: dict[str, Function] = {}
        self._type_names: dict[tuple[str, int], str] = {}

    def read(self, requested: Iterable[str] = ()) -> Devices:
        """Return all GPUs, NVSwitches and mdevs, and the functions at the `requested` addresses.

        Of a GPU's VFs only the vGPUs and the requested ones are included.
        """
        present = set(entries(self._pci))
        for address in self._known.keys() - present:
            del self._known[address]
        for address in present - self._known.keys():
            self._known[address] = self._identified(address)
        mdevs = {mdev.uuid: mdev for mdev in self._mdevs()}
        wanted = set(requested).union(mdev.parent for mdev in mdevs.values())
        functions = (self._current(function) for function in self._candidates(wanted))
        return Devices(
            functions={
                function.address: function
                for function in functions
                if not function.physical or function.vgpu_type or function.address in wanted
            },
            mdevs=mdevs,
            present=frozenset(present),
        )

    def _candidates(self, wanted: set[str]) -> Iterator[Function]:
        for address in sorted(self._known):
            function = self._known[address]
            if function.is_gpu or function.is_nvswitch or address in wanted:
                yield function

    def _identified(self, address: str) -> Function:
        path = f"{self._pci}/{address}"
        vendor = text(f"{path}/vendor")
        kind = _class_of(text(f"{path}/class"), vendor)
        node = text(f"{path}/numa_node")
        return Function(
            address=address,
            device_class=kind,
            vendor_id=vendor,
            vendor=self._names.vendor(vendor),
            model=self._names.model(vendor, text(f"{path}/device")),
            numa_node=node if node.isdecimal() else "",
            physical=target(f"{path}/physfn"),
        )

    def _current(self, function: Function) -> Function:
        path = f"{self._pci}/{function.address}"
        found = replace(function, driver=target(f"{path}/driver"))
        if not (function.physical and function.is_gpu):
            return found
        vgpu_type = number(f"{path}/nvidia/current_vgpu_type")
        if not vgpu_type:
            self._learn_types(function, f"{path}/nvidia/creatable_vgpu_types")
            return found
        return replace(found, vgpu_type=vgpu_type, vgpu_type_name=self._type_name(function, vgpu_type))

    def _type_name(self, function: Function, vgpu_type: int) -> str:
        key = function.model, vgpu_type
        if key not in self._type_names:
            self._learn_types(function, f"{self._pci}/{function.address}/nvidia/creatable_vgpu_types")
        return self._type_names.get(key, "")

    def _learn_types(self, function: Function, path: str) -> None:
        """Keep the type names that a VF lists: the driver stops listing them once a vGPU is created."""
        if any(model == function.model for model, _ in self._type_names):
            return
        for line in text(path).splitlines():
            if match := _TYPE_LINE.fullmatch(line):
                self._type_names[function.model, int(match[1])] = match[2]

    def _mdevs(self) -> Iterator[Mdev]:
        """Yield the mdevs of GPUs; storage and crypto adapters have some too."""
        for uuid in sorted(entries(self._mdev)):
            path = f"{self._mdev}/{uuid}"
            parent = os.path.realpath(path).split("/")[-2]
            function = self._known.get(parent)
            if function is not None and function.is_gpu:
                name = text(f"{path}/mdev_type/name") or target(f"{path}/mdev_type")
                yield Mdev(uuid=uuid.lower(), parent=parent, type_name=name)


def _class_of(code: str, vendor: str) -> DeviceClass:
    if code.startswith(_OTHER_BRIDGE) and vendor == NVIDIA:
        return DeviceClass.NVSWITCH
    return next((kind for prefix, kind in _CLASSES if code.startswith(prefix)), DeviceClass.OTHER)


class PciNames:
    """Names of vendors and models from the PCI ID list (pci.ids) under `root`, read at the first look-up."""

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
