"""The host's GPUs and other PCI functions as sysfs shows them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# NVIDIA names its MIG-backed types by slices and memory (A100-2-10C), all others by memory only (A100-10C).
_MIG_TYPE = re.compile(r".*-\d+-\d+[A-Z]+\d*(?:\.me|ME)?")


NVIDIA = "0x10de"
"""The vendor's PCI ID as sysfs writes it."""


class Mode(StrEnum):
    """How a GPU is used."""

    PASSTHROUGH = "passthrough"
    VGPU = "vgpu"
    MIG_VGPU = "mig-vgpu"
    HOST = "host"


class DeviceClass(StrEnum):
    """What kind of PCI function it is, as far as it matters here."""

    GPU = "gpu"
    NVSWITCH = "nvswitch"
    NETWORK = "network"
    STORAGE = "storage"
    OTHER = "other"


def vgpu_mode(type_name: str) -> Mode:
    """Return whether a vGPU of this type has a MIG instance of its own; without a name it is a plain one."""
    return Mode.MIG_VGPU if _MIG_TYPE.fullmatch(type_name) else Mode.VGPU


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A PCI function. `physical` is the address of the function that a VF is of, empty for all others.

    `driver` is the one that it is bound to now; `vgpu_type` is set for a VF that is a vGPU, with the name of
    the type where the driver tells it. `numa_node` is empty where the firmware does not say.
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
        """Whether it is a GPU that NVIDIA's driver could tell of."""
        return self.is_gpu and self.vendor_id == NVIDIA

    @property
    def is_nvswitch(self) -> bool:
        """Whether it is an NVSwitch, which connects the GPUs of a baseboard."""
        return self.device_class is DeviceClass.NVSWITCH

    @property
    def held_for_guests(self) -> bool:
        """Whether it waits for a guest or is with one: a vGPU, or with vfio-pci or a variant of that."""
        return bool(self.vgpu_type) or "vfio" in self.driver or self.driver == "pci-stub"

    @property
    def name(self) -> str:
        """What it is called by, vGPU type before model."""
        return self.vgpu_type_name or self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Mdev:
    """A mediated device of a GPU. `parent` is the PCI function that it hangs on, a VF or the GPU itself."""

    uuid: str
    parent: str
    type_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """All GPUs, NVSwitches and mdevs of the host, and the functions that were asked for besides.

    `present` are the addresses of all PCI functions, whatever they are.
    """

    functions: Mapping[str, Function]
    mdevs: Mapping[str, Mdev]
    present: frozenset[str] = frozenset()

    def physical(self, address: str) -> str:
        """Return the physical function behind an address: the VF's card, or the address itself."""
        function = self.functions.get(address)
        return function.physical or address if function is not None else address
