"""Usage records for billing, in pages: in the sequence in which they came, with hours as they become final.

A cursor is the position of a page's last entry. What comes later has a larger position, whatever its hour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, or_, select

from hostcollector.catalogue.usage import METERS, SECONDS_PER_HOUR, Gap, GpuUse, UsageRecord
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.intervals import unpacked
from hostcollector.gateway.usage.months import Span, State
from hostcollector.gateway.usage.reading import Reading
from hostcollector.gateway.usage.rows import ENDED, MODES, WHY, life_text
from hostcollector.gateway.usage.selecting import Rows, Statement

MOST_ENTRIES = 10_000
ERASED = "erased"
"""The VM of a record whose tenant was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record as it is exported. `period` is the hour in which it counts, from 1970.

    `doubled` is what of its meters another record of the same VM has too, which is not billed. A record with
    a revision above 0 is a correction: its meters are differences, and `reason` and `author` are its own.
    """

    position: int
    record: UsageRecord
    state: State
    period: int
    doubled: Mapping[str, int] = field(default_factory=dict)
    doubled_gpu_seconds: int = 0
    reason: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HourFinal:
    """An hour, from 1970, that became final at the Unix time `at`."""

    position: int
    hour: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries and final hours in sequence. `cursor` is where the next page begins, `more` if there is one."""

    entries: Sequence[Entry | HourFinal]
    cursor: int
    more: bool


def page_of_all(reading: Reading, cursor: int, limit: int) -> Page:
    """Return a page of all tenants' records, for the operator."""
    statement = _records().where(schema.records.c.position > cursor)
    rows = reading.of_all(statement.order_by(schema.records.c.position).limit(limit))
    corrected = reading.of_all(_corrections(cursor, limit))
    return _page(reading, rows, corrected, cursor, limit, until=None)


def page_of_tenant(reading: Reading, tenant: str, span: Span, cursor: int, limit: int) -> Page:
    """Return a page of a tenant's records that count in a span. Raises `RequestRefusedError`."""
    statement, corrections = _counted_in(span, cursor, limit)
    rows = reading.of_tenant(tenant, statement.limit(limit))
    corrected = reading.of_tenant(tenant, corrections)
    return _page(reading, rows, corrected, cursor, limit, until=span)


def has_records(reading: Reading, tenant: str, span: Span) -> bool:
    """Return whether any of a tenant's records counts in a span. Raises `RequestRefusedError`."""
    statement, corrections = _counted_in(span, 0, 0)
    return any(reading.of_tenant(tenant, each.limit(1)) for each in (statement, corrections))


def _counted_in(span: Span, cursor: int, limit: int) -> tuple[Statement, Statement]:
    """Return the statements for records and for corrections that count in a span."""
    records = schema.records.c
    own = and_(records.period == records.hour, records.hour >= span.first, records.hour < span.after)
    late = and_(records.period != records.hour, records.period >= span.first, records.period < span.after)
    statement = _records().where(records.position > cursor, or_(own, late))
    period = schema.corrections.c.period
    corrections = _corrections(cursor, limit).where(period >= span.first, period < span.after)
    if span.vm is not None:
        statement = statement.where(schema.vms.c.vm == span.vm)
        corrections = corrections.where(schema.vms.c.vm == span.vm)
    return statement.order_by(records.position), corrections


def _records() -> Statement:
    """Return the statement for records with everything that has one row for a record."""
    records, vms, overlaps = schema.records, schema.vms, schema.overlaps
    same = [records.c[name] == overlaps.c[name] for name in schema.RECORD_KEY]
    source = (
        records.join(vms, records.c.vm == vms.c.id)
        .join(schema.ledgers, records.c.ledger == schema.ledgers.c.id)
        .outerjoin(schema.words, records.c.flavour == schema.words.c.id)
        .outerjoin(overlaps, and_(*same))
    )
    return select(
        records,
        vms.c.tenant,
        vms.c.vm.label("uuid"),
        schema.ledgers.c.name.label("ledger_name"),
        schema.words.c.word.label("flavour_word"),
        *(overlaps.c[name].label(f"doubled_{name}") for name in schema.DOUBLED),
    ).select_from(source)


def _corrections(cursor: int, limit: int) -> Statement:
    """Return the statement for corrections."""
    corrections, vms, ledgers = schema.corrections, schema.vms, schema.ledgers
    source = corrections.join(vms, corrections.c.vm == vms.c.id).join(
        ledgers, corrections.c.ledger == ledgers.c.id
    )
    columns = (corrections, vms.c.tenant, vms.c.vm.label("uuid"), ledgers.c.name.label("ledger_name"))
    statement = select(*columns).select_from(source).where(corrections.c.position > cursor)
    return statement.order_by(corrections.c.position).limit(limit + 1)


