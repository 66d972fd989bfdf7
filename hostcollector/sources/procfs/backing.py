"""What a QEMU process holds beyond its resident memory: reserved huge pages, and what is swapped out.

The file, status of the main thread, is long, and QEMU gets its huge pages when it starts. It is read about
once a minute, not for all processes in one collection. Source: proc_pid_status(5).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from hostcollector.base.keeping import kept_seconds
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Sample
from hostcollector.base.units import bytes_from_kib
from hostcollector.catalogue import memory
from hostcollector.guests.processes import QemuProcess
from hostcollector.protocols.kernel.files import read

BACKING_SECONDS = 60.0
"""How long the figures of a process are shown at most before they are read again."""

_ROWS = {b"VmSwap": memory.SWAPPED, b"HugetlbPages": memory.HUGEPAGES}
_LINES = re.compile(rb"^(VmSwap|HugetlbPages):\s+(\d{1,18}) kB$", re.MULTILINE)


class Backing(NamedTuple):
    """What one process holds, as series that are shown `until` then.

    `has_huge` is whether it has reserved huge pages.
    """

    samples: tuple[Sample, ...]
    has_huge: bool
    until: float


class BackingReader:
    """Reads /proc/PID/task/PID/status below `proc`. `clock` is monotonic."""

    def __init__(self, proc: str, clock: Clock) -> None:
        self._proc = proc
        self._clock = clock
        self._now = 0.0
        self._known: dict[QemuProcess, Backing] = {}

    def begin(self, processes: Iterable[QemuProcess]) -> None:
        """Begin a reading of these processes: forget the others."""
        self._now = self._clock()
        self._known = {each: self._known[each] for each in processes if each in self._known}

    def of(self, process: QemuProcess, *, promised: bool) -> Backing:
        """Return what the process holds. Raises `OSError`.

        A process without the huge pages that its definition promises is read again each time: it may have
        started just now.
        """
        known = self._known.get(process)
        if known is None or self._now >= known.until or (promised and not known.has_huge):
            path = f"{self._proc}/{process.pid}/task/{process.pid}/status"
            until = self._now + kept_seconds(BACKING_SECONDS, path)
            known = self._known[process] = _parsed(read(path), process.uuid, until)
        return known


def _parsed(status: bytes, uuid: str, until: float) -> Backing:
    """Return the series of a process; a kernel without such a line has none of it."""
    sizes = {name: bytes_from_kib(int(number)) for name, number in _LINES.findall(status)}
    samples = (Sample(_ROWS[name], size, (), uuid) for name, size in sizes.items())
    return Backing(tuple(samples), bool(sizes.get(b"HugetlbPages")), until)
