"""QEMUs that do not run: stopped by a signal or a debugger, or waiting for a device in the kernel.

Such a QEMU does not answer its monitor. One small file per guest shows it, so that no call to libvirt has to
hang. A QEMU that hangs in another way (a deadlock, a lost answer) looks as if it waited for work. But the
main thread of a QEMU that works wakes now and then, also that of an idle guest.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hostcollector.base.lanes import Clock
from hostcollector.guests.processes import QemuProcess
from hostcollector.protocols.kernel.files import read_record

# Stopped, stopped by a debugger, in uninterruptible sleep: proc_pid_stat(5).
_HALTED = frozenset(b"TtD")
# QEMU waits for a disk in the kernel now and then: it is halted only if it does so at two looks.
BETWEEN_LOOKS_SECONDS = 0.1

_WOKEN = re.compile(rb"^voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)


Read = Callable[[str], bytes]


class Halts:
    """Remembers since when which QEMUs below `root` have been seen halted."""

    def __init__(self, root: Path = Path("/"), clock: Clock = time.monotonic) -> None:
        self._proc = str(root / "proc")
        self._clock = clock
        self._since: dict[QemuProcess, float] = {}
        self._pulses: dict[QemuProcess, bytes] = {}

    def look(
        self, processes: Mapping[str, QemuProcess], among: Iterable[str], read: Read = read_record
    ) -> frozenset[str]:
        """Return the UUIDs of the guests in `among` whose QEMU's main thread does not run at this moment."""
        return frozenset(uuid for uuid in among if uuid in processes and self._halted(processes[uuid], read))

    def remembers(self, processes: Mapping[str, QemuProcess], halted: Iterable[str]) -> bool:
        """Whether the guests' QEMUs were all halted last time too."""
        return all(processes[uuid] in self._since for uuid in halted)

    def remember(self, processes: Mapping[str, QemuProcess], halted: Iterable[str]) -> dict[str, float]:
        """Return for how many seconds the guests have been seen halted, and forget all others."""
        now = self._clock()
        seen = {uuid: processes[uuid] for uuid in halted}
        self._since = {process: self._since.get(process, now) for process in seen.values()}
        return {uuid: now - self._since[process] for uuid, process in seen.items()}

    def take_pulses(self, processes: Mapping[str, QemuProcess], among: Iterable[str]) -> None:
        """Remember how often the main threads of the guests' QEMUs have woken, and forget all others."""
        seen = [processes[uuid] for uuid in among if uuid in processes]
        self._pulses = {process: pulse for process in seen if (pulse := self._pulse(process))}

    def alive(self, processes: Mapping[str, QemuProcess], among: Iterable[str]) -> frozenset[str]:
        """Return the guests in `among` whose main thread has woken since its pulse was taken."""
        known = {uuid: processes[uuid] for uuid in among if processes.get(uuid) in self._pulses}
        return frozenset(
            uuid
            for uuid, process in known.items()
            if (pulse := self._pulse(process)) and pulse != self._pulses[process]
        )

    def _pulse(self, process: QemuProcess) -> bytes:
        """Return how often the main thread has woken, as text; empty where the kernel does not say."""
        try:
            status = read_record(f"{self._proc}/{process.pid}/task/{process.pid}/status")
        except OSError:
            return b""
        found = _WOKEN.search(status)
        return found[1] if found else b""

    def _halted(self, process: QemuProcess, read: Read) -> bool:
        # The thread's own file: for the process's file the kernel sums up all threads.
        path = f"{self._proc}/{process.pid}/task/{process.pid}/stat"
        try:
            line = read(path)
        except OSError:
            return False  # QEMU has ended, or this account may not read it
        # A name may hold spaces and parentheses: it ends at the last one.
        state = line[line.rfind(b")") + 2 :][:1]
        return bool(state) and state[0] in _HALTED
