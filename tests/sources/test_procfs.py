"""The procfs source shows what the kernel says of a guest's process and threads, and nothing else."""

import os
from itertools import count
from pathlib import Path

import pytest

from hostcollector.catalogue import cpu, guest, memory
from hostcollector.errors import SourceDeniedError
from hostcollector.qemu_processes import QemuProcesses
from hostcollector.sources.base import Reading
from hostcollector.sources.procfs import Procfs
from tests.fakes.guests import A, B, request, series
from tests.fakes.procfs import BOOT_TIME
from tests.fakes.procfs import Procfs as ProcTree

HYBRID = Path(__file__).parent.parent / "fixtures/hosts/hybrid"
KVM = {101: "CPU 0/KVM", 102: "CPU 1/KVM", 103: "IO mon_iothread", 104: "IO iothread1", 105: "worker"}


class Reader:
    """A source on a host, asked for the guests that a test names; each time it scans anew."""

    def __init__(self, root: Path) -> None:
        self.source = Procfs(QemuProcesses(root, count(step=20).__next__))

    def read(self, **names: str) -> Reading:
        """Read the guests, given as names by their letters."""
        return self.source.read(request(**names))


@pytest.fixture
def proc(tmp_path: Path) -> ProcTree:
    """Give a host on which nothing but process 1 runs."""
    return ProcTree(tmp_path)


def test_a_captured_guest_is_read_whole() -> None:
    """A real QEMU with two vCPUs, of which the first is pinned, and an I/O thread."""
    reading = Reader(HYBRID).read(a="web (blue), 1")
    assert (reading.notes, reading.partial) == ((), False)
    assert series(reading, cpu.VCPU_TIME) == {("0",): 0.05190697, ("1",): 0.005946594}
    assert series(reading, cpu.VCPU_DELAY) == {("0",): 0.057197537, ("1",): 0.010358347}
    assert series(reading, cpu.VCPU_STATE) == {("0",): 1, ("1",): 1}
    assert series(reading, cpu.VCPU_AFFINITY) == {("0", "1"): 1, ("1", "0-1"): 1}
    assert series(reading, cpu.VCPU_ALLOWED_CPUS) == {("0",): 1, ("1",): 2}
    assert series(reading, cpu.VCPU_PHYSICAL_CPU) == {("0",): 1, ("1",): 1}
    assert series(reading, cpu.VCPU_CONTEXT_SWITCHES) == {
        ("0", "voluntary"): 69,
        ("0", "involuntary"): 101,
        ("1", "voluntary"): 41,
        ("1", "involuntary"): 7,
    }
    assert series(reading, cpu.EMULATOR_TIME) == {(): 0.060537213}
    assert series(reading, cpu.EMULATOR_DELAY) == {(): 0.04870964}
    assert series(reading, cpu.IOTHREAD_TIME) == {("iothread1",): 0.000108413}
    assert series(reading, cpu.IOTHREAD_DELAY) == {("iothread1",): 0.000117456}


def test_the_process_as_a_whole_is_read() -> None:
    """CPU time of all threads, threads, memory in bytes, the start as a Unix time."""
    source = Procfs(QemuProcesses(HYBRID), ticks_per_second=100, page_size=4096)
    reading = source.read(request(a="web (blue), 1"))
    assert series(reading, cpu.DOMAIN_CPU_TIME) == {(): 0.29}
    assert series(reading, cpu.THREADS) == {(): 7}
    assert series(reading, memory.RSS) == {(): 11395 * 4096}
    assert series(reading, guest.START_TIME) == {(): 1795463815 + 4514.43}


def test_what_the_kernel_does_not_say_is_absent(proc: ProcTree) -> None:
    """No scheduler statistics, no times of threads that it does not account for, no time of boot."""
    proc.qemu(100, A, "web", KVM)
    proc.write("proc/100/task/101/schedstat", "0 0 0\n")
    proc.write("proc/100/task/101/status", "Name:\tCPU 0/KVM\n")
    (proc.root / "proc/stat").unlink()
    reading = Reader(proc.root).read(a="web")
    assert series(reading, cpu.VCPU_WAIT) == {}
    assert series(reading, cpu.VCPU_TIME) == {("1",): 1.0}
    assert series(reading, cpu.VCPU_ALLOWED_CPUS) == {("1",): 4}
    assert series(reading, cpu.VCPU_CONTEXT_SWITCHES).keys() == {("1", "voluntary"), ("1", "involuntary")}
    assert series(reading, guest.START_TIME) == {}
    assert not reading.partial


