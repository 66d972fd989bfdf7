"""A libvirt of another host is refused, whatever leads to it; one that cannot be recognised is taken."""

from pathlib import Path
from typing import Any

import libvirt
import pytest

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.protocols.libvirt.connection import Link, Slot
from hostcollector.protocols.libvirt.this_host import ensure_this_host
from tests.fakes.libvirt import FakeConnection, FakeLibvirt

# user, nice, system, idle, iowait, irq, softirq, steal, in clock ticks of 10 ms
STAT = "cpu  1000 200 300 90000 77 40 5 9 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n"
HERE = {"user": 1200, "kernel": 345, "idle": 90000, "iowait": 77}


class _Node:
    """The host of a connection: answers with its CPU times, in clock ticks, or with libvirt's error."""

    def __init__(self, ticks: dict[str, int] | None) -> None:
        self.asked = 0
        self._ticks = ticks

    def getCPUStats(self, _number: int) -> dict[str, int]:  # noqa: N802 - libvirt's name
        self.asked += 1
        if self._ticks is None:
            raise libvirt.libvirtError("this function is not supported by the connection driver")
        return {key: count * 10**7 for key, count in self._ticks.items()}


@pytest.fixture
def proc_stat(tmp_path: Path) -> Path:
    """Give this host's /proc/stat."""
    path = tmp_path / "stat"
    path.write_text(STAT)
    return path


@pytest.mark.parametrize("iowait", [77, 5])
def test_the_same_cpu_times_are_this_hosts(proc_stat: Path, iowait: int) -> None:
    """One question is enough; the time of waiting for I/O does not count, since it may go back."""
    node = _Node(HERE | {"iowait": iowait})
    ensure_this_host(node, proc_stat)
    assert node.asked == 1


@pytest.mark.parametrize("key", ["user", "kernel", "idle"])
@pytest.mark.parametrize("away", [-250, 250])
def test_another_hosts_libvirt_is_refused_with_the_fix(proc_stat: Path, key: str, away: int) -> None:
    """Already one time that cannot be this host's is enough."""
    with pytest.raises(SourceUnavailableError, match=r"another host.*Set libvirt\.uri to "):
        ensure_this_host(_Node(HERE | {key: HERE[key] + away}), proc_stat)


@pytest.mark.parametrize(
    ("ticks", "stat"),
    [
        (None, STAT),
        ({}, STAT),
        ({"user": 1}, STAT),
        ({"user": 1, "kernel": 1, "idle": 1}, ""),
        ({"user": 1, "kernel": 1, "idle": 1}, "cpu 1 2 3\n"),
        ({"user": 1, "kernel": 1, "idle": 1}, "cpu a b c d e f g\n"),
        ({"user": 1, "kernel": 1, "idle": 1}, "intr 1 2 3 4 5 6 7\n"),
    ],
)
def test_what_cannot_be_compared_is_not_refused(
    ticks: dict[str, int] | None, stat: str, proc_stat: Path
) -> None:
    """Such as a driver without CPU times, or a sandbox without /proc/stat."""
    proc_stat.write_text(stat)
    node = _Node(ticks)
    ensure_this_host(node, proc_stat)
    ensure_this_host(node, proc_stat.with_name("missing"))
    assert node.asked == 2


class _Remote(FakeConnection):
    """A connection to another host."""

    closed = 0

    def getCPUStats(self, number: int) -> dict[str, int]:  # noqa: N802 - libvirt's name
        return _Node(HERE | {"user": 10**9}).getCPUStats(number)

    def close(self) -> None:
        type(self).closed += 1


def test_each_new_connection_is_compared_and_a_refused_one_is_closed(proc_stat: Path) -> None:
    """The error names the URI, is repeated during the pause, and nothing stays open."""
    uri = "qemu+unix:///system?socket=/tmp/forwarded"

    def opener(_uri: str) -> Any:
        return _Remote(FakeLibvirt(guests=0))

    link = Link(uri, opener=opener, proc_stat=proc_stat)
    slot = Slot(link)
    for _ in range(2):
        with pytest.raises(SourceUnavailableError, match=r"/tmp/forwarded: .*another host"):
            slot.get()
    assert (_Remote.closed, link.connects) == (1, 0)
