"""What rate() finds between pages whose collections have different ages."""

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from hostcollector.base.model import Metric
from hostcollector.catalogue import block, cpu, guest
from hostcollector.outputs.tenant_page.lag import Lag
from tests.fakes.tenants import NOW, TenantHost, customer, small

ACME = customer(1, "acme")
UUID, DISK = ACME.domain.uuid, ACME.domain.disks[0].target
CPU, READ = ("vm_cpu_seconds_total", "acme", UUID, "0"), ("vm_disk_read_bytes_total", "acme", UUID, "0")
RATE, BYTES = 0.7, 3_000_000
INTERVAL, OLDEST = 60.0, 15.0

Work = Callable[[float], float]
"""The counter at a time."""


def steady(at: float) -> float:
    """Return the work of a VM that is always as busy."""
    return RATE * (at - NOW)


def bursts(at: float) -> float:
    """Return the work of a VM that is busy in one of four minutes."""
    minute, second = divmod(at - NOW, 240)
    return minute * 60 + min(second, 60.0)


def scrapes(seed: int, number: int = 200) -> Iterator[tuple[float, float]]:
    """Yield when the page is requested, and when its collection was made: up to 15 s before."""
    drawn = random.Random(seed)
    for count in range(number):
        asked_at = NOW + 100 + INTERVAL * count
        yield asked_at, asked_at - drawn.choice([0.0, drawn.random() * OLDEST, OLDEST])


def shown(host: TenantHost, asked_at: float, taken_at: float, work: Work) -> dict[tuple[str, ...], float]:
    """Return the page that is requested then, from a collection of that time."""
    numbers: dict[Metric, dict[tuple[str], float]] = {
        cpu.VCPU_TIME: {("0",): work(taken_at)},
        block.READ_BYTES: {(DISK,): int(work(taken_at) * BYTES)},
    }
    return host.values(small(ACME, numbers, taken_at=taken_at, start=NOW + 40), asked_at)


@pytest.mark.parametrize("seed", range(5))
def test_rate_is_never_above_the_truth(seed: int, tmp_path: Path) -> None:
    """Of a VM that is always as busy, whatever the ages of the collections are."""
    host, last = TenantHost(tmp_path), None
    for asked_at, taken_at in scrapes(seed):
        page = shown(host, asked_at, taken_at, steady)
        if last is not None:
            assert page[CPU] - last[CPU] <= RATE * INTERVAL * (1 + 1e-9)
            assert page[READ] - last[READ] <= RATE * BYTES * INTERVAL + 1
        last = page


def test_without_an_even_lag_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: values as collections have them make a rate that is a quarter too high."""
    monkeypatch.setattr(Lag, "shown", lambda _lag, page, _asked_at, _taken_at: page)
    host = TenantHost(tmp_path)
    pages = [shown(host, asked_at, taken_at, steady)[CPU] for asked_at, taken_at in scrapes(0)]
    rates = [(after - before) / INTERVAL for before, after in pairwise(pages)]
    assert max(rates) == pytest.approx(RATE * 1.25)


@pytest.mark.parametrize("work", [steady, bursts])
def test_no_work_is_lost_or_invented(work: Work, tmp_path: Path) -> None:
    """What is shown never falls, is never above the collection, and is complete when ages are even again."""
    host, last = TenantHost(tmp_path), 0.0
    for asked_at, taken_at in scrapes(1):
        page = shown(host, asked_at, taken_at, work)
        assert last <= page[CPU] <= work(taken_at)
        assert page[CPU] >= work(asked_at - OLDEST - INTERVAL)
        assert page[READ] == int(page[READ])
        last = page[CPU]
    shown(host, asked_at + INTERVAL, asked_at + INTERVAL - OLDEST, work)
    final = shown(host, asked_at + 2 * INTERVAL, asked_at + 2 * INTERVAL - OLDEST, work)
    assert final[CPU] == work(asked_at + 2 * INTERVAL - OLDEST)


def test_collections_of_one_age_are_shown_as_they_are(tmp_path: Path) -> None:
    """The usual case: both scrapers keep their intervals."""
    host = TenantHost(tmp_path)
    for minute in range(10):
        asked_at = NOW + 100 + INTERVAL * minute
        assert shown(host, asked_at, asked_at - 9.5, bursts)[CPU] == bursts(asked_at - 9.5)


def test_a_counter_that_begins_anew_is_shown_as_it_is(tmp_path: Path) -> None:
    """The VM was started again: there is nothing between its last value and the new one."""
    host = TenantHost(tmp_path)
    shown(host, NOW + 100, NOW + 85, steady)
    assert shown(host, NOW + 160, NOW + 160, lambda _at: 2.0)[CPU] == 2.0


def test_an_older_collection_never_takes_anything_back(tmp_path: Path) -> None:
    """A request that waited long is answered after a later one."""
    host = TenantHost(tmp_path)
    later = shown(host, NOW + 100, NOW + 100, steady)
    assert shown(host, NOW + 95, NOW + 90, steady)[CPU] == later[CPU]


@pytest.mark.parametrize("step", [-86400.0, 86400.0])
def test_a_clock_that_was_set_holds_nothing_back(step: float, tmp_path: Path) -> None:
    """The page after it has the collection's values, and the lag begins anew."""
    host = TenantHost(tmp_path)
    shown(host, NOW + 100, NOW + 85, steady)
    shown(host, NOW + 160 + step, NOW + 160, steady)
    at = NOW + 220 + step
    assert shown(host, at, at, lambda _at: 500.0)[CPU] == 500.0


def test_one_tenants_page_by_hand_is_of_the_same_moment(tmp_path: Path) -> None:
    """A look at one tenant between two scrapes changes nothing for the others."""
    host = TenantHost(tmp_path)
    first = shown(host, NOW + 100, NOW + 85, steady)
    made = small(ACME, {cpu.VCPU_TIME: {("0",): steady(NOW + 115)}}, taken_at=NOW + 115, start=NOW + 40)
    page, _ = host.page.make(made, "globex", NOW + 115)
    assert page.families == ()
    after = shown(host, NOW + 160, NOW + 160, steady)
    assert after[CPU] - first[CPU] <= RATE * INTERVAL * (1 + 1e-9)


def test_events_stay_whole_numbers(tmp_path: Path) -> None:
    """Half an event is none."""
    host, found = TenantHost(tmp_path), [0.0]
    for asked_at, taken_at, events in ((100.0, 85.0, 3), (160.0, 160.0, 4), (220.0, 220.0, 4)):
        numbers = {guest.EVENTS: {("reboot", ""): float(events)}}
        page = host.values(small(ACME, numbers, taken_at=NOW + taken_at, start=NOW + 40), NOW + asked_at)
        found = [value for key, value in page.items() if key[0] == "vm_events_total" and "reboot" in key]
        assert found == [int(found[0])]
    assert found == [4]