@pytest.mark.parametrize("name", ["wait_sum", "se.statistics.wait_sum"])
def test_wait_sum_is_read_where_schedstats_are_on(proc: ProcTree, name: str) -> None:
    """Linux 5.16 dropped the prefix; the unit is milliseconds with six decimals."""
    proc.qemu(100, A, "web", {101: "CPU 0/KVM"})
    sched = f"CPU 0/KVM (101, #threads: 2)\n-------\n{name:<45}:          1234.567890\nnr_switches : 5\n"
    proc.write("proc/100/task/101/sched", sched)
    proc.write("proc/sys/kernel/sched_schedstats", "0\n")
    reader = Reader(proc.root)
    assert series(reader.read(a="web"), cpu.VCPU_WAIT) == {}
    proc.write("proc/sys/kernel/sched_schedstats", "1\n")
    assert series(reader.read(a="web"), cpu.VCPU_WAIT) == {("0",): 1.23456789}
    proc.write("proc/100/task/101/sched", "CPU 0/KVM (101, #threads: 2)\n")
    assert series(reader.read(a="web"), cpu.VCPU_WAIT) == {}


def test_vhost_threads_are_counted_inside_and_outside_the_process(proc: ProcTree) -> None:
    """From Linux 6.4 on they are QEMU's own; before, kernel threads, whose number may become another's."""
    proc.qemu(100, A, "web", {101: "vhost-100", 102: "vhost-100"})
    proc.kernel_thread(103, "vhost-100")
    reader = Reader(proc.root)
    for _ in range(2):
        assert series(reader.read(a="web"), cpu.VHOST_TIME).keys() == {("101",), ("102",), ("103",)}
    proc.thread("proc/103", 103, "vhost-999", flags=0x00200000)
    reading = reader.read(a="web")
    assert series(reading, cpu.VHOST_TIME).keys() == {("101",), ("102",)}
    assert series(reading, cpu.VHOST_DELAY).keys() == {("101",), ("102",)}
    assert not reading.partial


def test_threads_that_share_a_role_are_left_out(proc: ProcTree) -> None:
    """One TCG thread for all vCPUs, or two that both say that they are the first."""
    proc.qemu(100, A, "web", {101: "ALL CPUs/TCG", 102: "CPU 0/TCG", 103: "CPU 0/TCG", 104: "CPU 1/TCG"})
    reading = Reader(proc.root).read(a="web")
    assert series(reading, cpu.VCPU_TIME).keys() == {("1",)}
    assert series(reading, cpu.VCPU_STATE).keys() == {("1",)}


def test_threads_come_and_go(proc: ProcTree) -> None:
    """A thread that has not named itself yet is looked at again; one that ended is missed by nobody."""
    proc.qemu(100, A, "web", {101: "CPU 0/KVM", 102: "qemu-system-x86", 103: "worker"})
    reader = Reader(proc.root)
    assert series(reader.read(a="web"), cpu.VCPU_TIME).keys() == {("0",)}
    proc.thread("proc/100/task/102", 102, "CPU 1/KVM")
    assert series(reader.read(a="web"), cpu.VCPU_TIME).keys() == {("0",), ("1",)}
    for file in (proc.root / "proc/100/task/101").iterdir():
        file.unlink()
    reading = reader.read(a="web")
    assert series(reading, cpu.VCPU_TIME).keys() == {("1",)}
    assert not reading.partial
    proc.thread("proc/100/task/104", 104, "CPU 0/KVM")
    assert series(reader.read(a="web"), cpu.VCPU_TIME).keys() == {("0",), ("1",)}


@pytest.mark.parametrize("file", ["100/task/101/schedstat", "100/task/101/status", "103/stat"])
def test_a_thread_that_ends_while_it_is_read_is_left_out(proc: ProcTree, file: str) -> None:
    """All of it, so that no half of a thread is shown; the others are complete."""
    proc.qemu(100, A, "web", {101: "CPU 0/KVM", 102: "CPU 1/KVM"})
    proc.kernel_thread(103, "vhost-100")
    reader = Reader(proc.root)
    reader.read(a="web")
    complete = reader.read(a="web").samples
    (proc.root / "proc" / file).unlink()
    reading = reader.read(a="web")
    tid, label = ("103", "103") if file.startswith("103") else ("101", "0")
    assert [s for s in complete if s not in reading.samples] == [s for s in complete if label in s.labels]
    assert tid not in {label for sample in reading.samples for label in sample.labels}
    assert not reading.partial


@pytest.mark.parametrize("stat", ["btime soon\n", "cpu 1 2 3\n"])
def test_without_a_time_of_boot_there_are_no_start_times(proc: ProcTree, stat: str) -> None:
    """Everything else is there."""
    proc.qemu(100, A, "web", KVM)
    proc.write("proc/stat", stat)
    reading = Reader(proc.root).read(a="web")
    assert series(reading, guest.START_TIME) == {}
    assert series(reading, cpu.THREADS) == {(): 1}


