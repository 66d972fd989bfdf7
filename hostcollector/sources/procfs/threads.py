"""Reads the threads of one QEMU process after the other."""

import time
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Domain, Metric, Sample
from hostcollector.catalogue import cpu
from hostcollector.guests.processes import QemuProcess
from hostcollector.protocols.kernel.files import GONE, names, read_record
from hostcollector.protocols.kernel.numbers import cpu_count
from hostcollector.protocols.kernel.process_stat import ProcessStat
from hostcollector.sources.procfs.duties import Duty, Role, role_in_group, role_of, whole_role
from hostcollector.sources.procfs.promised import lacking
from hostcollector.sources.procfs.scheduling import placement, times, wait_sum
from hostcollector.sources.procfs.seen import Seen

_Pair = tuple[Metric, Metric]

_EMULATOR: _Pair = (cpu.EMULATOR_TIME, cpu.EMULATOR_DELAY)
_TIMES: dict[Duty, _Pair] = {
    Duty.VCPU: (cpu.VCPU_TIME, cpu.VCPU_DELAY),
    Duty.IOTHREAD: (cpu.IOTHREAD_TIME, cpu.IOTHREAD_DELAY),
    Duty.VHOST: (cpu.VHOST_TIME, cpu.VHOST_DELAY),
}


# The one thread of a QEMU that runs all vCPUs in turn.
_ALL_VCPUS = b"ALL CPUs/TCG"
SETTLED_SECONDS = 300.0
"""For how long a thread without a role is not looked at again."""


MOST_NAMES = 4096
"""How many names of threads are remembered; a vhost thread's has its process' number in it."""


class _Thread(NamedTuple):
    directory: str
    role: Role
    processor: int


