"""The procfs source shows what the kernel says of a guest's process and threads, and nothing else."""

import os
import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.definition import Domain, MemoryBacking
from hostcollector.base.errors import SourceDeniedError
from hostcollector.base.model import Guest
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import cpu, guest, host, memory
from hostcollector.guests.processes import QemuProcesses
from hostcollector.sources.procfs import Procfs
from hostcollector.sources.procfs.backing import BACKING_SECONDS
from hostcollector.sources.procfs.threads import LISTED_SECONDS, SETTLED_SECONDS
from tests.fakes.guests import A, B, request, series
from tests.fakes.procfs import BOOT_TIME
from tests.fakes.procfs import Procfs as ProcTree
from tests.places import HYBRID

KVM = {101: "CPU 0/KVM", 102: "CPU 1/KVM", 103: "IO mon_iothread", 104: "IO iothread1", 105: "worker"}


class Reader:
    """A source on a host, asked for the guests that a test names; each time it scans anew."""

    def __init__(self, root: Path) -> None:
        self.source = Procfs(QemuProcesses(root, count(step=20).__next__))

    def read(self, **names: str) -> Reading:
        """Read the guests, given as names by their letters."""
        return self.source.read(request(**names))


def of_guests(reading: Reading) -> set[str]:
    """Return the UUIDs of the guests that have series."""
    return {sample.uuid for sample in reading.samples if sample.uuid}


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
    assert series(reading, memory.HUGEPAGES) == {(): 0}
    assert series(reading, memory.SWAPPED) == {(): 0}
    assert series(reading, memory.HOST_MAJOR_FAULTS).keys() == {()}
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
    """A thread that has not named itself yet is looked at again; one that ended is not missed."""
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
        assert of_guests(reader.read(a="web", b="db")) == {A}
    proc.qemu(100, B, "db", KVM, starttime=20)
    reading = reader.read(a="web", b="db")
    assert of_guests(reading) == set()
    assert reading.notes[-1] == "the QEMU of guest 'web' ended while it was read"
    reading = reader.read(a="web", b="db")
    assert of_guests(reading) == {B}


def test_a_zombies_figures_are_no_guests(proc: ProcTree) -> None:
    """Its memory would be 0."""
    proc.qemu(100, A, "web", KVM)
    proc.process(100, "qemu-system-x86", state="Z")
    proc.write("proc/100/cmdline", f"qemu\0-name\0guest=web\0-uuid\0{A}\0")
    reading = Reader(proc.root).read(a="web")
    assert of_guests(reading) == set()
    assert reading.notes == ("the QEMU of guest 'web' ended while it was read",)


NONSENSE = "x\n1 (x\nvoluntary_ctxt_switches:\tmany\n"


def test_one_malformed_file_costs_its_guest_only(proc: ProcTree) -> None:
    """The other guest is complete, and the page says what is missing."""
    proc.qemu(100, A, "web", KVM)
    proc.qemu(200, B, "db", {201: "CPU 0/KVM"})
    reader = Reader(proc.root)
    for _ in range(2):
        reader.read(a="web", b="db")
    proc.write("proc/100/stat", NONSENSE)
    reading = reader.read(a="web", b="db")
    assert of_guests(reading) == {B}
    assert series(reading, cpu.VCPU_TIME, B) == {("0",): 1.0}
    assert (reading.partial, reading.missing) == (True, 1)
    assert reading.notes[0].startswith("the QEMU of guest 'web' cannot be read: not a")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("stat", NONSENSE),
        ("stat", ""),
        ("schedstat", NONSENSE),
        ("schedstat", "1 2\n"),
        ("schedstat", "1 -2 3\n"),
        ("schedstat", f"1 {2**64} 3\n"),
        ("status", "Name:\tx\nCpus_allowed_list:\t5-1\n"),
        ("status", NONSENSE),
        ("schedstat", None),
    ],
)
def test_one_bad_file_costs_its_thread_only(proc: ProcTree, file: str, content: str | None) -> None:
    """No half of the vCPU is shown; the other one and the process are whole, and the file is named."""
    proc.qemu(100, A, "web", KVM)
    reader = Reader(proc.root)
    complete = reader.read(a="web").samples
    path = proc.root / "proc/100/task/101" / file
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    reading = reader.read(a="web")
    lost = [sample for sample in complete if sample not in reading.samples]
    assert lost == [sample for sample in complete if sample.labels[:1] == ("0",)]
    assert (reading.partial, reading.missing) == (True, 1)
    assert "task/101 of guest 'web' cannot be read: " in reading.notes[0]


