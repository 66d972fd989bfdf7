"""An operator's correction is one more row: the record stays, and the difference counts when it is made."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from sqlalchemy import Engine, select

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, hour_text
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.answers import Refused
from hostcollector.gateway.usage.correcting import correct
from hostcollector.gateway.usage.erasing import reduce_tenant
from hostcollector.gateway.usage.exports import Entry, HourFinal, page_of_all, page_of_tenant
from hostcollector.gateway.usage.formats import events, record_document, table
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.months import By, Span, State, usage_of
from hostcollector.gateway.usage.reading import LedgerReader
from tests.unit.gateway.usage.records import START, answer, clock, closed, correction, database, usage

FIRST = START // SECONDS_PER_HOUR
OWN = Span(first=FIRST, after=FIRST + 1)
LATER = Span(first=FIRST + 100, after=FIRST + 101)
RECORD = usage(1)
OVERLAPPING = usage(2, ledger=2, life=2, running=((0, 1800),))
WANTED = correction(RECORD, "disk_written_bytes", 500, reason="=the disk was ours")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give a ledger with a VM's record of the first hour, which is final, and of its other host."""
    made = database(tmp_path)
    ledger = Ledger(made, lambda: clock(8))
    ledger.list_hosts(["hv1:10177", "hv2:10177"])
    ledger.take(answer([RECORD, closed(2)]))
    ledger.take(answer([OVERLAPPING], target="hv2:10177", ledger=2))
    ledger.finish_hours(6)
    yield made
    made.dispose()


def corrected(engine: Engine, *, at: float = 100.5, **changes: Any) -> int:
    """Make a correction so many hours after the first, and return its revision."""
    return correct(engine, replace(WANTED, **changes), lambda: clock(at)).revision


def amount(engine: Engine, meter: str, span: Span, by: By = By.MONTH) -> dict[State, int]:
    """Return a meter's sums in a span by state."""
    found: dict[State, int] = {}
    with LedgerReader(engine).open() as reading:
        for key, amounts in usage_of(reading, "a", span, by).items():
            found[key.state] = found.get(key.state, 0) + amounts.meters.get(meter, 0)
    return found


def exported(engine: Engine, limit: int = 1) -> list[Entry | HourFinal]:
    """Return everything, pulled in pages with a cursor."""
    found, cursor, more = list[Entry | HourFinal](), 0, True
    while more:
        with LedgerReader(engine).open() as reading:
            page = page_of_all(reading, cursor, limit)
        found += page.entries
        cursor, more = page.cursor, page.more
    return found


def corrections(engine: Engine) -> list[Entry]:
    """Return the corrections among them."""
    return [each for each in exported(engine) if isinstance(each, Entry) and each.record.revision]


def test_a_correction_changes_no_invoice_that_was_made(engine: Engine) -> None:
    """The hour of the record has what it had; the hour of the correction has the difference."""
    before = [amount(engine, "disk_written_bytes", OWN, by) for by in By]
    with engine.connect() as connection:
        rows = connection.execute(select(schema.records)).all()
    assert corrected(engine) == 1
    assert [amount(engine, "disk_written_bytes", OWN, by) for by in By] == before
    for by in By:
        assert amount(engine, "disk_written_bytes", LATER, by) == {State.ADJUSTMENT: 500 - 2000}
    with engine.connect() as connection:
        assert connection.execute(select(schema.records)).all() == rows


def test_each_correction_is_a_revision_and_the_last_amount_counts(engine: Engine) -> None:
    """Differences of one meter add up to the last amount; another meter does not disturb them."""
    assert corrected(engine) == 1
    assert corrected(engine, meter="disk_read_bytes", amount=1, at=200) == 2
    assert corrected(engine, amount=700, at=300) == 3
    every = Span(first=FIRST, after=FIRST + 1000)
    assert sum(amount(engine, "disk_written_bytes", every).values()) == 700 + 2000
    assert [each.record.meters for each in corrections(engine)] == [
        {"disk_written_bytes": -1500},
        {"disk_read_bytes": -999},
        {"disk_written_bytes": 200},
    ]
    assert len({each.record.id for each in exported(engine) if isinstance(each, Entry)}) == 5


def test_the_same_correction_again_is_refused(engine: Engine) -> None:
    """A command that is repeated corrects nothing twice, and says so."""
    corrected(engine)
    with pytest.raises(LedgerError, match="500 already"):
        corrected(engine, at=101)
    with pytest.raises(LedgerError, match="already"):
        corrected(engine, meter="running_seconds", amount=3600)
    assert len(corrections(engine)) == 1


def test_a_meter_that_was_not_known_can_be_given_even_as_zero(engine: Engine) -> None:
    """The record has no such meter; with the correction the period has a 0, which is not nothing."""
    corrected(engine, meter="disk_writes", amount=0)
    with LedgerReader(engine).open() as reading:
        (amounts,) = usage_of(reading, "a", LATER, By.MONTH).values()
    assert amounts.meters == {"disk_writes": 0}
    with pytest.raises(LedgerError, match="0 already"):
        corrected(engine, meter="disk_writes", amount=0)


