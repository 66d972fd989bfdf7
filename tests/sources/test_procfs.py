"""The procfs source shows what the kernel says of a guest's process and threads, and nothing else."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.catalogue import cpu, guest, memory
from hostcollector.errors import SourceDeniedError, SourceMalformedError
from hostcollector.model import Domain, Guest, Histogram, Metric
from hostcollector.qemu_processes import QemuProcesses
from hostcollector.sources.base import Reading, Request
from hostcollector.sources.procfs import Procfs
from hostcollector.sources.procfs.duties import Duty, Role, role_of
from hostcollector.sources.procfs.scheduling import Placement, Times, placement, times, wait_sum
from tests.fakes.procfs import BOOT_TIME
from tests.fakes.procfs import Procfs as ProcTree

HYBRID = Path(__file__).parent.parent / "fixtures/hosts/hybrid"
A = "6f0c2a0e-5d6e-4c1b-9a60-0a6f0f7d2b11"
B = "0f6f3c1c-07f6-4b2e-8d3f-1d3f0c9d5b22"
KVM = {101: "CPU 0/KVM", 102: "CPU 1/KVM", 103: "IO mon_iothread", 104: "IO iothread1", 105: "worker"}

Series = Mapping[tuple[str, ...], float | Histogram]


class Reader:
    """A source on a host, asked for the guests that a test names; each time it scans anew."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.source = Procfs(QemuProcesses(root, count(step=20).__next__))

    def read(self, **names: str) -> Reading:
        """Read the guests, given by the letters above."""
        uuids = {"a": A, "b": B}
        guests = {uuids[key]: Guest(domain=Domain(uuid=uuids[key], name=name)) for key, name in names.items()}
        return self.source.read(Request(guests=guests, deadline=0.0, taken_at=0.0))


def series(reading: Reading, metric: Metric, uuid: str = A) -> Series:
    """Return the values of one guest's series of a metric by their labels."""
    return {s.labels: s.value for s in reading.samples if s.metric is metric and s.uuid == uuid}


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
    root = {"processes": QemuProcesses(HYBRID), "ticks_per_second": 100, "page_size": 4096}
    guests = {A: Guest(domain=Domain(uuid=A, name="web (blue), 1"))}
    reading = Procfs(**root).read(Request(guests=guests, deadline=0.0, taken_at=0.0))  # type: ignore[arg-type]
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


@pytest.mark.parametrize(
    ("comm", "role"),
    [
        (b"CPU 0/KVM", Role(Duty.VCPU, "0")),
        (b"CPU 127/TCG", Role(Duty.VCPU, "127")),
        (b"CPU 0/KVM x", None),
        (b"ALL CPUs/TCG", None),
        (b"IO iothread1", Role(Duty.IOTHREAD, "iothread1")),
        (b"IO my disk", Role(Duty.IOTHREAD, "my disk")),
        (b"IO mon_iothread", None),
        (b"IO ", None),
        (b"vhost-12", Role(Duty.VHOST, "")),
        (b"vhost-user-x", None),
        (b"qemu-system-x86", None),
        (b"\xff\xfe", None),
    ],
)
def test_names_tell_what_threads_do(comm: bytes, role: Role | None) -> None:
    """As QEMU and the kernel name them."""
    assert role_of(comm) == role


@given(st.binary())
def test_any_name_has_a_role_or_none(comm: bytes) -> None:
    """A label is text whatever the name is."""
    role = role_of(comm)
    assert role is None or isinstance(role.label, str)


@given(
    st.binary()
    | st.lists(st.integers(), min_size=2, max_size=4).map(lambda ns: b" ".join(b"%d" % n for n in ns))
)
def test_any_schedstat_is_times_or_the_typed_error(text: bytes) -> None:
    """Times are never negative."""
    try:
        assert times(text) is None or min(times(text) or Times(0, 0)) >= 0
    except SourceMalformedError as error:
        assert "not a" in str(error)  # noqa: PT017 - both outcomes are right


FIELDS = (b"\nvoluntary_ctxt_switches:", b"\nnonvoluntary_ctxt_switches:", b"\nCpus_allowed_list:")


@given(
    st.lists(st.sampled_from(FIELDS) | st.sampled_from((b"\t12\n", b" 0-3", b"\n")) | st.binary()).map(
        b"".join
    )
)
def test_any_status_is_a_placement_or_the_typed_error(text: bytes) -> None:
    """What is not said is None."""
    try:
        assert placement(text).cpus is not None or FIELDS[2] not in text
    except SourceMalformedError as error:
        assert "not a" in str(error)  # noqa: PT017 - both outcomes are right


