"""Listens for the errors that NVIDIA's driver reports (Xid), in a daemon thread of its own."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hostcollector.base.lanes import Clock
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.asking import PROBE_SECONDS, Call
from hostcollector.sources.nvml.faults import ClosedError, NoAnswerError, NvmlCallError

WAIT_MILLISECONDS = 500
PATIENCE_SECONDS = 2.0
PAUSE_SECONDS = 1.0
# So that a wait that returns at once does not make the thread spin.
BREATH_SECONDS = 0.02


class XidListener:
    """Counts Xid events per GPU and code in `counts`, which outlives it. `handles` are by PCI address.

    `listening` are the GPUs whose errors are told. `clock` is monotonic.
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
        """Try again, now and then, to listen to the GPUs whose errors are not told."""
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
        """The GPUs whose errors are told."""
        return frozenset(self._addresses.values())

    def close(self) -> bool:
        """End listening; False if the library does not let go, and then nothing of it may be closed."""
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
                # Nothing happened within the time, or it was interrupted.
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
