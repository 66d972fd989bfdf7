"""Reads the threads of QEMU processes."""

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from hostcollector.base.definition import Domain
from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.keeping import kept_seconds
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Metric, Sample
from hostcollector.catalogue import cpu
from hostcollector.guests.processes import QemuProcess
from hostcollector.protocols.kernel.files import GONE, KeptFiles, cpu_count, names, read_record
from hostcollector.protocols.kernel.process_stat import ProcessStat, ThreadStat
from hostcollector.sources.procfs.roles import Duty, Role, lacking, role_in_group, role_of, whole_role
from hostcollector.sources.procfs.scheduling import placement, times, wait_sum

_Pair = tuple[Metric, Metric]

_EMULATOR: _Pair = (cpu.EMULATOR_TIME, cpu.EMULATOR_DELAY)
_TIMES: dict[Duty, _Pair] = {
    Duty.VCPU: (cpu.VCPU_TIME, cpu.VCPU_DELAY),
    Duty.IOTHREAD: (cpu.IOTHREAD_TIME, cpu.IOTHREAD_DELAY),
    Duty.VHOST: (cpu.VHOST_TIME, cpu.VHOST_DELAY),
}


# The name of the thread that runs all vCPUs, one after the other.
_ALL_VCPUS = b"ALL CPUs/TCG"

SETTLED_SECONDS = 300.0
"""How long a thread without a role is not read again. It may change its name."""

LISTED_SECONDS = 60.0
"""How long a process's list of threads is used at most while their number stays the same."""

MOST_NAMES = 4096
"""How many thread names are remembered. The name of a vhost thread contains the number of its process."""


class Seen(NamedTuple):
    """What was read of one process's threads: their series, their roles, and unreadable directories.

    `unplugged` is how many vCPUs the process had before and has no longer. `one_for_all` says that one thread
    runs all vCPUs.
    """

    samples: list[Sample]
    roles: Sequence[Role]
    unread: Mapping[str, Exception]
    unplugged: int
    one_for_all: bool


class _Thread(NamedTuple):
    directory: str
    role: Role
    processor: int


class _Known:
    """What is known about the threads of one process: their list, those without series, its vCPUs so far."""

    def __init__(self) -> None:
        self.one_for_all = False
        self._tids: Sequence[str] = ()
        self._links = 0
        self._list_at = float("-inf")
        self._settled_until: dict[str, float] = {}
        self._vcpus: set[Role] = set()

    def unplugged(self, roles: Iterable[Role]) -> int:
        """Return how many vCPUs the process had before that are not among the present roles."""
        now = {role for role in roles if role.duty is Duty.VCPU}
        self._vcpus |= now
        return len(self._vcpus) - len(now)

    def list(self, directory: str, now: float) -> Sequence[str]:
        """Return the ids in a ``task`` directory. Raises `OSError`.

        The number of links says how many threads there are. Listing them takes ten times as long.
        """
        links = os.stat(directory).st_nlink  # noqa: PTH116 - once per guest and collection
        # Some file systems do not count links of directories; those with fewer than 3 are always listed.
        if links != self._links or links <= 2 or now >= self._list_at:
            self._tids, self._links = names(directory), links
            self._list_at = now + kept_seconds(LISTED_SECONDS, directory)
            for ended in self._settled_until.keys() - self._tids:
                del self._settled_until[ended]
        return self._tids

    def list_again(self) -> None:
        """Do not use the list any more: one of its threads has ended."""
        self._links = 0

    def is_settled(self, tid: str, now: float) -> bool:
        """Whether the thread has no series and need not be read."""
        return now < self._settled_until.get(tid, now)

    def settle(self, tid: str, now: float) -> None:
        """Note a thread without series; settled when noted twice: at first its name may be unset."""
        self._settled_until[tid] = now + SETTLED_SECONDS if tid in self._settled_until else now


