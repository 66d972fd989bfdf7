"""What a tenant used in a month: sums by month, day, hour or VM, exact to the last digit."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, case, func, literal, select

from hostcollector.catalogue.usage import METERS
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.reading import Reading
from hostcollector.gateway.usage.rows import MODES
from hostcollector.gateway.usage.selecting import Statement

HOURS_PER_DAY = 24

_LOW = 2**32


class By(StrEnum):
    """By what usage is added up."""

    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    VM = "vm"


class State(StrEnum):
    """How certain an amount is."""

    PROVISIONAL = "provisional"
    FINAL = "final"
    ADJUSTMENT = "adjustment"
    """It belongs to an hour that was final already, and counts in the hour in which it came."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What amounts are of: `start` is an hour from 1970, `vm` a UUID; None for all of them."""

    start: int | None
    vm: str | None
    state: State


@dataclass(frozen=True, slots=True, order=True)
class GpuKind:
    """GPUs that are added up."""

    model: str
    mode: str
    profile: str


@dataclass(slots=True)
class Amounts:
    """Usage: `meters` without what was on two hosts at once, which `doubled_seconds` counts."""

    records: int = 0
    observed_seconds: int = 0
    unseen_seconds: int = 0
    doubled_seconds: int = 0
    meters: dict[str, int] = field(default_factory=dict)
    gpu_seconds: Counter[GpuKind] = field(default_factory=Counter)
    gpu_joules: dict[GpuKind, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Hours from 1970, `after` not among them; `vm` for one VM only."""

    first: int
    after: int
    vm: str | None = None


def usage_of(reading: Reading, tenant: str, span: Span, by: By) -> Mapping[Key, Amounts]:
    """Return a tenant's usage. Raises `RequestRefusedError`."""
    found: defaultdict[Key, Amounts] = defaultdict(Amounts)
    for late in (False, True):
        shape = _Shape(reading, span, by, late=late)
        for row in reading.of_tenant(tenant, shape.records()):
            _add_records(found[shape.key(row)], row)
        for row in reading.of_tenant(tenant, shape.overlaps()):
            _take_off(found[shape.key(row)], row)
        for row in reading.of_tenant(tenant, shape.gpus()):
            _add_gpus(found[shape.key(row)], row)
    shape = _Shape(reading, span, by, late=True, rows=schema.corrections)
    for row in reading.of_tenant(tenant, shape.corrections()):
        _correct(found[shape.key(row)], row)
    return dict(sorted(found.items(), key=lambda each: str(each[0])))


def observed_by_hour(reading: Reading, tenant: str, span: Span) -> Iterator[tuple[int, int]]:
    """Yield the hours of records that count in the span, with the seconds for which VMs were observed.

    What is late has its own hour, by whose plan it was observed. Seconds on two hosts at once count once.
    """
    records, vms, overlaps = schema.records, schema.vms, schema.overlaps
    same = [records.c[name] == overlaps.c[name] for name in schema.RECORD_KEY]
    source = records.join(vms, records.c.vm == vms.c.id).outerjoin(overlaps, and_(*same))
    observed = records.c.observed_seconds
    twice = func.coalesce(observed * overlaps.c.running_seconds // records.c.running_seconds, 0)
    columns = (vms.c.tenant, records.c.hour, func.sum(observed - twice).label("seconds"))
    for late in (False, True):
        statement = select(*columns).select_from(source).where(_within(records, span, late=late))
        for row in reading.of_tenant(tenant, statement.group_by(vms.c.tenant, records.c.hour)):
            yield row.hour, int(row.seconds)


class _Shape:
    """Statements that add up the same `rows` in the same way, and what other tables have of records."""

    def __init__(
        self, reading: Reading, span: Span, by: By, *, late: bool, rows: Table = schema.records
    ) -> None:
        records, vms = rows, schema.vms
        self._rows = rows
        self._late = late
        self._by = by
        starts: Mapping[By, ColumnElement[int]] = {
            By.HOUR: records.c.period,
            By.DAY: records.c.period - records.c.period % _constant(HOURS_PER_DAY),
        }
        final = case((records.c.hour < _constant(reading.final_until), _constant(1)), else_=_constant(0))
        self._keys = [
            vms.c.tenant,
            (vms.c.vm if by is By.VM else literal(None)).label("vm"),
            starts.get(by, literal(None)).label("start"),
            final.label("final"),
        ]
        self._groups: list[ColumnElement[Any]] = [vms.c.tenant, final]
        if by is By.VM:
            self._groups.append(vms.c.vm)
        if by in starts:
            self._groups.append(starts[by])
        self._where = [_within(rows, span, late=late)]
        if span.vm is not None:
            self._where.append(vms.c.vm == span.vm)

    def key(self, row: Any) -> Key:
        """Return what the amounts of a row are of."""
        state = State.ADJUSTMENT if self._late else State.FINAL if row.final else State.PROVISIONAL
        return Key(None if row.start is None else int(row.start), row.vm, state)

    def records(self) -> Statement:
        """Return the statement for meters and seconds."""
        columns = schema.records.c
        sums = [part for name in METERS for part in _sum(columns[name], name)]
        seconds = [func.sum(columns[name]).label(name) for name in ("observed_seconds", "unseen_seconds")]
        return self._statement(schema.records, [func.count().label("records"), *seconds, *sums])

    def overlaps(self) -> Statement:
        """Return the statement for what was on two hosts at once."""
        sums = [part for name in schema.DOUBLED for part in _sum(schema.overlaps.c[name], name)]
        return self._statement(_joined(schema.overlaps), sums)

    def gpus(self) -> Statement:
        """Return the statement for GPUs."""
        gpus = schema.gpus
        model, profile = schema.words.alias("model"), schema.words.alias("profile")
        source = (
            _joined(gpus)
            .join(model, gpus.c.model == model.c.id)
            .join(profile, gpus.c.profile == profile.c.id)
        )
        kind = [model.c.word.label("model"), gpus.c.mode, profile.c.word.label("profile")]
        sums = [*_sum(gpus.c.seconds - gpus.c.doubled_seconds, "seconds"), *_sum(gpus.c.joules, "joules")]
        return self._statement(source, [*kind, *sums]).group_by(model.c.word, gpus.c.mode, profile.c.word)

    def corrections(self) -> Statement:
        """Return the statement for what was corrected, by meter."""
        table = schema.corrections
        sums = [func.count().label("records"), *_sum(table.c.difference, "difference")]
        return self._statement(table, [table.c.meter, *sums]).group_by(table.c.meter)

    def _statement(self, source: Any, columns: Sequence[ColumnElement[Any]]) -> Statement:
        joined = source.join(schema.vms, self._rows.c.vm == schema.vms.c.id)
        statement = select(*self._keys, *columns).select_from(joined).where(*self._where)
        return statement.group_by(*self._groups)


def _constant(value: int) -> ColumnElement[int]:
    """Return a number as a part of the statement: PostgreSQL compares what it selects and groups by."""
    return literal(value, literal_execute=True)


def _within(rows: Table, span: Span, *, late: bool) -> ColumnElement[bool]:
    """Return the condition for rows that count in the span, in their own hour or later."""
    records = rows.c
    if rows is schema.corrections:
        return and_(records.period >= span.first, records.period < span.after)
    if late:
        return and_(records.period != records.hour, records.period >= span.first, records.period < span.after)
    return and_(records.period == records.hour, records.hour >= span.first, records.hour < span.after)


def _joined(table: Any) -> Any:
    """Return a table that has rows for some records, joined with those records."""
    same = [schema.records.c[name] == table.c[name] for name in schema.RECORD_KEY]
    return schema.records.join(table, and_(*same))


def _sum(column: ColumnElement[int] | Column[int], name: str) -> list[ColumnElement[Any]]:
    """Return two sums that are one: a month's byte-seconds in one number do not fit SQLite's integers."""
    high, low = column // _LOW, column % _LOW
    return [func.sum(high).label(f"{name}_high"), func.sum(low).label(f"{name}_low")]


def _total(row: Any, name: str) -> int | None:
    high = getattr(row, f"{name}_high")
    return None if high is None else int(high) * _LOW + int(getattr(row, f"{name}_low"))


def _add_records(amounts: Amounts, row: Any) -> None:
    amounts.records += row.records
    amounts.observed_seconds += int(row.observed_seconds)
    amounts.unseen_seconds += int(row.unseen_seconds)
    for name in METERS:
        if (total := _total(row, name)) is not None:
            amounts.meters[name] = amounts.meters.get(name, 0) + total


def _take_off(amounts: Amounts, row: Any) -> None:
    for name in schema.DOUBLED:
        total = _total(row, name) or 0
        if name in amounts.meters:
            amounts.meters[name] -= total
    amounts.doubled_seconds += _total(row, "running_seconds") or 0


def _correct(amounts: Amounts, row: Any) -> None:
    amounts.records += row.records
    amounts.meters[row.meter] = amounts.meters.get(row.meter, 0) + (_total(row, "difference") or 0)


def _add_gpus(amounts: Amounts, row: Any) -> None:
    kind = GpuKind(row.model, str(MODES[row.mode]), row.profile)
    amounts.gpu_seconds[kind] += _total(row, "seconds") or 0
    if (joules := _total(row, "joules")) is not None:
        amounts.gpu_joules[kind] = amounts.gpu_joules.get(kind, 0) + joules
