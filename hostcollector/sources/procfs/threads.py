"""Reads the threads of one QEMU process after the other."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hostcollector.catalogue import cpu
from hostcollector.kernel_files import GONE, ProcessStat, cpu_count, names, read_record
from hostcollector.model import Metric, Sample
from hostcollector.qemu_processes import QemuProcess
from hostcollector.sources.procfs.duties import Duty, Role, role_of
from hostcollector.sources.procfs.scheduling import placement, times, wait_sum

_Pair = tuple[Metric, Metric]

_EMULATOR: _Pair = (cpu.EMULATOR_TIME, cpu.EMULATOR_DELAY)
_TIMES: dict[Duty, _Pair] = {
    Duty.VCPU: (cpu.VCPU_TIME, cpu.VCPU_DELAY),
    Duty.IOTHREAD: (cpu.IOTHREAD_TIME, cpu.IOTHREAD_DELAY),
    Duty.VHOST: (cpu.VHOST_TIME, cpu.VHOST_DELAY),
}


class _Thread(NamedTuple):
    directory: str
    role: Role
    processor: int


class ThreadReader:
    """Reads threads under `proc`, the path of /proc."""

    def __init__(self, proc: str) -> None:
        self._proc = proc
        self._has_wait_sum = False
        self._cpu_counts: dict[bytes, int] = {}
        self._others: dict[QemuProcess, dict[str, bool]] = {}

    def begin(self, processes: Iterable[QemuProcess]) -> None:
        """Forget ended processes, and look whether the scheduler's optional statistics are on."""
        self._others = {process: self._others.get(process, {}) for process in processes}
        try:
            self._has_wait_sum = read_record(f"{self._proc}/sys/kernel/sched_schedstats").strip() == b"1"
        except OSError:
            self._has_wait_sum = False

    def samples(self, process: QemuProcess, vhost_threads: Iterable[int]) -> list[Sample]:
        """Return the series of all threads. Raises one of `GONE`, `OSError` or `SourceMalformedError`.

        `vhost_threads` are the kernel threads that work for the process. A thread that ends while it is read
        is left out.
        """
        uuid = process.uuid
        samples = list(_times(f"{self._proc}/{process.pid}/task/{process.pid}", _EMULATOR, (), uuid))
        for thread in (*self._own_threads(process), *self._kernel_threads(process, vhost_threads)):
            try:
                part = list(_times(thread.directory, _TIMES[thread.role.duty], (thread.role.label,), uuid))
                if thread.role.duty is Duty.VCPU:
                    part += self._vcpu(thread, uuid)
            except GONE:
                continue
            samples += part
        return samples

    def _own_threads(self, process: QemuProcess) -> list[_Thread]:
        """Return QEMU's threads that have series; of several with the same role (TCG) none."""
        threads: dict[Role, _Thread | None] = {}
        for tid in self._candidates(process):
            directory = f"{self._proc}/{process.pid}/task/{tid}"
            try:
                stat = ProcessStat.parse(read_record(f"{directory}/stat"))
            except GONE:
                continue
            role = role_of(stat.comm)
            if role is None:
                # Settled at the second sight: at the first one it may not have given itself a name yet.
                others = self._others[process]
                others[tid] = tid in others
            else:
                if role.duty is Duty.VHOST:
                    role = Role(Duty.VHOST, tid)
                threads[role] = None if role in threads else _Thread(directory, role, stat.processor)
        return [thread for thread in threads.values() if thread is not None]

    def _candidates(self, process: QemuProcess) -> list[str]:
        """Return the threads but for the main one and those known to have no series."""
        tids = names(f"{self._proc}/{process.pid}/task")
        others = self._others[process]
        for ended in others.keys() - tids:
            del others[ended]
        main = str(process.pid)
        return [tid for tid in tids if tid != main and not others.get(tid)]

    def _kernel_threads(self, process: QemuProcess, tids: Iterable[int]) -> Iterator[_Thread]:
        """Yield the vhost threads outside the process (before Linux 6.4) whose PID is still theirs."""
        for tid in tids:
            directory = f"{self._proc}/{tid}"
            try:
                stat = ProcessStat.parse(read_record(f"{directory}/stat"))
            except GONE:
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