def _page(reading: Reading, rows: Rows, corrected: Rows, cursor: int, limit: int, until: Span | None) -> Page:
    gpus, gaps = _gpus(reading, rows), _gaps(reading, rows)
    entries: list[Entry | HourFinal] = [_entry(reading, row, gpus, gaps) for row in rows]
    entries += [_correction(row) for row in corrected]
    entries += _final_hours(reading, cursor, until, limit)
    entries.sort(key=lambda entry: entry.position)
    shown = entries[:limit]
    position = shown[-1].position if shown else cursor
    return Page(entries=shown, cursor=position, more=len(rows) == limit or len(entries) > limit)


def _final_hours(reading: Reading, cursor: int, until: Span | None, limit: int) -> list[HourFinal]:
    hours = schema.final_hours.c
    statement = select(schema.final_hours).where(hours.position > cursor)
    if until is not None:
        statement = statement.where(hours.hour >= until.first, hours.hour < until.after)
    # Final hours are the same for all tenants, so there is no row of another one among them.
    rows = reading.of_all(statement.order_by(hours.position).limit(limit + 1))
    return [HourFinal(position=row.position, hour=row.hour, at=row.final_at) for row in rows]


Key = tuple[int, int, int, int]


def _key(row: Any) -> Key:
    return row.vm, row.hour, row.ledger, row.life


def _parts(reading: Reading, rows: Rows, table: Any, *more: Any) -> Rows:
    """Return the rows of a table that belong to records, which have passed the tenant's steps."""
    if not rows:
        return []
    hours = [row.hour for row in rows]
    vms = sorted({row.vm for row in rows})
    statement = select(table, *more).where(table.c.vm.in_(vms), table.c.hour.between(min(hours), max(hours)))
    wanted = {_key(row) for row in rows}
    return [row for row in reading.of_all(statement.order_by(table.c.number)) if _key(row) in wanted]


def _gpus(reading: Reading, rows: Rows) -> dict[Key, list[tuple[GpuUse, int]]]:
    table, found = schema.gpus, dict[Key, list[tuple[GpuUse, int]]]()
    model, profile = schema.words.alias(), schema.words.alias()
    words = [
        select(alias.c.word).where(alias.c.id == column).scalar_subquery().label(name)
        for alias, column, name in (
            (model, table.c.model, "model_word"),
            (profile, table.c.profile, "profile_word"),
        )
    ]
    for row in _parts(reading, rows, table, *words):
        gpu = GpuUse(
            model=row.model_word,
            mode=MODES[row.mode],
            profile=row.profile_word,
            seconds=row.seconds,
            joules=row.joules,
        )
        found.setdefault(_key(row), []).append((gpu, row.doubled_seconds))
    return found


def _gaps(reading: Reading, rows: Rows) -> dict[Key, list[Gap]]:
    found = dict[Key, list[Gap]]()
    for row in _parts(reading, rows, schema.gaps):
        found.setdefault(_key(row), []).append(Gap(WHY[row.reason], row.start, row.end))
    return found


def _entry(
    reading: Reading, row: Any, gpus: Mapping[Key, list[tuple[GpuUse, int]]], gaps: Mapping[Key, list[Gap]]
) -> Entry:
    begins = row.hour * SECONDS_PER_HOUR
    of_gpus = gpus.get(_key(row), [])
    record = UsageRecord(
        sequence=row.sequence,
        ledger=row.ledger_name,
        tenant=row.tenant,
        vm=row.uuid or ERASED,
        life=life_text(row.life),
        hour=begins,
        running=tuple((begins + start, begins + end) for start, end in unpacked(row.running)),
        observed_seconds=row.observed_seconds,
        unseen_seconds=row.unseen_seconds,
        gaps=tuple(gaps.get(_key(row), [])),
        ended=ENDED[row.ended],
        flavour=row.flavour_word or "",
        meters={name: value for name in METERS if (value := getattr(row, name)) is not None},
        gpus=tuple(gpu for gpu, _ in of_gpus),
    )
    doubled = {name: getattr(row, f"doubled_{name}") or 0 for name in schema.DOUBLED}
    late = row.period != row.hour
    final = State.FINAL if row.hour < reading.final_until else State.PROVISIONAL
    return Entry(
        position=row.position,
        record=record,
        state=State.ADJUSTMENT if late else final,
        period=row.period,
        doubled={name: amount for name, amount in doubled.items() if amount},
        doubled_gpu_seconds=sum(seconds for _, seconds in of_gpus),
    )


def _correction(row: Any) -> Entry:
    record = UsageRecord(
        sequence=0,
        ledger=row.ledger_name,
        revision=row.revision,
        tenant=row.tenant,
        vm=row.uuid or ERASED,
        life=life_text(row.life),
        hour=row.hour * SECONDS_PER_HOUR,
        observed_seconds=0,
        meters={row.meter: row.difference},
    )
    return Entry(
        position=row.position,
        record=record,
        state=State.ADJUSTMENT,
        period=row.period,
        reason=row.reason,
        author=row.author,
    )
