"""Real processes of this machine are found, or not, by what their command lines say."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from hostcollector.guests.processes import Found, QemuProcesses
from tests.fakes.guests import OURS, guests
from tests.lab.process import until

pytestmark = pytest.mark.native

BASH = Path("/bin/bash")


def pids(found: Found) -> dict[str, int]:
    """Return the PIDs by UUID."""
    return {uuid: process.pid for uuid, process in found.processes.items()}


@contextmanager
def running_as(name: str, program: Path = BASH) -> Iterator[int]:
    """Run a real process with the command line of our guest; give its PID."""
    arguments = ["-c", "read -r _", "-name", f"guest={name},debug-threads=on", "-uuid", OURS]
    child = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE)
    try:
        # exec(2) closes the pipe that Popen waits for a moment before the new command line can be read.
        until(
            lambda: Path(f"/proc/{child.pid}/cmdline").read_bytes().count(b"\0") == 7, 30, "the command line"
        )
        yield child.pid
    finally:
        child.communicate()


def test_a_real_process_is_found_whatever_it_is_called() -> None:
    """On this machine, among all that runs here, without being root."""
    with running_as("real") as pid:
        assert pids(QemuProcesses().find(guests(ours="real"))) == {OURS: pid}


def test_a_real_process_that_starts_later_is_found_by_its_name(tmp_path: Path) -> None:
    """A scan sees what is new; one that is called like QEMU needs no search. What ended is gone."""
    program = tmp_path / "qemu-system-x86_64"
    program.symlink_to(BASH)
    processes = QemuProcesses(clock=count().__next__)  # scans each time, searches once
    assert pids(processes.find(guests(ours="real"))) == {}
    with running_as("real", program) as pid:
        found = processes.find(guests(ours="real"))
        assert pids(found) == {OURS: pid}
        assert processes.is_running(found.processes[OURS])
    assert not processes.is_running(found.processes[OURS])
    assert pids(processes.find(guests(ours="real"))) == {}


def test_of_two_real_processes_neither_is_taken() -> None:
    """Until only one is left."""
    with running_as("real") as pid:
        with running_as("real"):
            assert pids(QemuProcesses().find(guests(ours="real"))) == {}
        assert pids(QemuProcesses().find(guests(ours="real"))) == {OURS: pid}
