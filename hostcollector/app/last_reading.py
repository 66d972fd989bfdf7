"""Reads the kernel's counters of one guest at once, because it is about to end."""

import time
from pathlib import Path

from hostcollector.base.errors import SourceError
from hostcollector.base.lanes import Lane
from hostcollector.base.model import Guest, Sample
from hostcollector.base.source import Request, Source
from hostcollector.guests.processes import QemuProcess, QemuProcesses
from hostcollector.outputs.usage.extraction import last_reading
from hostcollector.outputs.usage.reading import Reading
from hostcollector.sources.netlink import Netlink
from hostcollector.sources.procfs import Procfs

PATIENCE_SECONDS = 1.0


class LastReader:
    """Reads the taps and /proc with sources of its own, beside any collection that runs. One thread."""

    def __init__(self, root: Path, *, macs_are_set: bool) -> None:
        self._processes = QemuProcesses(root)
        self._procfs = Procfs(self._processes)
        self._sources: tuple[Source, ...] = (self._procfs, Netlink(macs_are_set=macs_are_set))
        self._lane = Lane("last-reading")

    def read(self, guest: Guest) -> Reading | None:
        """Return what can be read within a second; None if there is no QEMU any more."""
        nothing: Reading | None = None
        return self._lane.attempt(lambda: self._read(guest), nothing, seconds=PATIENCE_SECONDS)

    def close(self) -> None:
        """Close the sources' files and sockets."""

        def close() -> None:
            for source in self._sources:
                source.close()

        self._lane.close(close)

    def _read(self, guest: Guest) -> Reading | None:
        uuid = guest.domain.uuid
        deadline = time.monotonic() + PATIENCE_SECONDS
        request = Request(guests={uuid: guest}, deadline=deadline, taken_at=time.time())
        samples: list[Sample] = []
        for source in self._sources:
            try:
                samples += source.read(request).samples
            except SourceError:
                continue  # the others may have something
        process: QemuProcess | None = self._processes.last.get(uuid)
        return None if process is None else last_reading(guest, samples, process)
