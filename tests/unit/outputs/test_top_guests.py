"""What the difference of two pages says about each guest."""

from dataclasses import replace

import pytest

from hostcollector.catalogue import block, collection, cpu, guest
from hostcollector.outputs.top.guests import SORTS, GuestRow, binary, ordered, rows, total
from hostcollector.outputs.top.page import Page, page_of
from tests.fakes.top_pages import DB, WEB, Entry, busy, collected

SOURCES = ("procfs", "libvirt_monitor", "netlink", "libvirt_state")


def page(at: float, *entries: Entry) -> Page:
    """Return the page of a collection at `at`."""
    return page_of(collected(at, entries, sources=SOURCES))


def one(previous: Page | None, current: Page) -> GuestRow:
    """Return the only guest's row."""
    (row,) = rows(previous, current)
    return row


def without(entries: list[Entry], *metrics: object) -> list[Entry]:
    """Return `entries` without the series of some rows."""
    return [entry for entry in entries if entry[0] not in metrics]


def test_rates_of_steady_work() -> None:
    """A guest that works steadily shows exactly what it does per second."""
    row = one(page(100.0, *busy(WEB, 100)), page(104.0, *busy(WEB, 104)))
    assert row == GuestRow(
        tenant="acme",
        guest="web",
        uuid="u-web",
        state="running",
        reason="booted",
        vcpus=2,
        cpu=150,
        delay=62.5,
        memory=2**31,
        used=62.5,
        read=2048,
        write=4096,
        reads=4,
        writes=8,
        receive=1000,
        transmit=500,
        blocked_seconds=0,
    )
    assert row.share == 75
    assert not row.blocked


def test_time_passes_between_the_answers_of_the_source() -> None:
    """A page that was read late, because the collector shared it, does not change a rate."""
    earlier, later = page(100.0, *busy(WEB, 100)), page(102.0, *busy(WEB, 102))
    assert one(earlier, replace(later, at=103.0)) == one(earlier, later)


def test_time_passes_between_the_readings_where_sources_do_not_say() -> None:
    """Without the sources' times the difference of the readings counts."""
    earlier, later = (page_of(collected(at, busy(WEB, at))) for at in (100.0, 102.0))
    assert one(earlier, later).read == 2048


def test_the_same_collection_twice_has_no_rates() -> None:
    """No time has passed, so nothing is known; it is not 0."""
    same = page(100.0, *busy(WEB, 100))
    assert one(same, same).cpu is None


def test_one_page_has_state_and_size_but_no_rates() -> None:
    """The first screen shows what one page says."""
    row = one(None, page(100.0, *busy(WEB, 100)))
    assert (row.state, row.memory, row.used) == ("running", 2**31, 62.5)
    assert (row.cpu, row.share, row.delay, row.read, row.receive) == (None,) * 5


def test_a_reset_counter_has_no_rate() -> None:
    """A guest that was started anew has no rate for once, neither negative nor too small."""
    row = one(page(100.0, *busy(WEB, 100)), page(101.0, *busy(WEB, 0.5)))
    assert (row.cpu, row.read, row.transmit) == (None, None, None)


def test_absent_series_are_unknown() -> None:
    """What a page leaves out is None in the row, and the rest is there."""
    gone = (block.READ_BYTES, guest.STATE_REASON, collection.MONITOR_BLOCKED, collection.TIMED_OUT)
    earlier, later = (page(at, *without(busy(WEB, at), *gone)) for at in (100.0, 101.0))
    row = one(earlier, later)
    assert (row.read, row.state, row.blocked_seconds, row.blocked) == (None, "", None, False)
    assert row.write == 4096


def test_a_disk_that_came_meanwhile_waits_for_its_second_page() -> None:
    """A hot-plugged disk's whole life is not what happened in this second."""
    plugged = (block.READ_BYTES, (*WEB, "vdb"), 10**12)
    assert one(page(100.0, *busy(WEB, 100)), page(101.0, *busy(WEB, 101), plugged)).read == 2048


