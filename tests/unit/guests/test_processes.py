"""Guests' QEMU processes are found by their command lines, and taken for no other guest's."""

import errno
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Thread

import pytest

from hostcollector.base.errors import SourceDeniedError, SourceUnavailableError
from hostcollector.base.model import Guest
from hostcollector.guests.domain_xml import parse
from hostcollector.guests.processes import UNLISTED_AFTER_SECONDS, Found, QemuProcess, QemuProcesses
from hostcollector.protocols.kernel.files import read
from tests.fakes.clock import Clock
from tests.fakes.guests import A, B, guests
from tests.fakes.procfs import Procfs


@pytest.fixture
def proc(tmp_path: Path) -> Procfs:
    """Give a host on which nothing but process 1 runs."""
    return Procfs(tmp_path)


@pytest.fixture
def clock() -> Clock:
    """Give a clock that does not move."""
    return Clock()


@pytest.fixture
def processes(proc: Procfs, clock: Clock) -> QemuProcesses:
    """Give the finder on that host."""
    return QemuProcesses(proc.root, clock)


def pids(found: Found) -> dict[str, int]:
    """Return the PIDs by UUID."""
    return {uuid: process.pid for uuid, process in found.processes.items()}


def test_each_guest_gets_its_process(proc: Procfs, processes: QemuProcesses) -> None:
    """The UUID and the name, with its commas doubled as QEMU wants it, are both in the command line."""
    proc.qemu(50, A, "web (blue), 1", starttime=77)
    proc.qemu(60, B, "db")
    proc.process(70, "bash", ["bash"])
    found = processes.find(guests(a="web (blue), 1", b="db"))
    assert pids(found) == {A: 50, B: 60}
    assert found.processes[A] == QemuProcess(uuid=A, pid=50, start_ticks=77)
    assert found.notes == ()


def test_the_last_answer_is_kept(proc: Procfs, processes: QemuProcesses) -> None:
    """There is none before the first look, and reading it looks at nothing."""
    proc.qemu(50, A, "web")
    assert processes.last == {}
    found = processes.find(guests(a="web"))
    assert processes.last == found.processes != {}


@pytest.mark.parametrize("name", ["trail ", "\N{NO-BREAK SPACE}nbsp", "em\N{EM QUAD}", " ", "a\tb"])
def test_blanks_belong_to_a_guests_name(proc: Procfs, processes: QemuProcesses, name: str) -> None:
    """The definition and the command line have the name as it is; without its blanks it is another one."""
    xml = f"<domain><name>{name}</name><uuid>{A}</uuid></domain>"
    proc.qemu(50, A, name)
    assert pids(processes.find({A: Guest(domain=parse(xml))})) == {A: 50}
    assert pids(QemuProcesses(proc.root).find(guests(a=name + " "))) == {}


def test_a_guest_without_a_process_is_named(proc: Procfs, processes: QemuProcesses) -> None:
    """The others are found; many that are missing are one note."""
    found = processes.find(guests(a="web", b="db"))
    assert found.notes == ("2 guests without a QEMU process that can be seen ('web' first)",)
    proc.qemu(50, A, "web")
    found = QemuProcesses(proc.root).find(guests(a="web", b="db"))
    assert pids(found) == {A: 50}
    assert found.notes == ("1 guest without a QEMU process that can be seen ('db' first)",)


def test_a_guest_that_starts_later_is_found_by_the_next_scan(
    proc: Procfs, processes: QemuProcesses, clock: Clock
) -> None:
    """And one that ended is gone from it."""
    proc.qemu(50, A, "web")
    assert pids(processes.find(guests(a="web"))) == {A: 50}
    proc.qemu(60, B, "db")
    proc.end(50)
    clock.now += 1
    assert pids(processes.find(guests(a="web", b="db"))) == {B: 60}


def test_the_sources_of_a_collection_get_one_answer(proc: Procfs, processes: QemuProcesses) -> None:
    """A guest that is started again between the two has the QEMU that the first one saw, or none."""
    known = guests(a="web")
    proc.qemu(50, A, "web")
    first = processes.find(known, 7.0)
    proc.end(50)
    proc.qemu(60, A, "web")
    assert processes.find(known, 7.0) is first
    assert pids(first) == {A: 50}
    assert pids(processes.find(known, 8.0)) == {A: 60}
    assert pids(processes.find(guests(a="web"), 8.0)) == {A: 60}


