"""One opened NVML: its GPUs by PCI address, and a thread that counts the driver's errors (Xid).

NVML lists the GPUs when it is opened. So it is opened again when the GPUs with NVIDIA's driver change.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hostcollector.base.lanes import Clock
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.binding import (
    PROBE_SECONDS,
    Call,
    ClosedError,
    LostError,
    NoAnswerError,
    NvmlCallError,
)

_BUS_ID = re.compile(r"([0-9A-Fa-f]{4,8}):([0-9A-Fa-f]{2}):([0-9A-Fa-f]{2})\.([0-7])")

WAIT_MILLISECONDS = 500
PATIENCE_SECONDS = 2.0
PAUSE_SECONDS = 1.0
# The pause after a wait that returns at once: the thread must not spin.
BREATH_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The names and numbers that a GPU reports of itself; empty text for a missing one."""

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
    """NVML, opened. `bound` are the GPUs that had NVIDIA's driver at that time.

    `silent` has the GPUs without a readable PCI address, by NVML's number, with the reason. Raises a
    `NvmlCallError` when NVML cannot be opened: no library, no driver, or versions that do not match.
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
        """Close NVML; False if the listener's call is stuck, and then NVML stays open."""
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
                # A GPU that does not answer costs its own series only.
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


class XidListener:
    """Counts Xid events by GPU and code in `counts`, which outlives the session.

    A daemon thread waits for the events. `handles` are by PCI address; `clock` is monotonic.
    """

    def __init__(
        self,
        handles: Mapping[str, Any],
        counts: Counter[tuple[str, int]],
        call: Call = binding.call,
        clock: Clock = time.monotonic,
    ) -> None:
        self._handles = handles
        self._call = call
        self._counts = counts
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._addresses: dict[int, str] = {}
        self._set: Any = None
        self._next = 0.0
        self._listen()

    def listen_again(self) -> None:
        """Register again, now and then, for the GPUs that could not be registered."""
        if self._clock() >= self._next and self._handles.keys() - self.listening:
            self._listen()

    def _listen(self) -> None:
        self._next = self._clock() + PROBE_SECONDS
        try:
            self._set = self._set or self._call("nvmlEventSetCreate")
        except NvmlCallError:
            return
        for address in self._handles.keys() - self.listening:
            handle = self._handles[address]
            try:
                self._call("nvmlDeviceRegisterEvents", handle, binding.XID, self._set)
            except NvmlCallError:
                continue
            self._addresses[binding.handle_key(handle)] = address
        if self._addresses and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="nvml-xid", daemon=True)
            self._thread.start()

    @property
    def listening(self) -> frozenset[str]:
        """The GPUs whose errors are reported."""
        return frozenset(self._addresses.values())

    def close(self) -> bool:
        """End listening; False if a call is stuck in the library, which must then stay open."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)
            if self._thread.is_alive():
                return False
        if self._set is not None:
            with suppress(NvmlCallError):
                self._call("nvmlEventSetFree", self._set)
            self._set = None
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                event = self._call("nvmlEventSetWait_v2", self._set, WAIT_MILLISECONDS)
            except NoAnswerError:
                # No event within the time, or the wait was interrupted.
                self._stop.wait(BREATH_SECONDS)
            except ClosedError:
                return
            except NvmlCallError:
                # A lost GPU makes every wait return at once.
                self._stop.wait(PAUSE_SECONDS)
            else:
                address = self._addresses.get(binding.handle_key(event.device))
                if address is not None and event.eventType & binding.XID:
                    self._counts[address, int(event.eventData)] += 1