class ThreadReader:
    """Reads threads under `proc`, the path of /proc. `clock` is monotonic."""

    def __init__(self, proc: str, files: KeptFiles, clock: Clock = time.monotonic) -> None:
        self._proc = proc
        self._read = files.read
        self._clock = clock
        self._has_wait_sum = False
        self._cpu_counts: dict[bytes, int] = {}
        self._known: dict[QemuProcess, _Known] = {}
        self._roles: dict[bytes, Role | None] = {}

    def begin(self, processes: Iterable[QemuProcess]) -> None:
        """Forget ended processes, and look whether the scheduler's optional statistics are on."""
        self._known = {process: self._known.get(process) or _Known() for process in processes}
        try:
            self._has_wait_sum = read_record(f"{self._proc}/sys/kernel/sched_schedstats").strip() == b"1"
        except OSError:
            self._has_wait_sum = False

    def read(self, process: QemuProcess, vhost_threads: Iterable[int], domain: Domain) -> Seen:
        """Return the series of all threads. Raises one of `GONE`, or `OSError`.

        `vhost_threads` are the kernel threads that work for the process. A thread that ends while it is read
        is left out. A thread that cannot be read costs only its own series.
        """
        unread: dict[str, Exception] = {}
        samples: list[Sample] = []
        main = f"{self._proc}/{process.pid}/task/{process.pid}"
        try:
            samples += self._times(main, _EMULATOR, (), process.uuid)
        except GONE:
            raise
        except (OSError, SourceMalformedError) as error:
            unread[main] = error
        known = self._known[process]
        own = self._own_threads(process, known, domain, unread)
        for thread in (*own, *self._kernel_threads(process, vhost_threads, unread)):
            try:
                samples += self._thread(thread, process.uuid)
            except GONE:
                known.list_again()
            except (OSError, SourceMalformedError) as error:
                unread[thread.directory] = error
        roles = [thread.role for thread in own]
        return Seen(samples, roles, unread, known.unplugged(roles), known.one_for_all)

    def _thread(self, thread: _Thread, uuid: str) -> list[Sample]:
        """Return all series of a thread. Raises what reading one of its files raises."""
        label = (thread.role.label,)
        samples = self._times(thread.directory, _TIMES[thread.role.duty], label, uuid)
        if thread.role.duty is Duty.VCPU:
            self._add_vcpu(samples, thread, label, uuid)
        return samples

    def _own_threads(
        self, process: QemuProcess, known: _Known, domain: Domain, unread: dict[str, Exception]
    ) -> list[_Thread]:
        """Return QEMU's threads that have series; none of those that have the same role (TCG)."""
        threads: dict[Role, _Thread | None] = {}
        nameless: dict[str, int] = {}
        now, main, task = self._clock(), str(process.pid), f"{self._proc}/{process.pid}/task"
        for tid in known.list(task, now):
            if tid == main or known.is_settled(tid, now):
                continue
            directory = f"{task}/{tid}"
            try:
                stat = ThreadStat.parse(self._read(f"{directory}/stat"))
            except GONE:
                known.list_again()
                continue
            except (OSError, SourceMalformedError) as error:
                unread[directory] = error
                continue
            role = self._role(stat.comm)
            known.one_for_all = known.one_for_all or stat.comm == _ALL_VCPUS
            if role is None:
                nameless[tid] = stat.processor
            elif role.duty is Duty.VHOST:
                threads[Role(Duty.VHOST, tid)] = _Thread(directory, Role(Duty.VHOST, tid), stat.processor)
            elif (whole := whole_role(role, stat.comm, domain.iothreads)) is None:
                unread[directory] = SourceMalformedError(f"{stat.comm!r} is the beginning of several names")
            else:
                threads[whole] = None if whole in threads else _Thread(directory, whole, stat.processor)
        found = [thread for thread in threads.values() if thread is not None]
        if nameless and lacking(domain, threads):
            found += self._by_group(task, nameless, threads)
        for tid in nameless:
            known.settle(tid, now)
        return found

    def _by_group(self, task: str, nameless: dict[str, int], known: Collection[Role]) -> Iterator[_Thread]:
        """Yield the threads whose role only their control group shows, and remove them from `nameless`."""
        for tid, processor in list(nameless.items()):
            directory = f"{task}/{tid}"
            try:
                role = role_in_group(read_record(f"{directory}/cgroup"))
            except OSError:
                continue
            if role is not None and role not in known:
                del nameless[tid]
                yield _Thread(directory, role, processor)

    def _kernel_threads(
        self, process: QemuProcess, tids: Iterable[int], unread: dict[str, Exception]
    ) -> Iterator[_Thread]:
        """Yield the vhost threads outside the process (before Linux 6.4) whose number is still theirs."""
        for tid in tids:
            directory = f"{self._proc}/{tid}"
            try:
                stat = ProcessStat.parse(self._read(f"{directory}/stat"))
            except GONE:
                continue
            except (OSError, SourceMalformedError) as error:
                unread[directory] = error
                continue
            if stat.is_kernel_thread and stat.comm == b"vhost-%d" % process.pid:
                yield _Thread(directory, Role(Duty.VHOST, str(tid)), stat.processor)

    def _add_vcpu(self, samples: list[Sample], thread: _Thread, label: tuple[str], uuid: str) -> None:
        """Add where the vCPU runs and how often it was switched."""
        samples.append(Sample(cpu.VCPU_STATE, 1, label, uuid))
        samples.append(Sample(cpu.VCPU_PHYSICAL_CPU, thread.processor, label, uuid))
        place = placement(self._read(f"{thread.directory}/status"))
        if place.cpus is not None:
            cpus = (*label, place.cpus.decode("ascii"))
            samples.append(Sample(cpu.VCPU_AFFINITY, 1, cpus, uuid))
            samples.append(Sample(cpu.VCPU_ALLOWED_CPUS, self._cpu_count(place.cpus), label, uuid))
        if place.voluntary is not None and place.involuntary is not None:
            samples.append(Sample(cpu.VCPU_CONTEXT_SWITCHES, place.voluntary, (*label, "voluntary"), uuid))
            samples.append(
                Sample(cpu.VCPU_CONTEXT_SWITCHES, place.involuntary, (*label, "involuntary"), uuid)
            )
        waited = wait_sum(self._read(f"{thread.directory}/sched")) if self._has_wait_sum else None
        if waited is not None:
            samples.append(Sample(cpu.VCPU_WAIT, waited, label, uuid))

    def _times(self, directory: str, metrics: _Pair, labels: tuple[str, ...], uuid: str) -> list[Sample]:
        """Return how long a thread ran and waited; nothing where the kernel does not count it."""
        thread = times(self._read(f"{directory}/schedstat"))
        if thread is None:
            return []
        return [Sample(metrics[0], thread.run, labels, uuid), Sample(metrics[1], thread.delay, labels, uuid)]

    def _role(self, comm: bytes) -> Role | None:
        """Return the role of a thread of this name. Guests share most names, so roles are remembered."""
        if comm not in self._roles:
            if len(self._roles) >= MOST_NAMES:
                self._roles.clear()
            self._roles[comm] = role_of(comm)
        return self._roles[comm]

    def _cpu_count(self, cpus: bytes) -> int:
        count = self._cpu_counts.get(cpus)
        if count is None:
            count = self._cpu_counts[cpus] = cpu_count(cpus)
        return count
