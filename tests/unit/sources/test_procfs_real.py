"""The procfs source shows real processes of this machine as they count themselves."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hostcollector.base.source import Reading
from hostcollector.catalogue import cpu, guest
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.kernel.files import names
from hostcollector.sources.procfs import Procfs
from tests.fakes.guests import OURS, request, series

# A process with a vCPU's thread that works, sleeps twenty times, and then prints what it used.
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


def read() -> Reading:
    """Read the guest a, named "real"."""
    return Procfs(QemuProcesses()).read(request(ours="real"))


@contextmanager
def working(name: str) -> Iterator[dict[str, float]]:
    """Run a real process that is a guest's by its command line; give its own account."""
    arguments = ["-c", WORKING, "-name", f"guest={name}", "-uuid", OURS]
    child = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())
    finally:
        child.communicate()


@pytest.mark.native
def test_a_real_thread_that_worked_is_shown_as_it_worked() -> None:
    """CPU time, switches, and the processor that it was bound to, as the thread itself counted them."""
    with working("real") as account:
        reading = read()
    bound_to = str(min(os.sched_getaffinity(0)))
    assert reading.notes == ()
    assert series(reading, cpu.VCPU_TIME, OURS)["0",] == pytest.approx(account["vcpu"], abs=0.01)
    assert series(reading, cpu.DOMAIN_CPU_TIME, OURS)[()] == pytest.approx(account["process"], abs=0.05)
    assert series(reading, cpu.VCPU_AFFINITY, OURS) == {("0", bound_to): 1}
    assert series(reading, cpu.VCPU_PHYSICAL_CPU, OURS) == {("0",): float(bound_to)}
    switches = series(reading, cpu.VCPU_CONTEXT_SWITCHES, OURS)["0", "voluntary"]
    assert isinstance(switches, int)
    assert 20 <= switches < 200
    assert series(reading, cpu.THREADS, OURS) == {(): 2}


def test_a_real_process_that_started_now_started_now() -> None:
    """The start time counts from the machine's boot."""
    before = time.time()
    with working("real"):
        after = time.time()
        started = series(read(), guest.START_TIME, OURS)[()]
    assert isinstance(started, float)
    # The kernel gives the time of boot in whole seconds.
    assert before - 1.1 <= started <= after + 1.1


# A /proc that hides other accounts' processes, and an account that is not root; all imports come before.
HIDDEN = f"""
import os, subprocess
from hostcollector.base.errors import SourceDeniedError
from hostcollector.base.definition import Domain
from hostcollector.base.model import Guest
from hostcollector.guests.processes import QemuProcesses
subprocess.run(["mount", "-t", "proc", "-o", "hidepid=HIDEPID", "proc", "/proc"], check=True)
os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
try:
    print(QemuProcesses().find({{"{OURS}": Guest(domain=Domain(uuid="{OURS}", name="real"))}}))
except SourceDeniedError as error:
    print("denied:", error)
"""


@pytest.mark.lab
@pytest.mark.parametrize("hidepid", ["1", "2"])
def test_a_real_proc_that_hides_processes_is_said_with_the_fix(hidepid: str) -> None:
    """Both ways to hide them look alike: nothing is found and process 1 cannot be read."""
    command = ["unshare", "--mount", sys.executable, "-c", HIDDEN.replace("HIDEPID", hidepid)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("denied: /proc hides the processes of other users")


def test_a_closed_source_holds_no_file() -> None:
    """Files stay open from one reading to the next, and no longer than the source."""
    before = len(names("/proc/self/fd"))
    with working("real"):
        source = Procfs(QemuProcesses())
        first = series(source.read(request(ours="real")), cpu.VCPU_TIME, OURS)
        held = len(names("/proc/self/fd"))
        assert (
            series(source.read(request(ours="real")), cpu.VCPU_TIME, OURS).keys() == first.keys() == {("0",)}
        )
        assert len(names("/proc/self/fd")) == held > before
        source.close()
    assert len(names("/proc/self/fd")) <= before


def test_a_process_that_ends_between_readings_is_gone() -> None:
    """Though its files are still open: there is no series of it."""
    source = Procfs(QemuProcesses())
    with working("real"):
        assert series(source.read(request(ours="real")), cpu.VCPU_TIME, OURS)
    assert not [sample for sample in source.read(request(ours="real")).samples if sample.uuid]
    source.close()