class _Others:
    """The threads of one process that have no series, each for a while only: it may take another name.

    Knows too which vCPUs the process has had.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._vcpus: set[Role] = set()
        self.one_for_all = False

    def unplugged(self, roles: Iterable[Role]) -> int:
        """Return how many vCPUs there have been that are not among the roles of now."""
        now = {role for role in roles if role.duty is Duty.VCPU}
        self._vcpus |= now
        return len(self._vcpus) - len(now)

    def forget(self, tids: Collection[str]) -> None:
        """Forget the threads that are not among `tids`."""
        for ended in self._until.keys() - tids:
            del self._until[ended]

    def has(self, tid: str, now: float) -> bool:
        """Whether the thread need not be looked at."""
        return now < self._until.get(tid, now)

    def add(self, tid: str, now: float) -> None:
        """Note a thread; it is settled at the second sight: at the first one it may have no name yet."""
        self._until[tid] = now + SETTLED_SECONDS if tid in self._until else now


class ThreadReader:
    """Reads threads under `proc`, the path of /proc. `clock` is monotonic."""

    def __init__(self, proc: str, clock: Clock = time.monotonic) -> None:
        self._proc = proc
        self._clock = clock
        self._has_wait_sum = False
        self._cpu_counts: dict[bytes, int] = {}
        self._others: dict[QemuProcess, _Others] = {}
        self._roles: dict[bytes, Role | None] = {}

    def begin(self, processes: Iterable[QemuProcess]) -> None:
        """Forget ended processes, and look whether the scheduler's optional statistics are on."""
        self._others = {process: self._others.get(process) or _Others() for process in processes}
        try:
            self._has_wait_sum = read_record(f"{self._proc}/sys/kernel/sched_schedstats").strip() == b"1"
        except OSError:
            self._has_wait_sum = False

    def read(self, process: QemuProcess, vhost_threads: Iterable[int], domain: Domain) -> Seen:
        """Return the series of all threads. Raises one of `GONE`, or `OSError`.

        `vhost_threads` are the kernel threads that work for the process. A thread that ends while it is read
        is left out, and one that cannot be read costs itself.
        """
        unread: dict[str, Exception] = {}
        samples: list[Sample] = []
        main = f"{self._proc}/{process.pid}/task/{process.pid}"
        try:
            samples += _times(main, _EMULATOR, (), process.uuid)
        except GONE:
            raise
        except (OSError, SourceMalformedError) as error:
            unread[main] = error
        own = self._own_threads(process, domain, unread)
        for thread in (*own, *self._kernel_threads(process, vhost_threads, unread)):
            try:
                samples += self._thread(thread, process.uuid)
            except GONE:
                continue
            except (OSError, SourceMalformedError) as error:
                unread[thread.directory] = error
        roles = [thread.role for thread in own]
        others = self._others[process]
        return Seen(samples, roles, unread, others.unplugged(roles), others.one_for_all)

    def _thread(self, thread: _Thread, uuid: str) -> list[Sample]:
        """Return all series of a thread, or none: no half of one is shown."""
        part = list(_times(thread.directory, _TIMES[thread.role.duty], (thread.role.label,), uuid))
        if thread.role.duty is Duty.VCPU:
            part += self._vcpu(thread, uuid)
        return part

    def _own_threads(
        self, process: QemuProcess, domain: Domain, unread: dict[str, Exception]
    ) -> list[_Thread]:
        """Return QEMU's threads that have series; of several with the same role (TCG) none."""
        threads: dict[Role, _Thread | None] = {}
        nameless: dict[str, int] = {}
        now, others = self._clock(), self._others[process]
        for tid in self._candidates(process, now):
            directory = f"{self._proc}/{process.pid}/task/{tid}"
            try:
                stat = ProcessStat.parse(read_record(f"{directory}/stat"))
            except GONE:
                continue
            except (OSError, SourceMalformedError) as error:
                unread[directory] = error
                continue
            role = self._role(stat.comm)
            others.one_for_all = others.one_for_all or stat.comm == _ALL_VCPUS
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
            found += self._by_group(process, nameless, threads)
        for tid in nameless:
            others.add(tid, now)
        return found

    def _by_group(
        self, process: QemuProcess, nameless: dict[str, int], known: Collection[Role]
    ) -> Iterator[_Thread]:
        """Yield the threads whose role only their control group tells, and take them from `nameless`."""
        for tid, processor in list(nameless.items()):
            directory = f"{self._proc}/{process.pid}/task/{tid}"
            try:
                role = role_in_group(read_record(f"{directory}/cgroup"))
            except OSError:
                continue
            if role is not None and role not in known:
                del nameless[tid]
                yield _Thread(directory, role, processor)

    def _candidates(self, process: QemuProcess, now: float) -> list[str]:
        """Return the threads but for the main one and those known to have no series."""
        tids = names(f"{self._proc}/{process.pid}/task")
        others = self._others[process]
        others.forget(tids)
        main = str(process.pid)
        return [tid for tid in tids if tid != main and not others.has(tid, now)]

    def _kernel_threads(
        self, process: QemuProcess, tids: Iterable[int], unread: dict[str, Exception]
    ) -> Iterator[_Thread]:
        """Yield the vhost threads outside the process (before Linux 6.4) whose PID is still theirs."""
        for tid in tids:
            directory = f"{self._proc}/{tid}"
            try:
                stat = ProcessStat.parse(read_record(f"{directory}/stat"))
            except GONE:
                continue
            except (OSError, SourceMalformedError) as error:
                unread[directory] = error
                continue
            if stat.is_kernel_thread and stat.comm == b"vhost-%d" % process.pid:
                yield _Thread(directory, Role(Duty.VHOST, str(tid)), stat.processor)

    def _vcpu(self, thread: _Thread, uuid: str) -> Iterator[Sample]:
        """Yield where the vCPU runs and how often it was switched."""
        label = (thread.role.label,)
        yield Sample(cpu.VCPU_STATE, 1, label, uuid)
        yield Sample(cpu.VCPU_PHYSICAL_CPU, thread.processor, label, uuid)
        place = placement(read_record(f"{thread.directory}/status"))
        if place.cpus is not None:
            cpus = (*label, place.cpus.decode("ascii"))
            yield Sample(cpu.VCPU_AFFINITY, 1, cpus, uuid)
            yield Sample(cpu.VCPU_ALLOWED_CPUS, self._cpu_count(place.cpus), label, uuid)
        if place.voluntary is not None and place.involuntary is not None:
            yield Sample(cpu.VCPU_CONTEXT_SWITCHES, place.voluntary, (*label, "voluntary"), uuid)
            yield Sample(cpu.VCPU_CONTEXT_SWITCHES, place.involuntary, (*label, "involuntary"), uuid)
        waited = wait_sum(read_record(f"{thread.directory}/sched")) if self._has_wait_sum else None
        if waited is not None:
            yield Sample(cpu.VCPU_WAIT, waited, label, uuid)

    def _role(self, comm: bytes) -> Role | None:
        """Return the role of a thread of this name; guests share most names, so they are remembered."""
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


def _times(directory: str, metrics: _Pair, labels: tuple[str, ...], uuid: str) -> Iterator[Sample]:
    thread = times(read_record(f"{directory}/schedstat"))
    if thread is not None:
        yield Sample(metrics[0], thread.run, labels, uuid)
        yield Sample(metrics[1], thread.delay, labels, uuid)
