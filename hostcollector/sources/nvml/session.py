"""One opened NVML: its GPUs by PCI address, until the set of GPUs with NVIDIA's driver changes.

NVML learns which GPUs there are when it is opened, so it is opened anew when they change.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hostcollector.base.lanes import Clock
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.asking import Call
from hostcollector.sources.nvml.events import XidListener
from hostcollector.sources.nvml.faults import ClosedError, LostError, NvmlCallError

_BUS_ID = re.compile(r"([0-9A-Fa-f]{4,8}):([0-9A-Fa-f]{2}):([0-9A-Fa-f]{2})\.([0-7])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a GPU says it is; empty text for what it does not say."""

    model: str = ""
    serial: str = ""
    uuid: str = ""
    module: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU that NVML knows by `handle`. `address` is its PCI address as sysfs writes it."""

    address: str
    handle: Any
    identity: Identity


class Session:
    """NVML, opened. `bound` are the GPUs that had NVIDIA's driver then.

    `silent` are the numbers of GPUs that do not say which they are, with the reason. Raises a `NvmlCallError`
    when it cannot be opened: no library, no driver, versions that do not fit.
    """

    def __init__(
        self,
        bound: frozenset[str],
        counts: Counter[tuple[str, int]],
        call: Call = binding.call,
        clock: Clock = time.monotonic,
    ) -> None:
        self.bound = bound
        self._call = call
        self.silent: dict[int, str] = {}
        call("nvmlInit")
        try:
            self.versions = (self._text("nvmlSystemGetDriverVersion"), self._text("nvmlSystemGetNVMLVersion"))
            self.gpus: Mapping[str, Gpu] = {gpu.address: gpu for gpu in self._gpus()}
        except NvmlCallError:
            call("nvmlShutdown")
            raise
        handles = {gpu.address: gpu.handle for gpu in self.gpus.values()}
        self.listener = XidListener(handles, counts, call, clock)

    def close(self) -> bool:
        """Close NVML; False if it is stuck, and then it is not closed."""
        if not self.listener.close():
            return False
        with suppress(NvmlCallError):
            self._call("nvmlShutdown")
        return True

    def _gpus(self) -> Iterator[Gpu]:
        for index in range(self._call("nvmlDeviceGetCount")):
            try:
                handle = self._call("nvmlDeviceGetHandleByIndex", index)
                address = _address(self._call("nvmlDeviceGetPciInfo", handle).busId)
                if address:
                    yield Gpu(address=address, handle=handle, identity=self._identity(handle))
            except ClosedError:
                raise
            except NvmlCallError as error:
                # One GPU that does not answer costs itself only.
                self.silent[index] = str(error)

    def _identity(self, handle: Any) -> Identity:
        return Identity(
            model=self._text("nvmlDeviceGetName", handle),
            serial=self._text("nvmlDeviceGetSerial", handle),
            uuid=self._text("nvmlDeviceGetUUID", handle),
            module=self._text("nvmlDeviceGetModuleId", handle),
        )

    def _text(self, function: str, *arguments: Any) -> str:
        try:
            return str(self._call(function, *arguments))
        except (ClosedError, LostError):
            raise
        except NvmlCallError:
            return ""


def _address(bus_id: str) -> str:
    """Return NVML's ``00000000:3B:00.0`` as sysfs writes it."""
    match = _BUS_ID.fullmatch(bus_id)
    if match is None:
        return ""
    domain, bus, device, function = (int(part, 16) for part in match.groups())
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function}"
