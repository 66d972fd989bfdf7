"""Old months leave the ledger; what counts in a month that is kept stays, and nothing removed comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, GpuMode, GpuUse, UsageRecord
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.answers import Refused
from hostcollector.gateway.usage.correcting import correct
from hostcollector.gateway.usage.database import hours_of_month
from hostcollector.gateway.usage.erasing import reduce_tenant
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.months import By, Span, usage_of
from hostcollector.gateway.usage.pruning import Pruned, prune
from hostcollector.gateway.usage.reading import LedgerReader
from tests.unit.gateway.usage.records import START, answer, clock, closed, correction, database, usage

FIRST = START // SECONDS_PER_HOUR
MONTHS = [hours_of_month(2026, 11), hours_of_month(2026, 12), hours_of_month(2027, 1)]
HOURS = [months[0] - FIRST + 500 for months in MONTHS]
"""An hour in each of three months, counted from `START`."""
END = MONTHS[2][1] - FIRST
"""The first hour of February."""
MARCH = END + 28 * 24 + 1


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give a ledger with three months, all final, of which each has a VM of its own and one of all."""
    made = database(tmp_path)
    fill(made)
    yield made
    made.dispose()


def records() -> list[UsageRecord]:
    """Return the host's records, in their sequence."""
    gpu = GpuUse(model="H200", mode=GpuMode.PASSTHROUGH, seconds=3600)
    return [
        usage(10 * number + vm, vm=vm, hour=hour, gpus=[gpu])
        for number, hour in enumerate(HOURS)
        for vm in (1, 2 + number)
    ]


def fill(engine: Engine) -> None:
    """Take the records into a ledger, and make all hours final."""
    ledger = Ledger(engine, lambda: clock(END + 7))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([*records(), closed(90, hour=END)]))
    ledger.finish_hours(6)


def rows(engine: Engine, table: str) -> int:
    """Return how many rows a table has."""
    with engine.connect() as connection:
        found = select(func.count()).select_from(schema.metadata.tables[table])
        return connection.execute(found).scalar_one()


def everything(engine: Engine) -> dict[str, int]:
    """Return how many rows each table has."""
    return {table: rows(engine, table) for table in schema.metadata.tables}


def pruned(engine: Engine, keep: int, *, at: float = MARCH, dry_run: bool = False) -> list[Pruned]:
    """Prune at an hour, counted from `START`."""
    return list(prune(engine, keep, dry_run=dry_run, wall_clock=lambda: clock(at)))


def written(engine: Engine, month: tuple[int, int], tenant: str = "a") -> int:
    """Return the bytes that a tenant's invoice of a month has."""
    with LedgerReader(engine).open() as reading:
        amounts = usage_of(reading, tenant, Span(first=month[0], after=month[1]), By.MONTH).values()
        return sum(each.meters.get("disk_written_bytes", 0) for each in amounts)


def test_months_before_those_that_are_kept_go(engine: Engine) -> None:
    """In March with two months kept January stays; VMs, GPUs and final hours of the others are gone."""
    with engine.begin() as connection:
        gap = {"vm": 1, "hour": FIRST + HOURS[0], "ledger": 1, "life": 1, "number": 0}
        connection.execute(schema.gaps.insert(), {**gap, "reason": 0, "start": 0, "end": 1})
    kept = written(engine, MONTHS[2])
    assert pruned(engine, 2) == [
        Pruned(month="2026-11", removed=2, kept=0),
        Pruned(month="2026-12", removed=2, kept=0),
    ]
    assert [written(engine, month) for month in MONTHS] == [0, 0, kept]
    left = everything(engine)
    assert (left["usage_records"], left["usage_gpus"], left["usage_gaps"]) == (2, 2, 0)
    assert left["usage_vms"] == 2
    with engine.connect() as connection:
        hours = list(connection.execute(select(schema.final_hours.c.hour)).scalars())
    assert min(hours) == MONTHS[2][0]
    assert pruned(engine, 2) == []


def test_a_dry_run_changes_nothing(engine: Engine) -> None:
    """It says what would be removed."""
    before = everything(engine)
    found = pruned(engine, 2, dry_run=True)
    assert everything(engine) == before
    assert found == pruned(engine, 2)


def test_the_usual_setting_removes_nothing(engine: Engine) -> None:
    """Without a setting all months are kept."""
    before = everything(engine)
    assert pruned(engine, 1200) == []
    assert everything(engine) == before


def test_what_counts_in_a_kept_month_stays(engine: Engine) -> None:
    """An adjustment and a correction of a removed month are in the invoice of the month that is kept."""
    late = Ledger(engine, lambda: clock(END + 30))
    late.take(answer([usage(91, vm=3, hour=HOURS[0])], after=90))
    own = records()[1]
    correct(engine, correction(own, "disk_written_bytes", 500), lambda: clock(END + 31))
    february = hours_of_month(2027, 2)
    before = written(engine, february)
    assert before == 2000 - 1500
    assert pruned(engine, 2)[0] == Pruned(month="2026-11", removed=2, kept=1)
    assert written(engine, february) == before
    assert written(engine, MONTHS[0]) == 0
    assert (rows(engine, "usage_records"), rows(engine, "usage_corrections")) == (3, 1)


def test_a_removed_record_that_comes_again_is_refused(engine: Engine) -> None:
    """A host that is read from its beginning sends it again: as an adjustment it would be billed twice."""
    pruned(engine, 2)
    ledger = Ledger(engine, lambda: clock(MARCH))
    outcome = ledger.take(answer(records()))
    assert (outcome.new, outcome.repeated) == (0, 2)
    assert outcome.refused == {Refused.OLD: 4}


def test_a_month_that_is_not_final_stays(tmp_path: Path) -> None:
    """While no round over all hosts has ended, a host may still have records of it."""
    engine = database(tmp_path)
    ledger = Ledger(engine, lambda: clock(MARCH))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer(records()))
    before = everything(engine)
    for dry_run in (True, False):
        with pytest.raises(LedgerError, match="2026-11 has hours that are not final"):
            pruned(engine, 2, dry_run=dry_run)
    assert everything(engine) == before
    engine.dispose()


def test_an_erased_tenants_months_go_too(engine: Engine) -> None:
    """What an erasure has left goes with its month, and the hash of the VM with its last record."""
    reduce_tenant(engine, "a")
    pruned(engine, 2, at=END + 100 * 24)
    assert everything(engine)["usage_records"] == everything(engine)["usage_vms"] == 0
