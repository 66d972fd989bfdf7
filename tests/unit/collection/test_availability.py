"""The time that a guest was available, and was not, on pages that follow each other."""

from dataclasses import replace

import pytest

from hostcollector.base.model import Guest
from hostcollector.collection.availability import MOST_KEPT, Availability
from tests.unit.collection.living_guest import CRASHED, PAUSED, SHUTTING_DOWN, START, LivingGuest

NOTHING = {"available": 0.0, "planned": 0.0, "unplanned": 0.0}


def test_the_time_between_two_pages_counts() -> None:
    """All three begin at 0 with the first page."""
    living = LivingGuest()
    living.page()
    assert living.seconds == NOTHING
    living.page(15)
    living.page(30)
    assert living.seconds == NOTHING | {"available": 45.0}


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        (PAUSED, "user", "planned"),
        (PAUSED, "migration", "planned"),
        (PAUSED, "save", "planned"),
        (SHUTTING_DOWN, "user", "planned"),
        (PAUSED, "ioerror", "unplanned"),
        (PAUSED, "watchdog", "unplanned"),
        (PAUSED, "crashed", "unplanned"),
        (PAUSED, "postcopy_failed", "unplanned"),
        (CRASHED, "panicked", "unplanned"),
        (PAUSED, "unknown", None),
        (None, "", None),
    ],
)
def test_a_guest_that_does_not_run_is_unavailable_by_the_reason(
    state: int | None, reason: str, kind: str | None
) -> None:
    """What the operator does is planned, what happens is unplanned, and what is not known is neither."""
    living = LivingGuest()
    living.page()
    living.state, living.reason = state, reason
    living.page(15)
    assert living.seconds == NOTHING | ({kind: 15.0} if kind else {})


def test_a_failed_system_check_is_unplanned_and_an_unknown_one_nothing() -> None:
    """The seconds in which it was not clear whether QEMU hangs are not counted."""
    living = LivingGuest()
    living.page()
    living.monitor, living.blocked = None, 1.0
    living.page(15)
    assert living.seconds == NOTHING
    living.blocked = 61.0
    living.page(60)
    assert living.seconds == NOTHING | {"unplanned": 60.0}


def test_a_lost_agent_makes_no_guest_unavailable() -> None:
    """The owner may stop the agent: the instance check has no part in the service level."""
    living = LivingGuest()
    living.agent(connected=True)
    living.page()
    living.agent(connected=False)
    assert living.page(100)["instance"] == ("failed", "agent_lost")
    assert living.seconds == NOTHING | {"available": 100.0}


def test_a_guest_that_arrives_by_migration_is_not_counted_until_it_runs() -> None:
    """It is paused here while its memory is copied, and runs at its source."""
    living = LivingGuest(state=PAUSED, reason="migration")
    living.page()
    living.page(60)
    assert living.seconds == NOTHING
    living.state, living.reason = 1, "migrated"
    living.page(15)
    assert living.seconds == NOTHING | {"available": 15.0}


def test_two_pages_of_one_collection_count_once() -> None:
    """An impatient scraper gets a page before the others, without the answers of all sources."""
    living = LivingGuest()
    living.page()
    living.state = None
    living.page(15)
    living.state = 1
    living.page(0)
    living.page(0)
    assert living.seconds == NOTHING | {"available": 15.0}


def test_a_gap_between_two_pages_is_not_counted() -> None:
    """What happened between two scrapes far apart is not known, nor is it after a clock that was set."""
    living = LivingGuest()
    living.page()
    living.page(301)
    living.page(-1000)
    assert living.seconds == NOTHING
    living.page(10)
    assert living.seconds == NOTHING | {"available": 10.0}


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("shutdown_by_guest", "planned"),
        ("destroyed", "planned"),
        ("failed", "unplanned"),
        ("oom_kill", "unplanned"),
        ("migrated_away", None),
        ("unknown", None),
    ],
)
def test_a_guest_that_comes_back_gets_the_time_of_its_absence(reason: str, kind: str | None) -> None:
    """From its end to the first page with its new run, by the reason of the end."""
    living = LivingGuest()
    living.page()
    living.page(15)
    living.present, living.ended = False, {reason: living.now + 5}
    for _ in range(10):
        living.page(15)
    living.present, living.domain = True, replace(living.domain, id=2)
    living.page(15)
    assert living.seconds == NOTHING | {"available": 15.0} | ({kind: 160.0} if kind else {})
    living.page(15)
    assert living.seconds["available"] == 30.0


def test_an_earlier_end_is_not_counted_again() -> None:
    """Of a guest whose last end is not known, the absence is not either."""
    living = LivingGuest(ended={"failed": START - 1000})
    living.page()
    living.domain = replace(living.domain, id=2)
    living.page(15)
    assert living.seconds == NOTHING


def test_only_so_many_guests_that_are_gone_are_remembered() -> None:
    """A host with many short-lived guests does not fill the collector's memory."""
    availability = Availability()
    for number in range(MOST_KEPT + 50):
        living = LivingGuest()
        known = replace(living.domain, uuid=str(number))
        availability.begin(START + number, {known.uuid: Guest(domain=known)}, {})
    availability.begin(START * 2, {}, {})
    assert availability.remembered == MOST_KEPT
