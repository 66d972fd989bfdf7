"""Exports for billing: every record once, in files that independent programs read."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from openpyxl import Workbook
from sqlalchemy import Engine, select

from hostcollector.catalogue.usage import LARGEST, METERS, SECONDS_PER_HOUR, GpuMode, GpuUse, hour_text
from hostcollector.gateway.api import types
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.erasing import reduce_tenant
from hostcollector.gateway.usage.exports import ERASED, Entry, HourFinal, Page, page_of_all, page_of_tenant
from hostcollector.gateway.usage.formats import events, record_document, table
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.months import By, Span, State, usage_of
from hostcollector.gateway.usage.reading import LedgerReader
from tests.unit.gateway.usage.hosts import Fleet, place
from tests.unit.gateway.usage.interrupted import interrupted_export
from tests.unit.gateway.usage.records import START, answer, clock, closed, database, usage

FIRST = START // SECONDS_PER_HOUR
SPAN = Span(first=FIRST, after=FIRST + 720)
TOO_MUCH = {"disk_reads": LARGEST}
HOSTILE = ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("x")', 'a,b"c']


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give an empty ledger."""
    made = database(tmp_path)
    yield made
    made.dispose()


@pytest.fixture
def fleet(engine: Engine) -> Fleet:
    """Give hosts with ten hours, which the ledger has; some became final on the way."""
    made = Fleet(seed=5)
    ledger = Ledger(engine, lambda: clock(made.hour + 0.1))
    ledger.list_hosts([host.target for host in made.hosts])
    for hour in range(10):
        made.end_hour()
        for host in made.hosts[: 3 if hour % 3 else 2]:
            name = place(host, 0).ledger
            found = host.answer(ledger.place_of_ledger(name), 1000)
            assert found is not None
            ledger.take(found)
        ledger.finish_hours(6)
    return made


def pages(engine: Engine, tenant: str | None, limit: int) -> Iterator[Page]:
    """Yield the pages of one tenant or of all, as a billing system pulls them."""
    cursor, more = 0, True
    while more:
        with LedgerReader(engine).open() as reading:
            page = (
                page_of_all(reading, cursor, limit)
                if tenant is None
                else page_of_tenant(reading, tenant, SPAN, cursor, limit)
            )
        yield page
        assert page.cursor >= cursor
        cursor, more = page.cursor, page.more


def _gpu(model: str) -> GpuUse:
    return GpuUse(model=model, mode=GpuMode.MIG, seconds=1)


def name(_tenant: str, vm: str) -> str:
    """Return a hostile display name for each VM."""
    return HOSTILE[int(vm[-4:], 16) % len(HOSTILE)] if vm != ERASED else ""


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_a_cursor_leads_through_everything_once(engine: Engine, fleet: Fleet, limit: int) -> None:
    """Whatever the size of a page: each record as its host wrote it, and each final hour, in sequence."""
    entries = [entry for page in pages(engine, None, limit) for entry in page.entries]
    records = {entry.record.id: entry.record for entry in entries if isinstance(entry, Entry)}
    taken = {id_: record for id_, record in fleet.written.items() if id_ in records}
    assert records == taken
    assert len(records) == sum(isinstance(entry, Entry) for entry in entries) > 30
    positions = [entry.position for entry in entries]
    assert positions == sorted(set(positions))
    hours = [entry.hour for entry in entries if isinstance(entry, HourFinal)]
    assert hours == list(range(FIRST, FIRST + len(hours)))


@pytest.mark.parametrize("limit", [3, 1000])
def test_a_tenant_gets_its_records_in_the_same_way(engine: Engine, fleet: Fleet, limit: int) -> None:
    """Its pages have what the operator's have of it."""
    own = [e for page in pages(engine, "a", limit) for e in page.entries if isinstance(e, Entry)]
    every = [e for page in pages(engine, None, 1000) for e in page.entries if isinstance(e, Entry)]
    assert own == [entry for entry in every if entry.record.tenant == "a"]
    assert len(own) > 10


