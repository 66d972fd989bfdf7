"""A month's usage: the sums that the hosts wrote, with what is certain, what is not, and what came late."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, GpuMode, GpuUse
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.months import (
    Amounts,
    By,
    GpuKind,
    Key,
    Span,
    State,
    observed_by_hour,
    usage_of,
)
from hostcollector.gateway.usage.reading import LedgerReader
from tests.unit.gateway.usage.hosts import Fleet, fill
from tests.unit.gateway.usage.records import START, answer, clock, closed, database, usage, vm_uuid

FIRST = START // SECONDS_PER_HOUR
SPAN = Span(first=FIRST, after=FIRST + 24 * 3)
LARGEST = 2**48 * 3600


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give an empty ledger."""
    made = database(tmp_path)
    yield made
    made.dispose()


def read(engine: Engine, by: By, tenant: str = "a", span: Span = SPAN) -> dict[Key, Amounts]:
    """Return a tenant's usage."""
    with LedgerReader(engine).open() as reading:
        return dict(usage_of(reading, tenant, span, by))


@pytest.mark.parametrize("by", list(By))
def test_sums_are_those_of_the_hosts(engine: Engine, by: By) -> None:
    """Every meter of every tenant, whichever way it is added up; seconds on two hosts once."""
    fleet = Fleet(seed=3)
    fill(engine, fleet, hours=20)
    for tenant in ("a", "b"):
        sums: Counter[str] = Counter()
        seconds = 0
        for amounts in read(engine, by, tenant).values():
            seconds += amounts.meters["running_seconds"]
            sums.update({name: value for name, value in amounts.meters.items() if name.startswith("disk_r")})
        wanted: Counter[str] = Counter()
        for (owner, _, meter), value in fleet.sums().items():
            if owner == tenant and meter.startswith("disk_r"):
                wanted[meter] += value
        assert sums == wanted
        assert seconds == sum(value for (owner, _), value in fleet.seconds().items() if owner == tenant)


def test_days_and_hours_have_their_own_states(engine: Engine) -> None:
    """Final up to where all hosts have closed, provisional after it, an adjustment in the hour it came."""
    now = [3.5]
    ledger = Ledger(engine, lambda: clock(now[0]))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1), closed(2), usage(3, hour=1), closed(4, hour=1), usage(5, hour=2)]))
    ledger.finish_hours(6)
    now[0] = 30.0
    ledger.take(answer([usage(6, hour=1, life=9, vm=2)], after=5))
    by_hour = read(engine, By.HOUR)
    assert [(key.start, key.state) for key in by_hour] == [
        (FIRST, State.FINAL),
        (FIRST + 1, State.FINAL),
        (FIRST + 2, State.PROVISIONAL),
        (FIRST + 30, State.ADJUSTMENT),
    ]
    by_day = {(key.start, key.state): amounts.records for key, amounts in read(engine, By.DAY).items()}
    midnight = FIRST - FIRST % 24
    assert by_day == {
        (midnight, State.FINAL): 2,
        (midnight, State.PROVISIONAL): 1,
        (midnight + 24 * ((FIRST % 24 + 30) // 24), State.ADJUSTMENT): 1,
    }
    by_vm = {(key.vm, key.state) for key in read(engine, By.VM)}
    assert (vm_uuid(2), State.ADJUSTMENT) in by_vm


def test_a_vm_on_two_hosts_is_billed_once(engine: Engine) -> None:
    """Common seconds are taken off every meter that is a product with time, and off no counted amount."""
    gpu = GpuUse(model="H200", mode=GpuMode.VGPU, profile="q", seconds=3600, joules=100)
    ledger = Ledger(engine, lambda: clock(2))
    ledger.list_hosts(["hv1:10177", "hv2:10177"])
    ledger.take(answer([usage(1, gpus=[gpu])]))
    other = usage(1, ledger=2, life=2, running=((1800, 3600),), gpus=[gpu])
    outcome = ledger.take(answer([other], target="hv2:10177", ledger=2))
    assert outcome.overlap_seconds == 1800
    (amounts,) = read(engine, By.MONTH).values()
    assert amounts.meters["running_seconds"] == 3600
    assert amounts.meters["vcpu_allocated_seconds"] == 4 * 3600
    assert amounts.meters["memory_allocated_byte_seconds"] == 8 * 2**30 * 3600
    assert amounts.meters["vcpu_used_seconds"] == 3600 + 1800
    assert amounts.meters["disk_written_bytes"] == 4000
    assert amounts.doubled_seconds == 1800
    kind = GpuKind("H200", "vgpu", "q")
    assert (amounts.gpu_seconds[kind], amounts.gpu_joules[kind]) == (3600, 200)


def test_the_same_uuid_of_another_tenant_is_no_overlap(engine: Engine) -> None:
    """A false record of one tenant takes nothing off another one's; it is counted for an alert."""
    ledger = Ledger(engine, lambda: clock(2))
    ledger.list_hosts(["hv1:10177", "hv2:10177"])
    ledger.take(answer([usage(1)]))
    outcome = ledger.take(answer([usage(1, ledger=2, tenant="b")], target="hv2:10177", ledger=2))
    assert (outcome.overlap_seconds, outcome.foreign_overlaps) == (0, 1)
    for tenant in ("a", "b"):
        (amounts,) = read(engine, By.MONTH, tenant).values()
        assert amounts.meters["running_seconds"] == 3600


def test_unknown_is_missing_and_zero_is_zero(engine: Engine) -> None:
    """A meter that no record has is not there."""
    ledger = Ledger(engine, lambda: clock(2))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1, meters={"disk_writes": 0})]))
    (amounts,) = read(engine, By.MONTH).values()
    assert amounts.meters["disk_writes"] == 0
    assert "disk_reads" not in amounts.meters


