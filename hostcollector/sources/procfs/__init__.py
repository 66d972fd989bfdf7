"""The `procfs` source: what the kernel's scheduler knows about each QEMU process and its threads.

It needs neither libvirt nor the guest's monitor, so it goes on while either of them hangs.
"""

import os
import time

from hostcollector.base.definition import Domain
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.wording import counted
from hostcollector.catalogue import cpu, guest, host, memory
from hostcollector.guests.processes import QemuProcess, QemuProcesses
from hostcollector.protocols.kernel.files import GONE, KeptFiles
from hostcollector.protocols.kernel.process_stat import ProcessStat
from hostcollector.sources.procfs.backing import BackingReader
from hostcollector.sources.procfs.roles import lacking
from hostcollector.sources.procfs.threads import Seen, ThreadReader

__all__ = ["Procfs"]

MOST_OF_A_NAME = 60
"""Characters shown of a name that a command line has: any program can write its own."""


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
        self._files = KeptFiles()
        self._threads = ThreadReader(self._proc, self._files, clock)
        self._backing = BackingReader(self._proc, clock)
        self._starts = processes.start_times

    def read(self, request: Request) -> Reading:
        """Return the series of all guests whose process is found. Raises what `QemuProcesses.find` raises."""
        found = self._processes.find(request.guests, request.taken_at)
        self._files.begin()
        self._threads.begin(found.processes.values())
        self._backing.begin(found.processes.values())
        self._starts.begin(found.processes.values())
        samples: list[Sample] = []
        gaps = Gaps()
        gaps.add(found.notes, len(request.guests) - len(found.processes))
        if request.guests_listed:
            samples.append(Sample(host.UNLISTED_QEMUS, len(found.unlisted)))
            if found.unlisted:
                gaps.fact(_hidden(found.unlisted))
        for uuid, process in found.processes.items():
            domain = request.guests[uuid].domain
            with gaps.item(f"the QEMU of guest {domain.name!r}"):
                try:
                    samples += self._guest(process, found.vhost_threads.get(process.pid, ()), domain, gaps)
                except GONE:
                    gaps.add((f"the QEMU of guest {domain.name!r} ended while it was read",), 1)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def close(self) -> None:
        """Close the files that are kept open."""
        self._files.close()

    def _guest(
        self, process: QemuProcess, vhost_threads: tuple[int, ...], domain: Domain, gaps: Gaps
    ) -> list[Sample]:
        seen = self._threads.read(process, vhost_threads, domain)
        promised = bool(domain.memory_backing.huge_page_sizes)
        backing = self._backing.of(process, promised=promised)
        # Read last: if the start time is still the same, all files read before were this guest's too.
        stat = ProcessStat.parse(self._files.read(f"{self._proc}/{process.pid}/stat"))
        if stat.start_ticks != process.start_ticks or stat.is_dead:
            self._processes.forget(process)
            raise ProcessLookupError
        for directory, why in seen.unread.items():
            gaps.unread(f"{directory} of guest {domain.name!r}", why)
        _miss(domain, seen, gaps)
        samples, uuid = seen.samples, process.uuid
        samples.append(Sample(cpu.DOMAIN_CPU_TIME, stat.cpu_ticks / self._ticks_per_second, (), uuid))
        samples.append(Sample(cpu.THREADS, stat.threads, (), uuid))
        samples.append(Sample(memory.RSS, stat.resident_pages * self._page_size, (), uuid))
        samples.append(Sample(memory.HOST_MAJOR_FAULTS, stat.major_faults, (), uuid))
        samples += backing.samples
        if promised and not backing.has_huge:
            gaps.missing("reserved huge pages", f"those of guest {domain.name!r}")
        started = self._starts.of(process)
        if started is not None:
            samples.append(Sample(guest.START_TIME, started, (), uuid))
        return samples


def _hidden(names: tuple[str, ...]) -> str:
    first = names[0][:MOST_OF_A_NAME]
    return (
        f"libvirt does not list the guests of {counted(len(names), 'QEMU')} ({first!r} first): access rules"
        " of libvirt (polkit) hide them from this account, or libvirt has lost them"
    )


def _miss(domain: Domain, seen: Seen, gaps: Gaps) -> None:
    """Note the threads that the definition promises and QEMU does not have."""
    names = lacking(domain, seen.roles, seen.unplugged)
    if seen.one_for_all:
        gaps.fact(
            f"one thread runs all vCPUs of guest {domain.name!r} (TCG): they have no times of their own"
        )
        names = [name for name in names if not name.startswith("vCPU")]
    for name in names:
        gaps.missing("thread", f"{name} of guest {domain.name!r}")