def test_a_late_record_comes_behind_the_cursor(engine: Engine) -> None:
    """Billing that has read to the end gets it at the next pull, as an adjustment with its own period."""
    ledger = Ledger(engine, lambda: clock(30))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1), closed(2)]))
    ledger.finish_hours(6)
    with LedgerReader(engine).open() as reading:
        page = page_of_all(reading, 0, 100)
        assert [type(entry) for entry in page.entries][:2] == [Entry, HourFinal]
    ledger.take(answer([usage(3, vm=2)], after=2))
    with LedgerReader(engine).open() as reading:
        (late,) = page_of_all(reading, page.cursor, 100).entries
    assert isinstance(late, Entry)
    assert (late.state, late.period) == (State.ADJUSTMENT, FIRST + 30)


def test_what_is_written_while_a_page_is_read_comes_with_the_next(engine: Engine) -> None:
    """A final hour that is newer than the page's records would move the cursor over records."""
    assert interrupted_export(engine) == [1, 3]


def test_a_tenants_late_record_is_in_the_pages_of_the_month_in_which_it_counts(engine: Engine) -> None:
    """Not in those of its own hour, which may be invoiced already."""
    ledger = Ledger(engine, lambda: clock(30.5))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1), closed(2)]))
    ledger.finish_hours(6)
    ledger.take(answer([usage(3, vm=2)], after=2))
    with LedgerReader(engine).open() as reading:
        found = {
            hour: [
                entry.record.sequence
                for entry in page_of_tenant(reading, "a", Span(first=hour, after=hour + 1), 0, 10).entries
                if isinstance(entry, Entry)
            ]
            for hour in (FIRST, FIRST + 30)
        }
    assert found == {FIRST: [1], FIRST + 30: [3]}


def test_sums_of_the_export_are_those_of_the_month(engine: Engine, fleet: Fleet) -> None:
    """An invoice made of records is the one made of sums."""
    exported: dict[str, int] = {}
    for page in pages(engine, "a", 10):
        for entry in page.entries:
            if isinstance(entry, Entry):
                for meter, value in record_document(entry, name, for_operator=False)["meters"].items():
                    exported[meter] = exported.get(meter, 0) + value
    with LedgerReader(engine).open() as reading:
        found: dict[str, int] = {}
        for amounts in usage_of(reading, "a", SPAN, By.MONTH).values():
            for meter, value in amounts.meters.items():
                found[meter] = found.get(meter, 0) + value
    assert exported == found


def test_cloudevents_are_read_by_their_own_library(engine: Engine, fleet: Fleet) -> None:
    """The library of the CloudEvents project takes every line, and gives the same data back."""
    count = 0
    for page in pages(engine, None, 10):
        for line in events(page.entries, name, for_operator=True).splitlines():
            event = JSONFormat().read(CloudEvent, line)
            assert event.get_specversion() == "1.0"
            assert event.get_source() == "/hostcollector/usage"
            assert event.get_time() is not None
            data = event.get_data()
            assert isinstance(data, dict)
            assert data["hour"].endswith(":00:00Z")
            count += 1
    assert count > 50


def test_a_spreadsheet_sees_no_formula(engine: Engine, fleet: Fleet) -> None:
    """Names, flavours and models that begin like formulas stay text in a workbook."""
    ledger = Ledger(engine, lambda: clock(13))
    texts = [text for text in HOSTILE if text.isprintable()]
    hostile = [
        usage(number, ledger=90, vm=number, hour=10, flavour=text, gpus=[_gpu(text)])
        for number, text in enumerate(texts, start=1)
    ]
    ledger.list_hosts(["hv9:10177"])
    ledger.take(answer(hostile, target="hv9:10177", ledger=90))
    sheet = Workbook().active
    assert sheet is not None
    names: set[str] = set()
    for page in pages(engine, None, 1000):
        for row in csv.reader(io.StringIO(table(page.entries, name, for_operator=True).decode(), newline="")):
            sheet.append(row)
            names.update((row[4], row[8]))
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert [cell.value for cell in cells if cell.data_type == "f"] == []
    assert {"'=1+1", "'-2", "'@SUM(A1)", 'a,b"c'} <= names
    assert not any(str(cell.value or "").startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_csv_has_a_column_for_each_meter_and_tells_0_from_unknown(engine: Engine) -> None:
    """An empty cell is what was not measured."""
    ledger = Ledger(engine, lambda: clock(2))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1, meters={"disk_writes": 0})]))
    with LedgerReader(engine).open() as reading:
        page = page_of_tenant(reading, "a", SPAN, 0, 10)
    (row,) = csv.DictReader(io.StringIO(table(page.entries, lambda *_: "", for_operator=False).decode()))
    assert set(METERS) <= set(row)
    assert (row["disk_writes"], row["disk_reads"], row["gpu_seconds"]) == ("0", "", "")
    assert row["hour"] == hour_text(START)
    assert "ledger" not in row


