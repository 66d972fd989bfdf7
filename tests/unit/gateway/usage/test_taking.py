"""What the ledger takes of single answers, whatever else is in them."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from hostcollector.catalogue.usage import HourClosed, UsageRecord
from hostcollector.gateway.settings import IntakeSettings
from hostcollector.gateway.usage import ledger as ledger_module
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.answers import Refused
from hostcollector.gateway.usage.intake import Intake
from hostcollector.gateway.usage.intake_metrics import IntakeCounters
from hostcollector.gateway.usage.ledger import OLDEST_HOURS, Ledger
from tests.unit.gateway.usage.records import answer, clock, closed, database, usage
from tests.unit.gateway.usage.served_hosts import write_list


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give a ledger that lists a host."""
    made = database(tmp_path)
    Ledger(made, lambda: clock(2)).list_hosts(["hv1:10177"])
    yield made
    made.dispose()


def test_a_record_that_is_twice_in_one_answer_is_taken_once(engine: Engine) -> None:
    """With the same body it is repeated, with another one refused; the rest of the answer is taken."""
    lines = [usage(1), usage(2), usage(3, meters={"disk_reads": 77}), usage(4, vm=2)]
    outcome = Ledger(engine, lambda: clock(2)).take(answer(lines))
    assert (outcome.new, outcome.repeated, outcome.refused) == (2, 1, {Refused.CONFLICT: 1})
    assert outcome.place.cursor == 4


def test_a_record_that_is_too_old_is_refused(engine: Engine) -> None:
    """No host keeps lines for so long: it is a fault, and would be billed as an adjustment now."""
    later = OLDEST_HOURS + 10
    lines = [usage(1, hour=9), usage(2, hour=10), usage(3, hour=11)]
    outcome = Ledger(engine, lambda: clock(later)).take(answer(lines))
    assert (outcome.new, outcome.refused) == (2, {Refused.OLD: 1})


def test_seconds_that_two_lives_of_one_answer_claim_are_billed_once(engine: Engine) -> None:
    """A VM runs once: what its second life has of the first one's seconds is doubled."""
    lines = [usage(1, running=((0, 1800),)), usage(2, life=2, running=((1000, 3600),))]
    outcome = Ledger(engine, lambda: clock(2)).take(answer(lines))
    assert (outcome.new, outcome.overlap_seconds) == (2, 800)
    with engine.connect() as connection:
        assert connection.execute(select(schema.overlaps.c.running_seconds)).scalar_one() == 800


def test_without_certificates_no_other_machine_is_asked(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Usage does not go over a network in the clear, and no name is looked up for it."""
    file = write_list(tmp_path / "hosts.json", ["192.0.2.1:10177", "localhost:10177"])
    settings = IntakeSettings(hosts_file=str(file), host_seconds=0.5)
    intake = Intake(settings, Ledger(engine, lambda: clock(2)), IntakeCounters(), lambda: clock(2))
    with caplog.at_level(logging.WARNING):
        assert not asyncio.run(intake.round())
    intake.close()
    assert caplog.text.count("without certificates only hosts with a loopback address are read") == 2


def test_an_old_answer_opens_no_hour_again(engine: Engine) -> None:
    """Of two intakes the slower one may store what the other has overtaken."""
    ledger = Ledger(engine, lambda: clock(3))
    lines: list[UsageRecord | HourClosed] = [usage(1), closed(2), closed(3, hour=1)]
    ledger.take(answer(lines))
    ledger.take(answer(lines[:2]))
    assert ledger.closed_until() == {"hv1:10177": clock(2)}
    assert ledger.place_of_host("hv1:10177").cursor == 3


def test_a_new_ledger_of_a_host_has_closed_no_hour(engine: Engine) -> None:
    """What the old one closed says nothing of the new one: no hour becomes final by it."""
    ledger = Ledger(engine, lambda: clock(3))
    ledger.take(answer([usage(1), closed(2)]))
    assert ledger.take(answer([usage(1, ledger=2, vm=2, hour=1)], ledger=2)).replaced
    assert ledger.closed_until() == {"hv1:10177": None}
    assert ledger.finish_hours(6) == 0


def test_a_host_fills_no_disk_with_refused_lines(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each host the first ones are kept, in however many answers and ledgers; all are counted."""
    monkeypatch.setattr(ledger_module, "KEPT_REFUSALS", 3)
    ledger = Ledger(engine, lambda: clock(2))
    ledger.take(answer([usage(1)]))
    for first in (2, 4, 6):
        faulty = [usage(number, meters={"disk_reads": number}) for number in (first, first + 1)]
        assert ledger.take(answer(faulty, after=first - 1)).refused == {Refused.CONFLICT: 2}
    with engine.connect() as connection:
        kept = connection.execute(select(schema.refusals.c.sequence)).scalars()
        assert sorted(kept) == [2, 3, 4]
    for number in (2, 3):
        lines = [usage(1, ledger=number), usage(2, ledger=number, meters={"disk_reads": number})]
        assert ledger.take(answer(lines, ledger=number)).refused == {Refused.CONFLICT: 1}
    with engine.connect() as connection:
        assert len(list(connection.execute(select(schema.refusals)))) == 3
