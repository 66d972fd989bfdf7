"""When processes started, as Unix times that stay what they were at first sight."""

from collections.abc import Iterable

from hostcollector.base.errors import SourceMalformedError
from hostcollector.guests.processes import QemuProcess
from hostcollector.protocols.kernel.files import read
from hostcollector.protocols.kernel.numbers import integer


class StartTimes:
    """Adds clock ticks since boot to the time of boot in /proc/stat, once per process.

    The kernel derives the time of boot from the present clock, so it moves when the clock is set. And on a
    large machine /proc/stat costs milliseconds.
    """

    def __init__(self, proc: str, ticks_per_second: int) -> None:
        self._path = f"{proc}/stat"
        self._ticks_per_second = ticks_per_second
        self._known: dict[QemuProcess, float] = {}

    def begin(self, processes: Iterable[QemuProcess]) -> None:
        """Learn the start times of new processes and drop those of ended ones."""
        wanted = set(processes)
        new = wanted - self._known.keys()
        self._known = {process: self._known[process] for process in wanted - new}
        booted = self._boot_time() if new else None
        if booted is not None:
            for process in new:
                self._known[process] = booted + process.start_ticks / self._ticks_per_second

    def of(self, process: QemuProcess) -> float | None:
        """Return the Unix time in seconds; None where /proc/stat is hidden (ProcSubset=pid)."""
        return self._known.get(process)

    def _boot_time(self) -> int | None:
        try:
            content = read(self._path)
        except OSError:
            return None
        for line in content.splitlines():
            if line.startswith(b"btime "):
                try:
                    return integer(line[6:])
                except SourceMalformedError:
                    return None
        return None