def promised(vcpus: int, *iothreads: int) -> Request:
    """Return a request for a guest with so many vCPUs and these I/O threads."""
    guest = Guest(domain=Domain(uuid=A, name="web", vcpus=vcpus, iothreads=iothreads))
    return Request(guests={A: guest}, deadline=0.0, taken_at=0.0)


@pytest.mark.parametrize(
    ("threads", "vcpus", "iothreads", "missing"),
    [
        ({101: "CPU 0/KVM", 102: "CPU 1/KVM", 103: "IO iothread1"}, 2, (1,), []),
        ({101: "CPU 0/KVM"}, 3, (), ["vCPU 1", "vCPU 2"]),
        ({101: "CPU 1/KVM", 102: "CPU 3/KVM"}, 2, (), []),
        ({101: "CPU 1/KVM"}, 2, (), ["vCPU 0"]),
        ({101: "CPU 0/KVM", 102: "CPU 0/KVM"}, 1, (), ["vCPU 0"]),
        ({101: "CPU 0/KVM", 102: "IO iothread1"}, 1, (1, 2), ["iothread2"]),
        ({101: "CPU 0/KVM", 102: "IO mine"}, 1, (7,), ["iothread7"]),
        ({101: "qemu-system-x86", 102: "qemu-system-x86"}, 2, (1,), ["vCPU 0", "vCPU 1", "iothread1"]),
        ({101: "CPU 0/KVM", 102: "CPU 1/KVM", 103: "CPU 2/KVM"}, 2, (), []),
    ],
)
def test_a_thread_that_is_promised_and_not_there_is_missed(
    proc: ProcTree, threads: dict[int, str], vcpus: int, iothreads: tuple[int, ...], missing: list[str]
) -> None:
    """By its name, in every collection; of vCPUs the number is promised."""
    proc.qemu(100, A, "web", threads)
    source = Reader(proc.root).source
    for _ in range(3):
        reading = source.read(promised(vcpus, *iothreads))
        assert (reading.missing, reading.partial) == (len(missing), bool(missing))
        named = ", ".join(f"{name} of guest 'web'" for name in missing)
        assert reading.notes == ((f"thread not found: {named}",) if missing else ())


def test_a_vcpu_that_was_unplugged_is_not_missed(proc: ProcTree) -> None:
    """Its thread has been there and ended, which no event of libvirt's reports: the definition is older."""
    proc.qemu(100, A, "web", {101: "CPU 0/KVM", 102: "CPU 1/KVM"})
    source = Reader(proc.root).source
    assert source.read(promised(2)).missing == 0
    for file in (proc.root / "proc/100/task/102").iterdir():
        file.unlink()
    (proc.root / "proc/100/task/102").rmdir()
    assert source.read(promised(2)).missing == 0
    assert source.read(promised(3)).notes == ("thread not found: vCPU 1 of guest 'web'",)


def test_a_guest_without_a_process_is_counted(proc: ProcTree) -> None:
    """Its note has been there; it is counted too."""
    proc.qemu(100, A, "web", KVM)
    assert Reader(proc.root).read(a="web", b="db").missing == 1


def test_one_thread_for_all_vcpus_is_a_fact(proc: ProcTree) -> None:
    """QEMU without KVM may run all vCPUs in turn: they have no times, and that is no trouble."""
    proc.qemu(100, A, "web", {101: "ALL CPUs/TCG"})
    source = Reader(proc.root).source
    for _ in range(4):
        reading = source.read(promised(4))
        assert (reading.missing, reading.partial) == (0, False)
        assert reading.notes[0].startswith("one thread runs all vCPUs of guest 'web'")


