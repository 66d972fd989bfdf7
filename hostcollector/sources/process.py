"""The `process` source: CPU time, memory, threads and file descriptors of the collector itself."""

import os
from collections.abc import Iterator
from pathlib import Path

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.gaps import Gaps
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import collection
from hostcollector.protocols.kernel.files import boot_time, names, read
from hostcollector.protocols.kernel.process_stat import ProcessStat

_LIMIT = b"\nMax open files"


class Process(Source):
    """Reads the collector's own process under `proc`."""

    name = "process"

    def __init__(
        self,
        proc: Path = Path("/proc"),
        *,
        ticks_per_second: int = os.sysconf("SC_CLK_TCK"),
        page_size: int = os.sysconf("SC_PAGE_SIZE"),
    ) -> None:
        self._proc = str(proc)
        self._ticks_per_second = ticks_per_second
        self._page_size = page_size
        self._booted: float | None = None

    def read(self, request: Request) -> Reading:  # noqa: ARG002 - it is about no guest
        """Return the common ``process_`` series. Raises `SourceUnavailableError` without /proc."""
        path = f"{self._proc}/self/stat"
        try:
            stat = ProcessStat.parse(read(path))
        except OSError as error:
            raise SourceUnavailableError(f"{path} cannot be read: {error.strerror}") from error
        gaps = Gaps()
        samples = [*self._figures(stat), *self._started(stat, gaps), *self._descriptors(gaps)]
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def _figures(self, stat: ProcessStat) -> Iterator[Sample]:
        yield Sample(collection.PROCESS_CPU, stat.cpu_ticks / self._ticks_per_second)
        yield Sample(collection.PROCESS_RESIDENT_MEMORY, stat.resident_pages * self._page_size)
        yield Sample(collection.PROCESS_VIRTUAL_MEMORY, stat.virtual_bytes)
        yield Sample(collection.PROCESS_THREADS, stat.threads)

    def _started(self, stat: ProcessStat, gaps: Gaps) -> Iterator[Sample]:
        """Yield the start time by the clock at the first reading: the time of boot moves with the clock."""
        path = f"{self._proc}/stat"
        with gaps.item(path):
            if self._booted is None:
                self._booted = boot_time(path)
            yield Sample(
                collection.PROCESS_START_TIME, self._booted + stat.start_ticks / self._ticks_per_second
            )

    def _descriptors(self, gaps: Gaps) -> Iterator[Sample]:
        limits, directory = f"{self._proc}/self/limits", f"{self._proc}/self/fd"
        with gaps.item(limits):
            _, _, line = read(limits).partition(_LIMIT)
            yield Sample(collection.PROCESS_MAX_FDS, float(line.split(None, 1)[0]))
        with gaps.item(directory):
            # The size is the number of descriptors since Linux 6.2. Listing thousands takes milliseconds.
            size = os.stat(directory).st_size  # noqa: PTH116 - as everywhere on the way of a collection
            yield Sample(collection.PROCESS_OPEN_FDS, size or len(names(directory)) - 1)
