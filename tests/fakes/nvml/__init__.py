"""A library with NVML's binary interface, built with the system's compiler and loaded under nvidia-ml-py."""

import ctypes
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pynvml

SOURCE = Path(__file__).with_name("fake_nvml.c")
INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, UNKNOWN = 2, 3, 4, 9, 999
EVERY = -1
UUID_KIND, ID_KIND = 1, 0
NO_GPU_INSTANCE = 0xFFFFFFFF


def build(directory: Path, *defines: str) -> Path:
    """Compile the library and return its path."""
    path = directory / f"libnvidia-ml{'-'.join(('', *defines))}.so.1"
    flags = [f"-D{define}" for define in defines]
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", *flags, "-o", path, SOURCE], check=True)
    return path


class FakeNvml:
    """The library as a test sees it. Every copy of the file is a library of its own, with its own state."""

    def __init__(self, built: Path, directory: Path) -> None:
        path = directory / built.name
        path.write_bytes(built.read_bytes())
        self.library = ctypes.CDLL(str(path))

    def device(
        self, address: str, name: str = "NVIDIA H100 80GB HBM3", serial: str = "165432", **state: int
    ) -> int:
        """Add a GPU at a PCI address as sysfs writes it and return its number."""
        domain, _, rest = address.partition(":")
        bus_id = f"{int(domain, 16):08X}:{rest.upper()}"
        number: int = self.library.fake_device(
            bus_id.encode(), name.encode(), serial.encode(), f"GPU-{address}".encode()
        )
        for what, value in state.items():
            getattr(self.library, f"fake_{what}")(number, value)
        return number

    def counters(self, device: int, *, energy: int = 0, errors: int = 0, nvlink_kib: int = 0) -> None:
        """Set the counters: millijoules, errors of every kind, KiB over NVLink."""
        self.library.fake_counters(
            device, ctypes.c_ulonglong(energy), ctypes.c_ulonglong(errors), ctypes.c_ulonglong(nvlink_kib)
        )

    def vgpu(
        self,
        device: int,
        number: int,
        vm: str,
        *,
        mdev: str = "",
        type_id: int = 10,
        kind: int = UUID_KIND,
        gpu_instance: int = NO_GPU_INSTANCE,
        used: int = 0,
        size: int = 10 << 30,
    ) -> None:
        """Add an active vGPU of a VM."""
        self.library.fake_vgpu(
            *(device, number, type_id, mdev.encode(), vm.encode(), kind, ctypes.c_uint(gpu_instance)),
            *(ctypes.c_ulonglong(used), ctypes.c_ulonglong(size)),
        )

    def sample(self, vgpu: int, stamp: int, busy: int) -> None:
        """Set the one utilisation sample of a vGPU: microseconds and percent."""
        self.library.fake_sample(vgpu, ctypes.c_ulonglong(stamp), busy)

    def fail(self, function: str, code: int = NOT_SUPPORTED, device: int = EVERY) -> None:
        """Let a function fail, for one device or for all."""
        self.library.fake_fail(function.encode(), device, code)

    def repair(self) -> None:
        """Let nothing fail any more."""
        self.library.fake_mend()

    def wild(self, how: int) -> None:
        """Let gauges be all ones (1), or memory 0 (2), with success; 0 is as before."""
        self.library.fake_wild(how)

    def lose(self, device: int, *, lost: bool = True) -> None:
        """Let a device fall off the bus, or bring it back."""
        self.library.fake_lose(device, int(lost))

    def mig(self, device: int, *, on: bool) -> None:
        """Split a device into instances, or make it one again."""
        self.library.fake_mig(device, int(on))

    def hang(self, function: str) -> None:
        """Let calls of a function hang until another one is named."""
        self.library.fake_hang(function.encode())

    @property
    def hung(self) -> int:
        """How many calls have hung."""
        return int(self.library.fake_hung())

    def xid(self, device: int, code: int) -> None:
        """Report an error of a device to those that wait for events."""
        self.library.fake_xid(device, ctypes.c_ulonglong(code))

    def calls(self, function: str, device: int = EVERY) -> int:
        """Return how often a function was called for a device."""
        return int(self.library.fake_calls(function.encode(), device))

    @property
    def opened(self) -> int:
        """How often the library was opened more than closed."""
        return int(self.library.fake_opened())


@contextmanager
def loaded(library: Any) -> Iterator[None]:
    """Put a library under pynvml for a while; None is a machine that has none."""
    before = pynvml.nvmlLib
    pynvml.nvmlLib = library
    pynvml._nvmlGetFunctionPointer_cache.clear()
    try:
        yield
    finally:
        pynvml.nvmlLib = before
        pynvml._nvmlGetFunctionPointer_cache.clear()
