"""Balloons are asked when QEMU can have news of them, and nothing old is shown for news."""

from dataclasses import replace

import pytest

from hostcollector.base.definition import Disk, Domain
from hostcollector.base.model import Guest
from hostcollector.sources.libvirt_monitor.balloons import UNASKED_SECONDS, Balloons
from tests.fakes.clock import Clock

UUID = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"
PERIOD = 10
NOW = 1_700_000_000.0
COUNTERS = {"block.count": 1, "block.0.name": "vda", "block.0.rd.reqs": 3}
# What libvirt gives when another client has the monitor.
BUSY = {"block.count": 1, "block.0.name": "vda"}


def balloon(reported: float = NOW) -> dict[str, object]:
    """Return a record's balloon fields."""
    return {"balloon.current": 1024, "balloon.rss": 4096, "balloon.last-update": int(reported)}


def guest(period: int | None = PERIOD, disks: tuple[Disk, ...] = (Disk(target="vda"),)) -> Guest:
    """Return a guest whose driver is asked every `period` seconds."""
    return Guest(domain=Domain(uuid=UUID, name="vm", disks=disks, balloon_period_seconds=period))


@pytest.fixture
def clock() -> Clock:
    """Give the clock of the balloons."""
    return Clock()


@pytest.fixture
def balloons(clock: Clock) -> Balloons:
    """Give balloons of which nothing is known."""
    return Balloons(clock)


@pytest.mark.parametrize(
    ("period", "reported", "same_for"),
    [
        (PERIOD, NOW, PERIOD),
        (PERIOD, NOW - 4, 6),
        (PERIOD, NOW - 3600, 0),  # a driver that has stopped to report may report any moment
        (PERIOD, NOW + 3600, PERIOD),  # the clock was set back
        (PERIOD, 0, PERIOD),  # a driver that has never reported
        (None, NOW, UNASKED_SECONDS),
        (0, NOW, UNASKED_SECONDS),
    ],
)
def test_a_balloon_is_asked_when_its_driver_is(
    period: int | None, reported: float, same_for: float, balloons: Balloons, clock: Clock
) -> None:
    """Until the driver's next report QEMU has the same figures, shown as if it had been asked."""
    guests = {UUID: guest(period)}
    assert balloons.due(guests) == {UUID}
    asked = balloons.completed(guests[UUID], COUNTERS | balloon(reported), NOW)
    if same_for:
        clock.now += same_for - 0.001
        assert balloons.due(guests) == frozenset()
        assert balloons.completed(guests[UUID], COUNTERS, NOW) == asked
        clock.now += 0.001
    assert balloons.due(guests) == {UUID}


def test_a_guest_that_does_not_answer_has_no_balloon(balloons: Balloons) -> None:
    """What is known of it is kept back, and it is asked as soon as it answers."""
    guests = {UUID: guest()}
    balloons.completed(guests[UUID], COUNTERS | balloon(), NOW)
    assert balloons.completed(guests[UUID], BUSY, NOW) == BUSY
    assert balloons.due(guests) == {UUID}


def test_an_event_about_the_guest_makes_its_balloon_due(balloons: Balloons) -> None:
    """The inventory reads the definition anew: the size may have changed, or the guest have begun anew."""
    before = guest()
    balloons.completed(before, COUNTERS | balloon(), NOW)
    assert balloons.due({UUID: before}) == frozenset()
    assert balloons.due({UUID: replace(before, domain=replace(before.domain, current_memory_bytes=1))}) == {
        UUID
    }


def test_a_guest_without_disks_is_asked_each_time(balloons: Balloons) -> None:
    """Nothing else in its record would tell that its monitor is busy."""
    diskless = guest(disks=())
    balloons.completed(diskless, {"block.count": 0} | balloon(), NOW)
    assert balloons.due({UUID: diskless}) == {UUID}