@pytest.mark.parametrize(
    "group",
    [
        "0::/machine.slice/a.scope/libvirt/{part}\n",
        "9:name=systemd:/machine.slice/a.scope\n5:cpu,cpuacct:/machine.slice/a.scope/libvirt/{part}\n0::/x\n",
    ],
)
def test_threads_without_names_are_known_by_their_groups(proc: ProcTree, group: str) -> None:
    """A QEMU that names no threads: libvirt has put vCPUs and I/O threads into groups that tell."""
    proc.qemu(100, A, "web", dict.fromkeys(range(101, 106), "qemu-system-x86"))
    parts = {101: "emulator", 102: "vcpu0", 103: "vcpu1", 104: "iothread1", 105: "emulator"}
    for tid, part in parts.items():
        proc.write(f"proc/100/task/{tid}/cgroup", group.format(part=part))
    source = Reader(proc.root).source
    for _ in range(3):
        reading = source.read(promised(2, 1))
        assert series(reading, cpu.VCPU_TIME).keys() == {("0",), ("1",)}
        assert series(reading, cpu.IOTHREAD_TIME).keys() == {("iothread1",)}
        assert (reading.notes, reading.partial) == ((), False)


@pytest.mark.parametrize(
    ("comm", "iothreads", "label"),
    [
        ("IO iothread1234", (123456,), "iothread123456"),
        ("IO iothread1234", (1234,), "iothread1234"),
        ("IO iothread1234", (1234, 5), "iothread1234"),
        ("IO iothread1234", (123456, 123457), None),
        ("IO iothread1234", (1234, 123457), None),
        ("IO iothread1234", (), None),
        ("IO iothread12", (12,), "iothread12"),
    ],
)
def test_a_name_that_the_kernel_cut_off_is_made_whole_or_left_out(
    proc: ProcTree, comm: str, iothreads: tuple[int, ...], label: str | None
) -> None:
    """The kernel keeps 15 bytes; a label that is the beginning of another thread's name would be a lie."""
    proc.qemu(100, A, "web", {101: comm})
    reading = Reader(proc.root).source.read(promised(0, *iothreads))
    assert series(reading, cpu.IOTHREAD_TIME).keys() == ({(label,)} if label else set())
    assert reading.partial == (label is None or len(iothreads) > 1)


def test_a_thread_without_a_role_is_looked_at_again(proc: ProcTree) -> None:
    """A late name is found some minutes later at the latest."""
    proc.qemu(100, A, "web", {101: "worker"})
    now = [0.0]
    source = Procfs(QemuProcesses(proc.root, count(step=20).__next__), clock=lambda: now[0])
    for _ in range(3):
        assert series(source.read(request(a="web")), cpu.VCPU_TIME) == {}
    proc.thread("proc/100/task/101", 101, "CPU 0/KVM")
    assert series(source.read(request(a="web")), cpu.VCPU_TIME) == {}
    now[0] += SETTLED_SECONDS
    assert series(source.read(request(a="web")), cpu.VCPU_TIME).keys() == {("0",)}


@pytest.mark.parametrize(("ended", "wait"), [(101, LISTED_SECONDS), (102, 0.0)])
def test_a_thread_that_takes_the_place_of_another_is_found(proc: ProcTree, ended: int, wait: float) -> None:
    """Their number stays the same: at once if the other one was read, else when threads are listed again."""
    proc.qemu(100, A, "web", {101: "worker", 102: "CPU 0/KVM"})
    now = [0.0]
    source = Procfs(QemuProcesses(proc.root, count(step=20).__next__), clock=lambda: now[0])
    for _ in range(3):
        source.read(request(a="web"))
    shutil.rmtree(proc.root / f"proc/100/task/{ended}")
    proc.thread("proc/100/task/103", 103, "CPU 1/KVM")
    source.read(request(a="web"))
    now[0] += wait
    assert ("1",) in series(source.read(request(a="web")), cpu.VCPU_TIME)


