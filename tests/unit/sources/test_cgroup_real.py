"""The cgroup source shows a real group of this machine as the process in it counts itself."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hostcollector.catalogue import cgroup
from hostcollector.guests.processes import QemuProcesses
from hostcollector.sources.cgroup import Cgroup
from hostcollector.sources.cgroup.groups import mounts_of
from tests.fakes.guests import OURS, request, series

# Waits until it is in its group, works, and prints what it used from then on.
WORKING = """
import json, sys, time
sys.stdin.readline()
before = time.process_time()
while time.process_time() - before < 0.15:
    pass
print(json.dumps(time.process_time() - before), flush=True)
sys.stdin.read()
"""


def real_groups() -> list[Path]:
    """Return where the kernel here counts CPU time and where it sets quotas, which may be one place."""
    mounts = mounts_of(Path("/proc/self/mountinfo").read_bytes())
    return [Path(mounts[name].point) for name in ("", "cpu") if name in mounts]


@contextmanager
def working_in_a_group(name: str, quota: int) -> Iterator[float]:
    """Run a real process as a guest's first vCPU in a group as libvirt makes it; give the seconds it used."""
    parts = [mount / f"qemu-{os.getpid()}-{name}.libvirt-qemu/vcpu0" for mount in real_groups()]
    command = [sys.executable, "-c", WORKING, "-name", f"guest={name}", "-uuid", OURS]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        for part in parts:
            make_part(part, quota)
            (part / "cgroup.procs").write_text(str(child.pid))
        child.stdin.write("\n")
        child.stdin.flush()
        yield json.loads(child.stdout.readline())
    finally:
        child.communicate()
        for part in parts:
            part.rmdir()
            part.parent.rmdir()


def make_part(part: Path, quota: int) -> None:
    """Make a group for the vCPU, with the microseconds in each tenth of a second that it may run."""
    part.parent.mkdir()
    controllers = part.parent / "cgroup.controllers"
    if controllers.exists() and "cpu" in (part.parent.parent / "cgroup.controllers").read_text().split():
        for directory in (part.parent.parent, part.parent):
            (directory / "cgroup.subtree_control").write_text("+cpu")
    part.mkdir()
    for file, content in (("cpu.max", f"{quota} 100000"), ("cpu.cfs_quota_us", str(quota))):
        if (part / file).exists():
            (part / file).write_text(content)


@pytest.mark.lab
def test_a_real_group_is_shown_as_the_kernel_counted_it() -> None:
    """CPU time as the process used it, and the periods and the time for which its quota held it up."""
    with working_in_a_group("grouped", quota=15_000) as used:
        reading = Cgroup(QemuProcesses()).read(request(ours="grouped"))
    assert reading.notes == ()
    assert series(reading, cgroup.CPU_USAGE, OURS)[()] == pytest.approx(used, abs=0.05)
    periods = series(reading, cgroup.CPU_PERIODS, OURS)["vcpu0",]
    throttled = series(reading, cgroup.CPU_THROTTLED_PERIODS, OURS)["vcpu0",]
    seconds = series(reading, cgroup.CPU_THROTTLED, OURS)["vcpu0",]
    assert isinstance(periods, int)
    assert isinstance(throttled, int)
    assert isinstance(seconds, float)
    assert 1 <= throttled <= periods
    assert 0 < seconds <= throttled * 0.1
    assert series(reading, cgroup.PRESSURE_CPU_WAITING, OURS).keys() == {()}