def test_command_lines_of_known_processes_are_not_read_again(
    proc: Procfs, processes: QemuProcesses, clock: Clock
) -> None:
    """After the second look at a new process its command line may as well not be there."""
    proc.qemu(50, A, "web")
    for _ in range(2):
        assert pids(processes.find(guests(a="web"))) == {A: 50}
        clock.now += 1
    (proc.root / "proc/50/cmdline").unlink()
    for _ in range(3):
        assert pids(processes.find(guests(a="web"))) == {A: 50}
        clock.now += 60


def test_a_process_met_between_fork_and_exec_is_found(
    proc: Procfs, processes: QemuProcesses, clock: Clock
) -> None:
    """It had libvirtd's name and command line when it was first seen."""
    proc.qemu(60, B, "db")
    proc.process(50, "libvirtd", ["libvirtd"])
    assert pids(processes.find(guests(b="db"))) == {B: 60}
    proc.qemu(50, A, "web")
    clock.now += 1
    assert pids(processes.find(guests(a="web", b="db"))) == {A: 50, B: 60}


def test_all_processes_are_searched_only_every_ten_seconds(
    proc: Procfs, processes: QemuProcesses, clock: Clock
) -> None:
    """A process with a name unlike QEMU's is found by a search, which a missing guest starts."""
    proc.process(50, "emulator", ["sh"])
    for _ in range(2):
        assert pids(processes.find(guests(a="web"))) == {}
        clock.now += 1
    proc.qemu(50, A, "web", comm="emulator")
    clock.now += 5
    assert pids(processes.find(guests(a="web"))) == {}
    clock.now += 5
    assert pids(processes.find(guests(a="web"))) == {A: 50}


def test_a_pid_that_became_anothers_is_looked_at_again(
    proc: Procfs, processes: QemuProcesses, clock: Clock
) -> None:
    """Who reads the process finds a later start time and says so; the number may be any guest's by now."""
    proc.qemu(50, A, "web", starttime=10)
    before = processes.find(guests(a="web", b="db")).processes[A]
    assert processes.is_running(before)
    proc.end(50)
    proc.qemu(50, B, "db", starttime=20)
    assert not processes.is_running(before)
    processes.forget(before)
    clock.now += 1
    found = processes.find(guests(a="web", b="db"))
    assert pids(found) == {B: 50}
    processes.forget(before)
    assert pids(processes.find(guests(b="db"))) == {B: 50}


def test_a_zombie_does_not_run(proc: Procfs, processes: QemuProcesses) -> None:
    """Its figures would be those of a guest that is gone."""
    proc.qemu(50, A, "web", starttime=10)
    process = processes.find(guests(a="web")).processes[A]
    proc.process(50, "qemu-system-x86", state="Z", starttime=10)
    assert not processes.is_running(process)


def test_of_two_that_claim_a_guest_neither_is_read(proc: Procfs, processes: QemuProcesses) -> None:
    """A copy of a command line would otherwise give one tenant figures that are not his."""
    proc.qemu(50, A, "web")
    proc.qemu(51, A, "web")
    found = processes.find(guests(a="web"))
    assert pids(found) == {}
    assert found.notes == ("none of the processes 50, 51 is provably the QEMU of guest 'web'",)


def test_libvirts_pid_file_proves_which_one_it_is(proc: Procfs, processes: QemuProcesses) -> None:
    """Only root can have written it."""
    proc.qemu(50, A, "web")
    proc.qemu(51, A, "web")
    proc.write("run/libvirt/qemu/web.pid", "51\n")
    assert pids(processes.find(guests(a="web"))) == {A: 51}


@pytest.mark.parametrize("name", ["../web", "a\0b"])
def test_a_name_is_no_way_out_of_the_pid_files(proc: Procfs, name: str) -> None:
    """Names that libvirt does not allow prove nothing."""
    proc.qemu(50, A, name.replace("\0", ""))
    proc.qemu(51, A, name.replace("\0", ""))
    proc.write("run/libvirt/web.pid", "51\n")
    assert pids(QemuProcesses(proc.root).find(guests(a=name))) == {}


def test_a_process_that_only_mentions_the_uuid_is_not_the_guest(
    proc: Procfs, processes: QemuProcesses
) -> None:
    """Such as the search of an engineer who looks for it."""
    proc.process(50, "pgrep", ["pgrep", "-f", "--", "-uuid", A])
    proc.process(51, "grep", ["grep", "-uuid", A, "-name", "other"])
    found = processes.find(guests(a="web"))
    assert pids(found) == {}
    proc.qemu(60, A, "web")
    assert pids(QemuProcesses(proc.root).find(guests(a="web"))) == {A: 60}