def test_what_is_corrected_is_the_billed_amount(engine: Engine) -> None:
    """Of seconds that another host's record has too nothing is billed: they are not taken off twice."""
    second: dict[str, Any] = {"id": OVERLAPPING.id, "meter": "memory_allocated_byte_seconds"}
    before = amount(engine, "memory_allocated_byte_seconds", OWN)
    with pytest.raises(LedgerError, match="0 already"):
        corrected(engine, **second, amount=0)
    corrected(engine, **second, amount=7)
    assert amount(engine, "memory_allocated_byte_seconds", OWN) == before
    assert amount(engine, "memory_allocated_byte_seconds", LATER) == {State.ADJUSTMENT: 7}


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "0" * 32},
        {"vm": usage(1, vm=9).vm},
        {"hour": hour_text(START + SECONDS_PER_HOUR)},
        {"hour": "yesterday"},
        {"meter": "gpu_seconds"},
        {"amount": -1},
        {"amount": 2**62},
        {"meter": "running_seconds", "amount": 3601},
        {"reason": " "},
        {"reason": "x" * 257},
        {"author": "a\nb"},
    ],
    ids=str,
)
def test_what_is_no_correction_of_a_record_changes_nothing(engine: Engine, changes: dict[str, Any]) -> None:
    """An unknown record, an amount that no record can have, words that are none."""
    before = exported(engine)
    with pytest.raises(LedgerError):
        corrected(engine, **changes)
    assert exported(engine) == before


def test_an_export_with_a_cursor_has_each_correction_once_in_its_place(engine: Engine) -> None:
    """Corrections, records and final hours are one sequence, however small the pages are."""
    corrected(engine)
    ledger = Ledger(engine, lambda: clock(9))
    ledger.take(answer([usage(3, hour=1), closed(4, hour=1)], after=2))
    ledger.finish_hours(6)
    corrected(engine, amount=1, at=101)
    whole = exported(engine, 1000)
    assert [each.position for each in whole] == sorted({each.position for each in whole})
    for limit in (1, 2, 3):
        assert exported(engine, limit) == whole
    with LedgerReader(engine).open() as reading:
        (late,) = page_of_tenant(reading, "a", LATER, 0, 10).entries[:1]
        assert isinstance(late, Entry)
        assert page_of_tenant(reading, "b", LATER, 0, 10).entries == []
        assert page_of_tenant(reading, "a", replace(LATER, vm=usage(1, vm=9).vm), 0, 10).entries == []
    assert (late.period, late.state) == (FIRST + 100, State.ADJUSTMENT)


def test_a_correction_names_what_it_corrects_in_every_format(engine: Engine) -> None:
    """CloudEvents and CSV have revision, corrected id and reason; only the operator has the author."""
    corrected(engine)
    (one,) = corrections(engine)
    (line,) = events([one], lambda *_: "", for_operator=True).splitlines()
    data = JSONFormat().read(CloudEvent, line).get_data()
    assert isinstance(data, dict)
    assert (data["revision"], data["corrects"], data["author"]) == (1, RECORD.id, "ops")
    assert data["id"] == replace(RECORD, revision=1).id
    assert data["meters"] == {"disk_written_bytes": -1500}
    assert "author" not in record_document(one, lambda *_: "", for_operator=False)
    (row,) = csv.DictReader(io.StringIO(table([one], lambda *_: "", for_operator=False).decode()))
    assert (row["disk_written_bytes"], row["disk_read_bytes"]) == ("-1500", "")
    assert (row["corrects"], row["reason"]) == (RECORD.id, "'=the disk was ours")


def test_an_erased_tenants_corrections_keep_amounts_and_no_words(engine: Engine) -> None:
    """Sums stay; the reason may name people, and the id a VM."""
    corrected(engine)
    reduce_tenant(engine, "a")
    assert amount(engine, "disk_written_bytes", LATER) == {State.ADJUSTMENT: -1500}
    (one,) = corrections(engine)
    shown = record_document(one, lambda *_: "", for_operator=True)
    assert (shown["id"], shown["corrects"], shown["reason"], shown["author"]) == (None, None, None, None)
    with pytest.raises(LedgerError, match="no record"):
        corrected(engine, amount=3)


def test_a_host_cannot_correct_a_record(engine: Engine) -> None:
    """A revision above 0 from a host is refused: a host that was broken into rewrites no bills."""
    ledger = Ledger(engine, lambda: clock(9))
    forged = replace(usage(3, meters={"disk_written_bytes": 1}), revision=1)
    outcome = ledger.take(answer([forged], after=2))
    assert (outcome.new, dict(outcome.refused)) == (0, {Refused.IMPLAUSIBLE: 1})
    assert corrections(engine) == []


def test_a_clock_that_is_behind_adds_to_no_final_hour(engine: Engine) -> None:
    """Hours became final by the intake's clock; the operator's machine is four hours behind it."""
    ledger = Ledger(engine, lambda: clock(100))
    ledger.finish_hours(0)
    corrected(engine, at=96)
    behind = Ledger(engine, lambda: clock(96))
    behind.take(answer([usage(3, vm=3, hour=1)], after=2))
    late = [each for each in exported(engine) if isinstance(each, Entry) and each.state is State.ADJUSTMENT]
    assert [each.period for each in late] == [FIRST + 100, FIRST + 100]


def test_a_clock_that_was_once_years_ahead_does_not_put_off_bills(engine: Engine) -> None:
    """All hours of ten years are final then; what comes counts when it comes."""
    ahead = 24 * 365 * 10
    Ledger(engine, lambda: clock(ahead)).finish_hours(0)
    corrected(engine, at=96)
    Ledger(engine, lambda: clock(96)).take(answer([usage(3, vm=3, hour=95)], after=2))
    with LedgerReader(engine).open() as reading:
        every = page_of_all(reading, 0, 100_000).entries
    late = [each for each in every if isinstance(each, Entry) and each.state is State.ADJUSTMENT]
    record = next(each for each in every if isinstance(each, Entry) and each.record.sequence == 3)
    assert ([each.period for each in late], record.period) == ([FIRST + 96, FIRST + 96], FIRST + 96)
