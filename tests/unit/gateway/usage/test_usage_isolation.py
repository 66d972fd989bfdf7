"""A tenant never sees another one's usage, and each step that keeps it so is noticed when it is missing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, GpuMode, GpuUse
from hostcollector.gateway.errors import (
    LedgerUnavailableError,
    NotFoundError,
    QueryRefusedError,
    RequestRefusedError,
)
from hostcollector.gateway.isolation import Isolation
from hostcollector.gateway.usage import selecting
from hostcollector.gateway.usage.correcting import correct
from hostcollector.gateway.usage.cursors import Cursors, cursors_of
from hostcollector.gateway.usage.exports import page_of_tenant
from hostcollector.gateway.usage.formats import events, table
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.months import By, Span, usage_of
from hostcollector.gateway.usage.reading import LedgerReader
from hostcollector.gateway.usage.selecting import Found, Question
from tests.unit.gateway.usage.records import START, answer, clock, closed, correction, database, usage

FIRST = START // SECONDS_PER_HOUR
SPAN = Span(first=FIRST, after=FIRST + 24)
FAR = 10**9
SECRET = "secret-flavour"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give a ledger with records of a, of b with the same UUID among others, and of VMs without a tenant."""
    made = database(tmp_path)
    ledger = Ledger(made, lambda: clock(3))
    ledger.list_hosts(["hv1:10177", "hv2:10177"])
    gpu = GpuUse(model=SECRET, mode=GpuMode.MIG, profile=SECRET, seconds=FAR % 3600, joules=1)
    far = {"disk_reads": FAR}
    ledger.take(answer([usage(1), usage(2, tenant="", vm=5, flavour=SECRET), closed(3)]))
    others = [
        usage(1, ledger=2, tenant="b", vm=1, flavour=SECRET, gpus=[gpu], meters=far),
        usage(2, ledger=2, tenant="b", vm=2, flavour=SECRET, gpus=[gpu], meters=far),
    ]
    ledger.take(answer(others, target="hv2:10177", ledger=2))
    wanted = correction(others[1], "disk_reads", 2 * FAR, reason=SECRET, author=SECRET)
    correct(made, wanted, lambda: clock(3))
    yield made
    made.dispose()


def shown(engine: Engine, isolation: Isolation, tenant: str = "a", span: Span = SPAN) -> str:
    """Return everything that a tenant can get: sums of every kind, and all records in each format."""
    with LedgerReader(engine, isolation).open() as reading:
        sums = [usage_of(reading, tenant, span, by) for by in By]
        page = page_of_tenant(reading, tenant, span, 0, 1000)
    files = [write(page.entries, lambda *_: "", for_operator=False) for write in (events, table)]
    return repr(sums) + "".join(file.decode() for file in files)


def problems(engine: Engine, isolation: Isolation) -> list[str]:
    """Return what is wrong with an isolation."""
    found = []
    text = shown(engine, replace(isolation, usage_rows=())) if isolation.usage_questions else "no condition"
    if SECRET in text or str(FAR) in text or "no condition" in text:
        found.append("the question has rows of others")
    lost = replace(isolation, usage_questions=())
    try:
        shown(engine, lost)
        found.append("rows of others pass")
    except LedgerUnavailableError:
        pass
    return found


def test_a_tenant_gets_its_own_rows(engine: Engine) -> None:
    """Nothing of b, of VMs without a tenant, or of the hosts is in anything that a gets."""
    text = shown(engine, Isolation())
    assert SECRET not in text
    assert str(FAR) not in text
    assert "0000000000000001" in text
    assert "hv1" not in text
    assert '"ledger"' not in text
    assert SECRET in shown(engine, Isolation(), "b")


@pytest.mark.parametrize("tenant", ["", "a' OR 1=1 --", "a b", "*", "a" * 65])
def test_what_is_no_tenant_gets_nothing(engine: Engine, tenant: str) -> None:
    """Least of all the records without a tenant."""
    with pytest.raises(RequestRefusedError):
        shown(engine, Isolation(), tenant)


def test_the_whole_isolation_has_no_problem(engine: Engine) -> None:
    """The checks of the mutation test find nothing where no step is missing."""
    assert problems(engine, Isolation()) == []


@pytest.mark.parametrize(
    "step", [*selecting.QUESTION_STEPS, *selecting.ROW_STEPS], ids=lambda step: step.__name__
)
def test_no_step_can_be_left_out(engine: Engine, step: object) -> None:
    """Each step is in the list, and is needed for something that is noticed."""
    assert step in Isolation().steps
    assert problems(engine, Isolation().without(step)) != []


def test_rows_of_others_are_never_answered(engine: Engine) -> None:
    """A faulty condition ends in a refusal, and in no answer with some rows left out."""

    def faulty(question: Question) -> Question:
        return replace(question, statement=question.statement.where(question.column != ""))

    with pytest.raises(LedgerUnavailableError):
        shown(engine, Isolation(usage_questions=(faulty,)))


def test_a_planted_row_is_noticed(engine: Engine) -> None:
    """The rows' own step sees a single foreign row."""

    class Planted:
        tenant = "b"

    with pytest.raises(LedgerUnavailableError):
        selecting.taken(Found(tenant="a", rows=[Planted()]))  # type: ignore[list-item]


def test_a_vm_of_another_tenant_is_as_unknown_as_none(engine: Engine) -> None:
    """The same UUID may be b's: a filter by VM does not lead around the condition."""
    for vm in (usage(1, vm=2).vm, usage(1, vm=77).vm):
        with LedgerReader(engine).open() as reading:
            assert usage_of(reading, "a", replace(SPAN, vm=vm), By.MONTH) == {}
            assert page_of_tenant(reading, "a", replace(SPAN, vm=vm), 0, 10).entries == []


def test_a_cursor_of_another_tenant_shows_nothing_of_it(engine: Engine) -> None:
    """A cursor is a position and no right."""
    with LedgerReader(engine).open() as reading:
        for cursor in range(10):
            page = page_of_tenant(reading, "a", SPAN, cursor, 10)
            assert SECRET not in events(page.entries, lambda *_: "", for_operator=False).decode()


def test_a_cursor_says_nothing_of_how_many_records_others_have(engine: Engine) -> None:
    """Positions count all tenants' records: neither the cursor nor a search with made-up ones shows them."""
    with LedgerReader(engine).open() as reading:
        own, others = cursors_of(reading, "a"), cursors_of(reading, "b")
    texts = {position: own.text(position) for position in (*range(50), 2**62)}
    assert {own.position(text): text for text in texts.values()} == texts
    assert {len(text) for text in texts.values()} == {32}
    assert len({text[index] for text in texts.values() for index in (0, 15, 16, 31)}) > 8
    foreign = [others.text(7), Cursors(b"", "a").text(7)]
    changed = [texts[7][:-1] + "0123456789abcdef"[int(texts[7][-1], 16) ^ 1], "1" + texts[7][1:], "0" * 32]
    for text in (*foreign, *changed, "p7", "7", texts[7].upper() + " "):
        if text != texts[7]:
            with pytest.raises((NotFoundError, QueryRefusedError), match="cursor"):
                own.position(text)
    assert own.position("") == 0
