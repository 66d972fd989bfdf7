"""A QEMU that does not run is recognised by its main thread's state in /proc."""

from pathlib import Path

import pytest

from hostcollector.guests.halts import Halts
from hostcollector.guests.processes import QemuProcess
from tests.fakes.clock import Clock
from tests.fakes.procfs import Procfs

UUID = "6f0c2a0e-5d6e-4c1b-9a60-0a6f0f7d2b11"
PID = 77


@pytest.fixture
def procfs(tmp_path: Path) -> Procfs:
    """Give a /proc."""
    return Procfs(tmp_path)


@pytest.fixture
def clock() -> Clock:
    """Give a clock that the test moves."""
    return Clock()


@pytest.fixture
def halts(procfs: Procfs, clock: Clock) -> Halts:
    """Give what looks below that /proc."""
    return Halts(procfs.root, clock)


def _process(start_ticks: int = 1000, pid: int = PID) -> dict[str, QemuProcess]:
    return {UUID: QemuProcess(uuid=UUID, pid=pid, start_ticks=start_ticks)}


@pytest.mark.parametrize("comm", ["qemu-system-x86", "a) S (b", "", "T", ") D"])
@pytest.mark.parametrize(
    ("state", "halted"), [(state, state in "TtD") for state in ("R", "S", "D", "T", "t", "Z", "X", "I", "P")]
)
def test_the_state_is_read_whatever_the_process_is_called(
    comm: str, state: str, *, halted: bool, procfs: Procfs, halts: Halts
) -> None:
    """Stopped, traced and in uninterruptible sleep are halted, and nothing else is."""
    procfs.qemu(PID, UUID, "vm", comm=comm, state=state)
    assert (UUID in halts.look(_process(), [UUID])) is halted


@pytest.mark.parametrize("content", [None, "", "77", "77 (qemu", "77 (qemu)", "77 (qemu) "])
def test_a_file_that_is_gone_or_cut_says_nothing(content: str | None, procfs: Procfs, halts: Halts) -> None:
    """A QEMU is only left alone when the kernel says that it is halted."""
    if content is not None:
        procfs.write(f"proc/{PID}/task/{PID}/stat", content)
    assert halts.look(_process(), [UUID]) == frozenset()


def test_a_guest_without_a_known_process_is_not_halted(halts: Halts) -> None:
    """Only libvirt can say more of it."""
    assert halts.look({}, [UUID]) == frozenset()


def test_the_time_runs_from_the_first_look_to_the_last(halts: Halts, clock: Clock) -> None:
    """It begins anew with each halt, and with each QEMU."""
    assert halts.remember(_process(), [UUID]) == {UUID: 0.0}
    clock.now += 30
    assert halts.remembers(_process(), [UUID])
    assert halts.remember(_process(), [UUID]) == {UUID: 30.0}
    halts.remember({}, ())
    assert not halts.remembers(_process(), [UUID])
    clock.now += 30
    assert halts.remember(_process(), [UUID]) == {UUID: 0.0}
    clock.now += 30
    assert halts.remember(_process(start_ticks=2000), [UUID]) == {UUID: 0.0}


@pytest.mark.parametrize("content", ["", "Name:\tqemu\n", None])
def test_a_main_thread_that_wakes_is_alive(content: str | None, procfs: Procfs, halts: Halts) -> None:
    """One that has not waked since the last look may hang or be idle; what the kernel hides says nothing."""
    procfs.qemu(PID, UUID, "web")
    status = procfs.root / f"proc/{PID}/task/{PID}/status"
    asleep = status.read_text()
    assert not halts.alive(_process(), [UUID])
    halts.take_pulses(_process(), [UUID])
    assert not halts.alive(_process(), [UUID])
    status.write_text(asleep.replace("voluntary_ctxt_switches:\t7", "voluntary_ctxt_switches:\t8"))
    assert halts.alive(_process(), [UUID]) == {UUID}
    assert not halts.alive(_process(start_ticks=2000), [UUID])
    if content is None:
        status.unlink()
    else:
        status.write_text(content)
    assert not halts.alive(_process(), [UUID])