def test_sums_above_64_bits_are_exact(engine: Engine) -> None:
    """Thirty of the largest amounts do not fit SQLite's integers."""
    ledger = Ledger(engine, lambda: clock(2))
    ledger.list_hosts(["hv1:10177"])
    meters = {"memory_allocated_byte_seconds": LARGEST}
    ledger.take(answer([usage(number, vm=number, meters=meters) for number in range(1, 31)]))
    (amounts,) = read(engine, By.MONTH).values()
    assert amounts.meters["memory_allocated_byte_seconds"] == 30 * LARGEST > 2**64


def test_observed_seconds_by_hour(engine: Engine) -> None:
    """What the metrics product itself is metered by."""
    ledger = Ledger(engine, lambda: clock(3))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1), usage(2, vm=2, running=((0, 60),)), usage(3, hour=1)]))
    with LedgerReader(engine).open() as reading:
        assert dict(observed_by_hour(reading, "a", SPAN)) == {FIRST: 3660, FIRST + 1: 3600}


def test_a_vm_on_two_hosts_is_monitored_once(engine: Engine) -> None:
    """Half of an hour on both: the VM was there for an hour, whatever each host has observed."""
    ledger = Ledger(engine, lambda: clock(3))
    ledger.list_hosts(["hv1:10177", "hv2:10177"])
    ledger.take(answer([usage(1)]))
    ledger.take(answer([usage(1, ledger=2, running=((1800, 3600),))], target="hv2:10177", ledger=2))
    with LedgerReader(engine).open() as reading:
        assert dict(observed_by_hour(reading, "a", SPAN)) == {FIRST: 3600}


def test_what_is_late_was_monitored_in_its_own_hour(engine: Engine) -> None:
    """It counts in the month in which it comes, under the plan of its hour: plans differ in price."""
    ledger = Ledger(engine, lambda: clock(30))
    ledger.list_hosts(["hv1:10177", "hv2:10177"])
    ledger.take(answer([usage(1), closed(2)]))
    ledger.finish_hours(6)
    ledger.take(answer([usage(1, ledger=2, vm=2)], target="hv2:10177", ledger=2))
    with LedgerReader(engine).open() as reading:
        late = Span(first=FIRST + 30, after=FIRST + 31)
        assert list(observed_by_hour(reading, "a", late)) == [(FIRST, 3600)]