def test_threads_without_series_are_not_read_again(proc: ProcTree) -> None:
    """QEMU has dozens of worker threads; a number is looked at anew when it has been away."""
    proc.qemu(100, A, "web", {101: "CPU 0/KVM", 103: "worker"})
    reader = Reader(proc.root)
    for _ in range(2):
        reader.read(a="web")
    proc.write("proc/100/task/103/stat", "nonsense")
    assert not reader.read(a="web").partial
    (proc.root / "proc/100/task/103").rename(proc.root / "away")
    reader.read(a="web")
    proc.thread("proc/100/task/103", 103, "CPU 1/KVM")
    assert series(reader.read(a="web"), cpu.VCPU_TIME).keys() == {("0",), ("1",)}


def test_a_thread_that_takes_another_name_takes_another_role(proc: ProcTree) -> None:
    """Nothing is taken for a vCPU because it once was one."""
    proc.qemu(100, A, "web", {101: "CPU 0/KVM"})
    reader = Reader(proc.root)
    assert series(reader.read(a="web"), cpu.VCPU_TIME).keys() == {("0",)}
    proc.thread("proc/100/task/101", 101, "IO iothread1")
    reading = reader.read(a="web")
    assert series(reading, cpu.VCPU_TIME) == {}
    assert series(reading, cpu.IOTHREAD_TIME).keys() == {("iothread1",)}


def test_a_guest_never_gets_the_figures_of_the_next_owner_of_its_pid(proc: ProcTree) -> None:
    """It became another guest's between finding and reading: nothing now, the right one next time."""
    proc.qemu(100, A, "web", KVM, starttime=10)
    reader = Reader(proc.root)
    for _ in range(2):
        assert {sample.uuid for sample in reader.read(a="web", b="db").samples} == {A}
    proc.qemu(100, B, "db", KVM, starttime=20)
    reading = reader.read(a="web", b="db")
    assert reading.samples == []
    assert reading.notes[-1] == "the QEMU of guest 'web' ended while it was read"
    reading = reader.read(a="web", b="db")
    assert {sample.uuid for sample in reading.samples} == {B}


def test_a_zombies_figures_are_nobodys(proc: ProcTree) -> None:
    """Its memory would be 0."""
    proc.qemu(100, A, "web", KVM)
    proc.process(100, "qemu-system-x86", state="Z")
    proc.write("proc/100/cmdline", f"qemu\0-name\0guest=web\0-uuid\0{A}\0")
    reading = Reader(proc.root).read(a="web")
    assert reading.samples == []
    assert reading.notes == ("the QEMU of guest 'web' ended while it was read",)


@pytest.mark.parametrize("file", ["stat", "task/101/stat", "task/101/schedstat", "task/101/status"])
def test_one_malformed_file_costs_its_guest_only(proc: ProcTree, file: str) -> None:
    """The other guest is complete, and the page says what is missing."""
    proc.qemu(100, A, "web", KVM)
    proc.qemu(200, B, "db", {201: "CPU 0/KVM"})
    reader = Reader(proc.root)
    for _ in range(2):
        reader.read(a="web", b="db")
    nonsense = "Cpus_allowed_list:\t0\n" if file.endswith("status") else "1 (x"
    proc.write(f"proc/100/{file}", f"x\n{nonsense}\nvoluntary_ctxt_switches:\tmany\n")
    reading = reader.read(a="web", b="db")
    assert {sample.uuid for sample in reading.samples} == {B}
    assert series(reading, cpu.VCPU_TIME, B) == {("0",): 1.0}
    assert reading.partial
    assert reading.notes[0].startswith("the QEMU of guest 'web' cannot be read: not a")


def test_start_times_stay_when_the_clock_is_set(proc: ProcTree) -> None:
    """The kernel's time of boot moves with the clock; a guest did not start a second time."""
    proc.qemu(100, A, "web", starttime=500)
    reader = Reader(proc.root)
    started = BOOT_TIME + 500 / os.sysconf("SC_CLK_TCK")
    assert series(reader.read(a="web"), guest.START_TIME) == {(): started}
    proc.write("proc/stat", f"btime {BOOT_TIME + 3600}\n")
    proc.qemu(200, B, "db", starttime=0)
    reading = reader.read(a="web", b="db")
    assert series(reading, guest.START_TIME) == {(): started}
    assert series(reading, guest.START_TIME, B) == {(): BOOT_TIME + 3600}


def test_a_denied_read_is_the_sources_error(proc: ProcTree) -> None:
    """The page then says why the whole source is missing."""
    proc.end(1)
    with pytest.raises(SourceDeniedError, match="ProtectProc="):
        Reader(proc.root).read(a="web")