@given(st.binary(max_size=40), st.sampled_from(["stat", "schedstat", "status"]))
def test_one_bad_thread_among_good_ones_loses_only_itself(bad: bytes, file: str) -> None:
    """Whatever its files hold, the other vCPU is whole."""
    with TemporaryDirectory() as directory:
        tree = ProcTree(Path(directory))
        tree.qemu(100, A, "web", KVM)
        (tree.root / "proc/100/task/101" / file).write_bytes(bad)
        reading = Reader(tree.root).read(a="web")
    assert series(reading, cpu.VCPU_TIME)["1",] == 1.0
    assert series(reading, cpu.VCPU_STATE)["1",] == 1
    assert series(reading, cpu.THREADS) == {(): 1}


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


def test_start_times_stay_over_a_reload_after_the_clock_was_set(proc: ProcTree) -> None:
    """The source of the new configuration has the processes of the old one's."""
    proc.qemu(100, A, "web", starttime=500)
    processes = QemuProcesses(proc.root, count(step=20).__next__)
    before = series(Procfs(processes).read(request(a="web")), guest.START_TIME)
    proc.write("proc/stat", f"btime {BOOT_TIME + 3600}\n")
    assert series(Procfs(processes).read(request(a="web")), guest.START_TIME) == before


def test_a_denied_read_is_the_sources_error(proc: ProcTree) -> None:
    """The page then says why the whole source is missing."""
    proc.end(1)
    with pytest.raises(SourceDeniedError, match="ProtectProc="):
        Reader(proc.root).read(a="web")


STATUS = "Name:\tqemu\\nVmSwap:\t9 kB\nVmSwap:\t      4 kB\nHugetlbPages:\t{0} kB\nThreads:\t1\n"


def test_what_a_process_holds_beyond_its_resident_memory_is_read_once_a_minute(proc: ProcTree) -> None:
    """Reserved huge pages and swap; a name with a line break in it is no line of its own."""
    proc.qemu(100, A, "web")
    status = "proc/100/task/100/status"
    now = [0.0]
    source = Procfs(QemuProcesses(proc.root), clock=lambda: now[0])
    proc.write(status, STATUS.format(2048))
    reading = source.read(request(a="web"))
    assert series(reading, memory.HUGEPAGES) == {(): 2097152}
    assert series(reading, memory.SWAPPED) == {(): 4096}
    proc.write(status, STATUS.format(4096))
    now[0] = BACKING_SECONDS / 2 - 1
    assert series(source.read(request(a="web")), memory.HUGEPAGES) == {(): 2097152}
    now[0] = BACKING_SECONDS
    assert series(source.read(request(a="web")), memory.HUGEPAGES) == {(): 4194304}


def test_promised_huge_pages_that_are_not_there_are_missed(proc: ProcTree) -> None:
    """Until the process has them, also between two looks; the kernel's 0 is shown."""
    proc.qemu(100, A, "web")
    proc.write("proc/100/task/100/status", STATUS.format(0))
    domain = Domain(uuid=A, name="web", memory_backing=MemoryBacking(huge_page_sizes=(0,)))
    asked = Request(guests={A: Guest(domain=domain)}, deadline=0.0, taken_at=0.0)
    source = Procfs(QemuProcesses(proc.root), clock=lambda: 0.0)
    reading = source.read(asked)
    assert series(reading, memory.HUGEPAGES) == {(): 0}
    assert reading.missing == 1
    assert "reserved huge pages not found: those of guest 'web'" in reading.notes
    proc.write("proc/100/task/100/status", STATUS.format(2048))
    assert source.read(asked).missing == 0


def test_qemus_of_guests_that_libvirt_hides_are_counted(proc: ProcTree) -> None:
    """An account that libvirt's access rules keep from a guest sees that guest's QEMU all the same."""
    proc.qemu(50, A, "web", threads=KVM)
    proc.qemu(60, B, "d" * 100, threads=KVM)
    reader = Reader(proc.root)
    assert series(reader.read(a="web"), host.UNLISTED_QEMUS, "") == {(): 0}
    reader.read(a="web")
    reading = reader.read(a="web")
    assert series(reading, host.UNLISTED_QEMUS, "") == {(): 1}
    assert f"the guests of 1 QEMU ('{'d' * 60}' first)" in reading.notes[0]
    assert (reading.partial, reading.missing) == (False, 0)
    unsure = replace(request(a="web"), guests_listed=False)
    assert series(reader.source.read(unsure), host.UNLISTED_QEMUS, "") == {}