def test_a_placement_without_any_field_is_empty() -> None:
    """As on a kernel without control of CPUs."""
    assert placement(b"Name:\tx\n") == Placement(None, None, None)


@given(st.binary() | st.from_regex(rb"wait_sum *: *[0-9]{1,30}\.[0-9]{0,7}\n"))
def test_any_sched_file_is_a_time_or_nothing(text: bytes) -> None:
    """A line in another form is no time."""
    try:
        assert wait_sum(text) is None or (wait_sum(text) or 0.0) >= 0
    except SourceMalformedError as error:
        assert "not a" in str(error)  # noqa: PT017 - both outcomes are right


# A process with a vCPU's thread that works, sleeps twenty times, and then tells what it used.
WORKING = """
import ctypes, json, os, resource, sys, threading, time
libc = ctypes.CDLL(None)
def vcpu():
    libc.prctl(15, b"CPU 0/KVM", 0, 0, 0)
    os.sched_setaffinity(threading.get_native_id(), {min(os.sched_getaffinity(0))})
    while time.thread_time() < 0.3:
        pass
    for _ in range(20):
        time.sleep(0.001)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    account = {"vcpu": time.thread_time(), "process": usage.ru_utime + usage.ru_stime}
    print(json.dumps(account), flush=True)
    time.sleep(60)
threading.Thread(target=vcpu, daemon=True).start()
sys.stdin.read()
"""


@contextmanager
def working(name: str) -> Iterator[dict[str, float]]:
    """Run a real process that is a guest's by its command line; give its own account."""
    arguments = ["-c", WORKING, "-name", f"guest={name}", "-uuid", A]
    child = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())
    finally:
        child.communicate()


def test_a_real_thread_that_worked_is_shown_as_it_worked() -> None:
    """CPU time, switches, and the processor that it was bound to, as the thread itself counted them."""
    with working("real") as account:
        reading = Reader().read(a="real")
    bound_to = str(min(os.sched_getaffinity(0)))
    assert reading.notes == ()
    assert series(reading, cpu.VCPU_TIME)["0",] == pytest.approx(account["vcpu"], abs=0.01)
    assert series(reading, cpu.DOMAIN_CPU_TIME)[()] == pytest.approx(account["process"], abs=0.05)
    assert series(reading, cpu.VCPU_AFFINITY) == {("0", bound_to): 1}
    assert series(reading, cpu.VCPU_PHYSICAL_CPU) == {("0",): float(bound_to)}
    switches = series(reading, cpu.VCPU_CONTEXT_SWITCHES)["0", "voluntary"]
    assert isinstance(switches, int)
    assert 20 <= switches < 200
    assert series(reading, cpu.THREADS) == {(): 2}


def test_a_real_process_that_started_now_started_now() -> None:
    """The start time counts from the machine's boot."""
    before = time.time()
    with working("real"):
        after = time.time()
        started = series(Reader().read(a="real"), guest.START_TIME)[()]
    assert isinstance(started, float)
    # The kernel gives the time of boot in whole seconds.
    assert before - 1.1 <= started <= after + 1.1


# A /proc that hides everybody else's processes, and an account that is not root; all imports come before.
HIDDEN = f"""
import os, subprocess
from hostcollector.errors import SourceDeniedError
from hostcollector.model import Domain, Guest
from hostcollector.qemu_processes import QemuProcesses
subprocess.run(["mount", "-t", "proc", "-o", "hidepid=HIDEPID", "proc", "/proc"], check=True)
os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
try:
    print(QemuProcesses().find({{"{A}": Guest(domain=Domain(uuid="{A}", name="real"))}}))
except SourceDeniedError as error:
    print("denied:", error)
"""


@pytest.mark.lab
@pytest.mark.parametrize("hidepid", ["1", "2"])
def test_a_real_proc_that_hides_processes_is_said_with_the_cure(hidepid: str) -> None:
    """Both ways to hide them look alike: nothing is found and process 1 cannot be read."""
    command = ["unshare", "--mount", sys.executable, "-c", HIDDEN.replace("HIDEPID", hidepid)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("denied: /proc hides the processes of other users")


def test_a_denied_read_is_the_sources_error(proc: ProcTree) -> None:
    """The page then says why the whole source is missing."""
    proc.end(1)
    with pytest.raises(SourceDeniedError, match="ProtectProc="):
        Reader(proc.root).read(a="web")