def test_a_guest_that_is_gone_has_no_row() -> None:
    """Only the guests of the newer page are shown, by tenant and name."""
    earlier = page(100.0, *busy(WEB, 100), *busy(("acme", "old", "u-old"), 100))
    later = page(101.0, *busy(DB, 101), *busy(WEB, 101))
    assert [(row.tenant, row.guest) for row in rows(earlier, later)] == [("acme", "web"), ("globex", "db")]


def test_a_guest_that_changed_its_tenant_starts_anew() -> None:
    """The series of the former tenant are not taken for the new one's."""
    moved = ("globex", *WEB[1:])
    row = one(page(100.0, *busy(WEB, 100)), page(101.0, *busy(moved, 101)))
    assert (row.tenant, row.cpu) == ("globex", None)


@pytest.mark.parametrize(
    ("seconds", "timed_out", "blocked"),
    [(0, 0, False), (0.4, 0, False), (1.5, 0, True), (0, 1, True), (14, 1, True)],
)
def test_blocked_guests(seconds: float, timed_out: float, blocked: bool) -> None:  # noqa: FBT001 - a table's column
    """A guest is blocked when its monitor has been occupied for more than a moment or was not read."""
    row = one(
        None,
        page(1.0, (collection.MONITOR_BLOCKED, WEB, seconds), (collection.TIMED_OUT, WEB, timed_out)),
    )
    assert (row.blocked, row.blocked_seconds) == (blocked, seconds)


def test_a_guest_without_vcpus_has_no_share() -> None:
    """Where no vCPU series are, neither use nor share is known."""
    assert one(None, page(1.0, (cpu.THREADS, WEB, 3), (collection.TIMED_OUT, WEB, 0))).share is None


def test_totals_are_of_what_is_known() -> None:
    """Nothing known is no total, and one unknown does not spoil the sum."""
    assert total([]) is None
    assert total([None, None]) is None
    assert total([1.0, None, 2.0]) == 3.0


def row_of(name: str, **values: float | str) -> GuestRow:
    """Return a row with the named guest and some values."""
    return GuestRow(tenant="t", guest=name, uuid=name, **values)  # type: ignore[arg-type] # a test's shorthand


def test_numbers_sort_largest_first_and_unknown_last() -> None:
    """The busiest guest is on top, one of which nothing is known at the bottom, equals by name."""
    guests = [
        row_of("none"),
        row_of("idle", cpu=0.0),
        row_of("b", cpu=5.0),
        row_of("a", cpu=5.0),
        row_of("top", cpu=9.0),
    ]
    assert [row.guest for row in ordered(guests, "cpu")] == ["top", "a", "b", "idle", "none"]


def test_text_sorts_in_alphabetical_order() -> None:
    """Names and states sort like a list, not like a ranking."""
    guests = [row_of("b", state="running"), row_of("a", state="running"), row_of("c", state="paused")]
    assert [row.guest for row in ordered(guests, "guest")] == ["a", "b", "c"]
    assert [row.guest for row in ordered(guests, "state")] == ["c", "a", "b"]


@pytest.mark.parametrize("sort", SORTS)
def test_every_column_sorts(sort: str) -> None:
    """Each name that can be asked for orders rows that know everything and rows that know nothing."""
    guests = [*rows(page(1.0, *busy(WEB, 1)), page(2.0, *busy(WEB, 2))), row_of("none")]
    assert sorted(ordered(guests, sort), key=id) == sorted(guests, key=id)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.4, "0"),
        (999, "999"),
        (1000, "1.0K"),
        (1536, "1.5K"),
        (10_240, "10K"),
        (1_023_999, "1.0M"),
        (5 * 2**40, "5.0T"),
        (2**70, "1048576P"),
    ],
)
def test_bytes_in_few_digits(value: float, text: str) -> None:
    """Bytes are shown short enough for a column."""
    assert binary(value) == text
