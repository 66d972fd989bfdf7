"""The `process` source: what the collector itself costs."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import ProcessCollector

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import collection
from hostcollector.protocols.kernel.files import read
from hostcollector.protocols.kernel.process_stat import ProcessStat

_ROWS = {
    row.name: row
    for row in (
        collection.PROCESS_CPU,
        collection.PROCESS_RESIDENT_MEMORY,
        collection.PROCESS_VIRTUAL_MEMORY,
        collection.PROCESS_START_TIME,
        collection.PROCESS_OPEN_FDS,
        collection.PROCESS_MAX_FDS,
    )
}


class Process(Source):
    """Reads the collector's own process under `proc`."""

    name = "process"

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = str(proc)
        self._stat = f"{proc}/self/stat"
        # Registered nowhere: there is one page and this is not how it is made.
        self._collector = ProcessCollector(proc=str(proc), registry=None)

    def read(self, request: Request) -> Reading:  # noqa: ARG002 - it is about no guest
        """Return the common ``process_`` series. Raises `SourceUnavailableError` without /proc."""
        common = list(self._common())
        # The library leaves out in silence what it cannot read.
        missing = sorted(_ROWS.keys() - {sample.metric.name for sample in common})
        notes = (f"{self._proc} does not tell {', '.join(missing)}",) if missing else ()
        samples = [*common, *self._threads()]
        return Reading(samples=samples, notes=notes, partial=bool(missing), missing=len(missing))

    def _common(self) -> Iterator[Sample]:
        for family in self._collector.collect():
            for sample in family.samples:
                if row := _ROWS.get(sample.name):
                    yield Sample(row, sample.value)

    def _threads(self) -> Iterator[Sample]:
        try:
            stat = ProcessStat.parse(read(self._stat))
        except OSError as error:
            raise SourceUnavailableError(f"{self._stat} cannot be read: {error.strerror}") from error
        yield Sample(collection.PROCESS_THREADS, stat.threads)
