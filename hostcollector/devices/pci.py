"""Reads GPUs, NVSwitches and mdevs from sysfs (kernel: sysfs-bus-pci, vfio-mediated-device.rst).

Opens only what the kernel answers from its own memory: never config space, resources or ROM, and nothing
that would wake a device up.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hostcollector.devices.pci_names import PciNames
from hostcollector.devices.pci_values import NVIDIA, DeviceClass, Devices, Function, Mdev
from hostcollector.protocols.kernel.sysfs import entries, number, target, text

# PCI class codes: 03 display, 1200 accelerator, 0680 other bridge, 02 network, 01 storage.
_CLASSES = (
    ("0x03", DeviceClass.GPU),
    ("0x1200", DeviceClass.GPU),
    ("0x02", DeviceClass.NETWORK),
    ("0x01", DeviceClass.STORAGE),
)
_OTHER_BRIDGE = "0x0680"
# A line of creatable_vgpu_types: a number, a colon, the name of the type.
_TYPE_LINE = re.compile(r"\s*(\d+)\s*:\s*(\S.*\S)\s*")


def has_nvidia_device(root: Path) -> bool:
    """Whether any PCI function of the host is NVIDIA's, whichever driver it has."""
    devices = str(root / "sys/bus/pci/devices")
    return any(text(f"{devices}/{address}/vendor") == NVIDIA for address in entries(devices))


class DeviceReader:
    """Reads the devices of the host whose ``/sys`` lies under `root`; one thread at a time.

    What a function is, is read once while its address exists; its driver and its vGPU type every time.
    """

    def __init__(self, root: Path) -> None:
        self._pci = str(root / "sys/bus/pci/devices")
        self._mdev = str(root / "sys/bus/mdev/devices")
        self._names = PciNames(root)
        self._known: dict[str, Function] = {}
        self._type_names: dict[tuple[str, int], str] = {}

    def read(self, asked: Iterable[str] = ()) -> Devices:
        """Return all GPUs, NVSwitches and mdevs, and the functions at the addresses `asked` for.

        Of a GPU's VFs only those are there that are vGPUs or were asked for.
        """
        present = set(entries(self._pci))
        for address in self._known.keys() - present:
            del self._known[address]
        for address in present - self._known.keys():
            self._known[address] = self._identified(address)
        mdevs = {mdev.uuid: mdev for mdev in self._mdevs()}
        wanted = set(asked).union(mdev.parent for mdev in mdevs.values())
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
        """Keep the names that a VF lists while types can be created: once one is, they are listed no more."""
        if any(model == function.model for model, _ in self._type_names):
            return
        for line in text(path).splitlines():
            if match := _TYPE_LINE.fullmatch(line):
                self._type_names[function.model, int(match[1])] = match[2]

    def _mdevs(self) -> Iterator[Mdev]:
        """Yield the mdevs of GPUs; there are others, of storage and crypto adapters."""
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
