"""Removes old months from the ledger, one in a transaction.

A month goes when all its hours are final. What counts in a month that stays remains: adjustments and
corrections that came later. The ledger takes no record of a removed hour again, so that none is billed twice.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    delete,
    exists,
    func,
    inspect,
    or_,
    select,
    text,
)

from hostcollector.catalogue.usage import SECONDS_PER_HOUR
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.database import IN_MONTHS, hours_of_month, month_of, partition
from hostcollector.gateway.usage.writing import State, set_state, writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A month: how many records were removed, and how many stay: they count in a month that is kept."""

    month: str
    removed: int
    kept: int


def prune(
    engine: Engine, keep_months: int, *, dry_run: bool = False, wall_clock: Callable[[], float] = time.time
) -> Iterator[Pruned]:
    """Remove the months before the last `keep_months` and the present one; yield each when it is removed.

    With `dry_run` nothing is changed. Raises `LedgerError`, for a month that is not final too.
    """
    now = wall_clock()
    boundary = _first_kept(now, keep_months)
    first: int | None = None
    while (month := _next_month(engine, first, boundary)) is not None:
        first = hours_of_month(*month)[1]
        with writing(engine) as (connection, state):
            pruning = _Pruning(connection, state, month, boundary)
            found = pruning.count() if dry_run else pruning.remove()
        yield found
    if not dry_run:
        with writing(engine) as (connection, _):
            _forget(connection, boundary)


class _Pruning:
    """One month in one transaction. `boundary` is the first hour that is kept."""

    def __init__(self, connection: Connection, state: State, month: tuple[int, int], boundary: int) -> None:
        self._connection = connection
        self._state = state
        self._month = month
        self._first, self._after = hours_of_month(*month)
        self._boundary = boundary
        self._name = "{:04d}-{:02d}".format(*month)

    def count(self) -> Pruned:
        """Return what would be removed. Raises `LedgerError`."""
        if self._after > self._state.final_until:
            raise LedgerError(f"{self._name} has hours that are not final: it and later months stay")
        records = schema.records.c
        late = func.count().filter(records.period >= self._boundary)
        within = records.hour.between(self._first, self._after - 1)
        every, kept = self._connection.execute(select(func.count(), late).where(within)).one()
        return Pruned(month=self._name, removed=every - kept, kept=kept)

    def remove(self) -> Pruned:
        """Remove the month."""
        found = self.count()
        if found.kept or not self._drop_partitions():
            self._delete_records()
        for table in (schema.gpus, schema.gaps, schema.overlaps):
            within = table.c.hour.between(self._first, self._after - 1)
            self._connection.execute(delete(table).where(within, ~_has_record(table)))
        set_state(self._connection, removed_until=max(self._after, self._state.removed_until))
        return found

    def _delete_records(self) -> None:
        records = schema.records.c
        within = records.hour.between(self._first, self._after - 1)
        self._connection.execute(delete(schema.records).where(within, records.period < self._boundary))

    def _drop_partitions(self) -> bool:
        """Drop the month's tables and return whether the database has such."""
        if self._connection.dialect.name != "postgresql":
            return False
        for table in IN_MONTHS:
            if inspect(self._connection).has_table(name := partition(table, *self._month)):
                self._connection.execute(text(f"DROP TABLE {name}"))
        return True


def _first_kept(now: float, keep_months: int) -> int:
    today = datetime.fromtimestamp(now, UTC)
    months = today.year * 12 + today.month - 1 - keep_months
    return hours_of_month(months // 12, months % 12 + 1)[0]


def _next_month(engine: Engine, first: int | None, boundary: int) -> tuple[int, int] | None:
    """Return the first month from the hour `first` on that has records to remove."""
    records = schema.records.c
    old = [records.period < boundary, records.hour < boundary]
    if first is not None:
        old.append(records.hour >= first)
    with engine.connect() as connection:
        hour = connection.execute(select(func.min(records.hour)).where(*old)).scalar()
    return None if hour is None else month_of(hour)


def _has_record(table: Table) -> ColumnElement[bool]:
    same = [schema.records.c[name] == table.c[name] for name in schema.RECORD_KEY]
    return exists().where(*same)


def _forget(connection: Connection, boundary: int) -> None:
    """Remove what else is of before an hour, and VMs that have nothing left."""
    vms, records, corrections = schema.vms, schema.records, schema.corrections
    used = or_(exists().where(records.c.vm == vms.c.id), exists().where(corrections.c.vm == vms.c.id))
    for table, old in (
        (corrections, and_(corrections.c.hour < boundary, corrections.c.period < boundary)),
        (schema.final_hours, schema.final_hours.c.hour < boundary),
        (schema.refusals, schema.refusals.c.refused_at < boundary * SECONDS_PER_HOUR),
        (vms, ~used),
    ):
        connection.execute(delete(table).where(old))
