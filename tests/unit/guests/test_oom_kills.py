"""A kill is known by the counter of the group above the guests, or by that of the host."""

from pathlib import Path

import pytest

from hostcollector.guests.oom_kills import CLAIMED_WITHIN_SECONDS, OomKills
from tests.fakes.clock import Clock

EVENTS = "low 0\nhigh 0\nmax 7\noom 2\noom_kill {}\noom_group_kill 0\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a root with machine.slice, in which two kills were counted, and a host with nine."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "machine.slice").mkdir()
    _vmstat(tmp_path, 9)
    _slice(tmp_path, 2)
    return tmp_path


@pytest.fixture
def clock() -> Clock:
    """Give the time."""
    return Clock()


@pytest.fixture
def kills(root: Path, clock: Clock) -> OomKills:
    """Give the counts; guest `a` is in machine.slice, guest `b` in no group."""
    kills = OomKills(root, clock)
    kills.watch({"a": str(root / "machine.slice/machine-qemu-1-a.scope")})
    kills.note({"a", "b"})
    return kills


def _vmstat(root: Path, count: int) -> None:
    (root / "proc/vmstat").write_text(f"oom_kill_disable 1\noom_kill {count}\n")


def _slice(root: Path, count: int) -> None:
    (root / "machine.slice/memory.events").write_text(EVENTS.format(count))


def test_kills_from_before_the_first_look_explain_nothing(kills: OomKills) -> None:
    """The counters are those of the boot."""
    assert not kills.claim("a")
    assert not kills.claim("b")


def test_a_kill_in_the_slice_explains_an_end_in_the_slice(kills: OomKills, root: Path) -> None:
    """One kill explains one end."""
    _slice(root, 3)
    assert kills.claim("a")
    assert not kills.claim("a")


def test_a_kill_elsewhere_on_the_host_is_no_kill_of_a_guest_in_the_slice(kills: OomKills, root: Path) -> None:
    """It explains the end of a guest that is in no group of its own."""
    _vmstat(root, 10)
    assert not kills.claim("a")
    assert kills.claim("b")


def test_a_kill_is_known_from_the_last_look_on(kills: OomKills, root: Path, clock: Clock) -> None:
    """QEMU may end some seconds after a collection saw the kill; after a minute it is another's kill."""
    _slice(root, 4)
    kills.note({"a"})
    clock.now += CLAIMED_WITHIN_SECONDS - 1
    assert kills.claim("a")
    clock.now += 2
    assert not kills.claim("a")


@pytest.mark.parametrize("content", ["", "oom_kill\n", "oom_kill many\n", "oom 3\n"])
def test_a_counter_that_cannot_be_read_explains_nothing(kills: OomKills, root: Path, content: str) -> None:
    """And when it can be read again, it counts from there."""
    (root / "machine.slice/memory.events").write_text(content)
    assert not kills.claim("a")
    _slice(root, 50)
    assert not kills.claim("a")


def test_a_slice_without_the_counter_leaves_that_of_the_host(root: Path) -> None:
    """The memory controller may be off for the slice."""
    (root / "machine.slice/memory.events").unlink()
    kills = OomKills(root)
    kills.watch({"a": str(root / "machine.slice/machine-qemu-1-a.scope")})
    kills.note({"a"})
    _vmstat(root, 10)
    assert kills.claim("a")