def test_qemus_clone_for_its_teardown_is_not_the_guest(proc: Procfs, processes: QemuProcesses) -> None:
    """It has the same command line and is known by its name."""
    proc.qemu(50, A, "web")
    proc.qemu(51, A, "web", comm="cleanup/50")
    assert pids(processes.find(guests(a="web"))) == {A: 50}


def test_vhost_threads_of_the_kernel_are_found_by_their_owner(
    proc: Procfs, processes: QemuProcesses, clock: Clock
) -> None:
    """Before Linux 6.4 they are outside the process; a program of the same name is none."""
    proc.qemu(50, A, "web")
    proc.kernel_thread(52, "vhost-50")
    proc.kernel_thread(51, "vhost-50")
    proc.process(53, "vhost-50", ["vhost-50"])
    proc.kernel_thread(54, "vhost-x")
    assert processes.find(guests(a="web")).vhost_threads == {50: (51, 52)}
    proc.end(51)
    clock.now += 1
    assert processes.find(guests(a="web")).vhost_threads == {50: (52,)}


def test_a_proc_that_hides_other_accounts_processes_is_said_with_the_fix(proc: Procfs) -> None:
    """With hidepid there is nothing to find, which must not look like guests without a process."""
    proc.end(1)
    with pytest.raises(SourceDeniedError, match="hidepid"):
        QemuProcesses(proc.root).find(guests(a="web"))


def test_without_guests_nothing_is_missing(proc: Procfs) -> None:
    """Also where /proc hides everything."""
    proc.end(1)
    assert QemuProcesses(proc.root).find({}).notes == ()


def test_without_proc_the_error_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """A wrong root is distinguished from an empty host."""
    with pytest.raises(SourceUnavailableError, match=f"{tmp_path}/proc"):
        QemuProcesses(tmp_path).find(guests(a="web"))


@pytest.mark.parametrize("file", ["stat", "cmdline"])
def test_a_lack_of_descriptors_says_nothing_about_processes(
    proc: Procfs, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """What cannot be opened has not ended, and is found as soon as it can be."""
    proc.qemu(50, A, "web")
    processes = QemuProcesses(proc.root)
    with monkeypatch.context() as patch:
        patch.setattr("hostcollector.guests.processes.read", _refusing(f"50/{file}"))
        with pytest.raises(SourceUnavailableError, match="Too many open files"):
            processes.find(guests(a="web"))
    process = processes.find(guests(a="web")).processes[A]
    assert processes.is_running(process)
    monkeypatch.setattr("hostcollector.guests.processes.read", _refusing("50/stat"))
    with pytest.raises(SourceUnavailableError, match="Too many open files"):
        processes.is_running(process)


def _refusing(ending: str) -> Callable[[str], bytes]:
    """Return what reads files as long as there is a descriptor, which there is not for one of them."""

    def refuse(path: str) -> bytes:
        if path.endswith(ending):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
        return read(path)

    return refuse


def test_unreadable_processes_are_passed_over(proc: Procfs, processes: QemuProcesses) -> None:
    """One that vanished after the listing, and one whose line is not the kernel's."""
    (proc.root / "proc/49").mkdir()
    proc.write("proc/48/stat", "nonsense\n")
    proc.write("proc/self/stat", "")
    proc.qemu(50, A, "web")
    (proc.root / "proc/50/task").rename(proc.root / "proc/task")
    assert pids(processes.find(guests(a="web"))) == {A: 50}


def test_two_threads_may_ask_at_once(proc: Procfs) -> None:
    """The sources that read processes do so in threads of their own."""
    for pid in range(50, 90):
        proc.kernel_thread(pid + 100, f"vhost-{pid}")
    proc.qemu(50, A, "web")
    processes = QemuProcesses(proc.root, count().__next__)  # each asks for a scan of its own
    answers: list[Found] = []

    def ask() -> None:
        answers.extend(processes.find(guests(a="web")) for _ in range(20))

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 80
    assert all(pids(found) == {A: 50} and len(found.vhost_threads) == 40 for found in answers)


def test_a_qemu_whose_guest_is_not_listed_is_named_after_half_a_minute(
    proc: Procfs, processes: QemuProcesses, clock: Clock
) -> None:
    """A guest that starts is listed within moments; one that stays away is hidden, until it is listed."""
    proc.qemu(50, A, "web")
    proc.qemu(60, B, "db")
    assert processes.find(guests(a="web")).unlisted == ()
    clock.now += UNLISTED_AFTER_SECONDS
    assert processes.find(guests(a="web")).unlisted == ("db",)
    assert processes.find(guests(a="web", b="db")).unlisted == ()
    assert processes.find(guests(a="web")).unlisted == ()
