"""The `procfs` source: what the host's scheduler knows of each guest's QEMU process and its threads.

It needs neither libvirt nor the guest's monitor, so it goes on while either of them is stuck.
"""

import os
import time

from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Domain, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import cpu, guest, memory
from hostcollector.guests.processes import QemuProcess, QemuProcesses
from hostcollector.protocols.kernel.files import GONE, read_record
from hostcollector.protocols.kernel.process_stat import ProcessStat
from hostcollector.sources.procfs.promised import miss
from hostcollector.sources.procfs.start_times import StartTimes
from hostcollector.sources.procfs.threads import ThreadReader

__all__ = ["Procfs"]


class Procfs(Source):
    """Reads the processes that `processes` finds, under the same root."""

    name = "procfs"

    def __init__(
        self,
        processes: QemuProcesses,
        *,
        ticks_per_second: int = os.sysconf("SC_CLK_TCK"),
        page_size: int = os.sysconf("SC_PAGE_SIZE"),
        clock: Clock = time.monotonic,
    ) -> None:
        self._processes = processes
        self._ticks_per_second = ticks_per_second
        self._page_size = page_size
        self._proc = str(processes.root / "proc")
        self._threads = ThreadReader(self._proc, clock)
        self._starts = StartTimes(self._proc, ticks_per_second)

    def read(self, request: Request) -> Reading:
        """Return the series of all guests whose process is found. Raises what `QemuProcesses.find` raises."""
        found = self._processes.find(request.guests, request.taken_at)
        self._threads.begin(found.processes.values())
        self._starts.begin(found.processes.values())
        samples: list[Sample] = []
        gaps = Gaps()
        gaps.tell(found.notes, len(request.guests) - len(found.processes))
        for uuid, process in found.processes.items():
            domain = request.guests[uuid].domain
            with gaps.item(f"the QEMU of guest {domain.name!r}"):
                try:
                    samples += self._guest(process, found.vhost_threads.get(process.pid, ()), domain, gaps)
                except GONE:
                    gaps.tell((f"the QEMU of guest {domain.name!r} ended while it was read",), 1)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def _guest(
        self, process: QemuProcess, vhost_threads: tuple[int, ...], domain: Domain, gaps: Gaps
    ) -> list[Sample]:
        seen = self._threads.read(process, vhost_threads, domain)
        # Read last: while the start time is the right one, all that was read before is this guest's too.
        stat = ProcessStat.parse(read_record(f"{self._proc}/{process.pid}/stat"))
        if stat.start_ticks != process.start_ticks or stat.is_dead:
            self._processes.forget(process)
            raise ProcessLookupError
        for directory, why in seen.unread.items():
            gaps.unread(f"{directory} of guest {domain.name!r}", why)
        miss(domain, seen, gaps)
        samples, uuid = seen.samples, process.uuid
        samples.append(Sample(cpu.DOMAIN_CPU_TIME, stat.cpu_ticks / self._ticks_per_second, (), uuid))
        samples.append(Sample(cpu.THREADS, stat.threads, (), uuid))
        samples.append(Sample(memory.RSS, stat.resident_pages * self._page_size, (), uuid))
        started = self._starts.of(process)
        if started is not None:
            samples.append(Sample(guest.START_TIME, started, (), uuid))
        return samples