def test_the_documents_are_those_of_the_description(engine: Engine) -> None:
    """openapi.json is made from the types, and the records have their keys."""
    ledger = Ledger(engine, lambda: clock(2))
    ledger.list_hosts(["hv1:10177"])
    gpu = GpuUse(model="H200", mode=GpuMode.PASSTHROUGH, seconds=3)
    ledger.take(answer([usage(1, gpus=[gpu])]))
    with LedgerReader(engine).open() as reading:
        (entry,) = page_of_tenant(reading, "a", SPAN, 0, 10).entries
    assert isinstance(entry, Entry)
    shown = record_document(entry, lambda *_: "", for_operator=False)
    assert list(shown) == [field.name for field in fields(types.UsageRecord)]
    assert list(shown["gpus"][0]) == [field.name for field in fields(types.GpuUsage)]
    json.dumps(shown)


def test_an_erased_tenant_keeps_amounts_and_no_vm(engine: Engine, fleet: Fleet) -> None:
    """Sums stay; UUIDs, flavours and gaps go; a record that comes again is not billed twice; b keeps all."""
    with LedgerReader(engine).open() as reading:
        before = dict(usage_of(reading, "a", SPAN, By.DAY))
        others = page_of_tenant(reading, "b", SPAN, 0, 1000).entries
    uuids = {record.vm for record in fleet.written.values() if record.tenant == "a"}
    assert "reduced" in reduce_tenant(engine, "a")
    assert "0 VMs" not in reduce_tenant(engine, "a")
    with LedgerReader(engine).open() as reading:
        assert dict(usage_of(reading, "a", SPAN, By.DAY)) == before
        page = page_of_tenant(reading, "a", SPAN, 0, 1000)
        assert page_of_tenant(reading, "b", SPAN, 0, 1000).entries == others
    text = events(page.entries, lambda *_: "", for_operator=True).decode()
    assert not any(uuid in text for uuid in uuids)
    assert "m1" not in text
    ledger = Ledger(engine, lambda: clock(20))
    for host in fleet.hosts:
        again = host.answer(place(host, 0), 1000)
        assert again is not None
        ledger.take(again)
    ids = {record.id for record in fleet.written.values() if record.tenant == "a"}
    with engine.connect() as connection:
        own = select(schema.vms.c.id).where(schema.vms.c.tenant == "a")
        rows = connection.execute(select(schema.records.c.vm).where(schema.records.c.vm.in_(own))).all()
        names = connection.execute(select(schema.vms.c.vm).where(schema.vms.c.tenant == "a")).scalars()
        assert set(names) == {None}
    assert len(rows) == len(ids)


def test_an_erased_tenant_leaves_no_refused_line(engine: Engine) -> None:
    """Also of a VM of which nothing was ever taken; lines of others stay."""
    ledger = Ledger(engine, lambda: clock(3))
    ledger.list_hosts(["hv1:10177"])
    others = ("ab", "A")
    lines = [usage(1), usage(2, vm=2, meters=TOO_MUCH)]
    lines += [usage(3 + n, vm=3, tenant=other, meters=TOO_MUCH) for n, other in enumerate(others)]
    ledger.take(answer(lines))
    reduce_tenant(engine, "a")
    with engine.connect() as connection:
        kept = connection.execute(select(schema.refusals.c.line)).scalars().all()
    assert [json.loads(line)["tenant"] for line in kept] == [*others]
