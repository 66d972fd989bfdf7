"""Writes the ledger: each record once, in the transaction that also moves the ledger's cursor.

Writers follow each other. So two intakes at once, an answer that is taken twice and one that comes late all
end in the same rows.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, HourClosed, UsageRecord
from hostcollector.gateway.database import reason
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.usage import names, rows, schema
from hostcollector.gateway.usage.answers import KEPT_BYTES, Answer, Place, Refused, RefusedLine
from hostcollector.gateway.usage.database import make_month, month_of
from hostcollector.gateway.usage.names import Source
from hostcollector.gateway.usage.writing import State, period_of, set_state, writing

AHEAD_SECONDS = 300
"""How far a host's clock may be ahead: it closes an hour so much earlier."""

OLDEST_HOURS = 400 * 24
"""How old a record may be. Hosts keep theirs for 40 days."""

KEPT_REFUSALS = 1000
"""Refused lines that are kept of one host, whatever its ledgers are called; further ones are counted only."""


@dataclass(slots=True)
class Outcome:
    """What became of an answer. `late` are new records of hours that were final already."""

    new: int = 0
    late: int = 0
    repeated: int = 0
    lost: int = 0
    overlap_seconds: int = 0
    foreign_overlaps: int = 0
    replaced: bool = False
    refused: Counter[Refused] = field(default_factory=Counter)
    place: Place = field(default_factory=lambda: Place(ledger=""))


class Ledger:
    """One ledger's database. `wall_clock` gives Unix time in seconds. All methods raise `LedgerError`."""

    def __init__(self, engine: Engine, wall_clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._wall_clock = wall_clock

    def list_hosts(self, targets: Collection[str]) -> None:
        """Take the list of hosts: hours are final when all of them have closed them."""
        with writing(self._engine) as (connection, _):
            names.list_hosts(connection, targets)

    def place_of_host(self, target: str) -> Place:
        """Return where a host's present ledger is to be read on."""
        with self._reading() as connection:
            return names.place_of_host(connection, target)

    def place_of_ledger(self, ledger: str) -> Place:
        """Return where a ledger is to be read on, whichever host has it."""
        with self._reading() as connection:
            return names.place_of_ledger(connection, ledger)

    def reread(self, target: str) -> None:
        """Let a host's present ledger be read from its beginning."""
        with writing(self._engine) as (connection, _):
            place = names.place_of_host(connection, target)
            if not place.ledger:
                raise LedgerError(f"{target[:80]!a} is no host whose ledger was read")
            table = schema.ledgers
            connection.execute(update(table).where(table.c.name == place.ledger).values(cursor=0))

    def take(self, answer: Answer) -> Outcome:
        """Store what is new in an answer, and move the ledger's cursor."""
        with writing(self._engine) as (connection, state):
            return _Writing(connection, state, answer, int(self._wall_clock())).run()

    def finish_hours(self, final_hours: int) -> int:
        """Make hours final that all hosts have closed, or that ended `final_hours` ago; return how many.

        To be called after a round over all hosts: time alone makes no hour final while the intake is down.
        """
        now = int(self._wall_clock())
        with writing(self._engine) as (connection, state):
            table = schema.hosts
            closed = list(connection.execute(select(table.c.closed_until)).scalars())
            by_hosts = min((until or 0 for until in closed), default=0)
            end = min(now // SECONDS_PER_HOUR, max(by_hosts, now // SECONDS_PER_HOUR - final_hours))
            first = state.final_until or _first_hour(connection, end)
            final = [
                {
                    "hour": hour,
                    "position": state.position + number,
                    "final_at": now,
                    "hosts": len(closed),
                    "hosts_closed": sum((until or 0) > hour for until in closed),
                }
                for number, hour in enumerate(range(first, end), start=1)
            ]
            if final:
                connection.execute(insert(schema.final_hours), final)
                set_state(connection, position=state.position + len(final), final_until=end)
            return len(final)

    def closed_until(self) -> dict[str, int | None]:
        """Return for each host of the list the Unix time up to which it has closed its hours."""
        with self._reading() as connection:
            table = schema.hosts
            found = connection.execute(select(table.c.target, table.c.closed_until)).all()
        return {
            row.target: None if row.closed_until is None else row.closed_until * SECONDS_PER_HOUR
            for row in found
        }

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger cannot be read: {reason(error)}") from error


class _Writing:
    """One answer in one transaction."""

    def __init__(self, connection: Connection, state: State, answer: Answer, now: int) -> None:
        self._connection = connection
        self._state = state
        self._answer = answer
        self._now = now
        self._outcome = Outcome(lost=answer.lost)
        self._refused: list[RefusedLine] = []

    def run(self) -> Outcome:
        """Write everything, and return what became of it."""
        source = names.source_of(self._connection, self._answer.target, self._answer.ledger)
        self._outcome.replaced = source.replaced
        closed = [
            line.hour // SECONDS_PER_HOUR + 1 for line in self._answer.lines if isinstance(line, HourClosed)
        ]
        records = [line for line in self._answer.lines if isinstance(line, UsageRecord)]
        self._refused += [line for line in self._answer.lines if isinstance(line, RefusedLine)]
        self._require_past([*closed, *(rows.hour_of(record) + 1 for record in records)])
        if records := [record for record in records if not self._is_old(record)]:
            self._insert(self._new_rows(records, source))
        self._keep_refused(source)
        self._move(source, max(closed, default=0))
        return self._outcome

    def _require_past(self, ends: Sequence[int]) -> None:
        """Refuse the whole answer of a host whose clock is ahead: it is read again later."""
        if max(ends, default=0) * SECONDS_PER_HOUR > self._now + AHEAD_SECONDS:
            raise LedgerError(
                f"{self._answer.target[:80]!a} has closed an hour that has not ended: is its clock right?"
            )

    def _is_old(self, record: UsageRecord) -> bool:
        oldest = max(self._now // SECONDS_PER_HOUR - OLDEST_HOURS, self._state.removed_until)
        old = rows.hour_of(record) < oldest
        if old:
            self._refuse(record, Refused.OLD)
        return old

    def _new_rows(self, records: Sequence[UsageRecord], source: Source) -> rows.Rows:
        hours = sorted({rows.hour_of(record) for record in records})
        for month in sorted(set(map(month_of, hours))):
            make_month(self._connection, *month)
        vms = names.vm_numbers(self._connection, {(record.tenant, record.vm) for record in records})
        namesakes = names.namesakes(self._connection, {record.vm for record in records})
        known = {**namesakes, **{number: vm for (_, vm), number in vms.items()}}
        words = names.word_numbers(self._connection, rows.words_of(records))
        taken = rows.taken_by_hour(self._connection, known, (hours[0], hours[-1]))
        found = rows.Rows()
        for record in records:
            vm, hour = vms[record.tenant, record.vm], rows.hour_of(record)
            own = rows.Taken(
                source.ledger, rows.life_of(record), rows.digest_of(record), rows.running_of(record)
            )
            others = taken[record.vm, hour]
            if self._is_repeated(record, vm, own, others):
                continue
            doubled = rows.doubled_seconds(own.running, vm, others)
            key = {"vm": vm, "hour": hour, "ledger": own.ledger, "life": own.life}
            rows.add_record(found, record, key, words, doubled, self._decided(hour, own.digest))
            self._count(hour, doubled, vm, own, others)
            others.append((vm, own))
        return found

    def _is_repeated(
        self, record: UsageRecord, vm: int, own: rows.Taken, others: Sequence[tuple[int, rows.Taken]]
    ) -> bool:
        for number, taken in others:
            if (number, taken.ledger, taken.life) == (vm, own.ledger, own.life):
                if taken.digest == own.digest:
                    self._outcome.repeated += 1
                else:
                    self._refuse(record, Refused.CONFLICT)
                return True
        return False

    def _decided(self, hour: int, digest: int) -> rows.Row:
        """Return the columns that the ledger decides: what comes after its hour is final counts now."""
        period = hour if hour >= self._state.final_until else period_of(self._state, self._now)
        self._outcome.new += 1
        return {"period": period, "position": self._state.position + self._outcome.new, "digest": digest}

    def _count(
        self, hour: int, doubled: int, vm: int, own: rows.Taken, others: Sequence[tuple[int, rows.Taken]]
    ) -> None:
        self._outcome.late += hour < self._state.final_until
        self._outcome.overlap_seconds += doubled
        self._outcome.foreign_overlaps += rows.runs_for_another(own.running, vm, others)

    def _refuse(self, record: UsageRecord, why: Refused) -> None:
        line = RefusedLine(sequence=record.sequence, reason=why, text=record.line()[:KEPT_BYTES])
        self._refused.append(line)

    def _insert(self, found: rows.Rows) -> None:
        for table, some in (
            (schema.records, found.records),
            (schema.gpus, found.gpus),
            (schema.gaps, found.gaps),
            (schema.overlaps, found.overlaps),
        ):
            if some:
                self._connection.execute(insert(table), some)
        if self._outcome.new:
            set_state(self._connection, position=self._state.position + self._outcome.new)

    def _keep_refused(self, source: Source) -> None:
        self._outcome.refused.update(line.reason for line in self._refused)
        if not self._refused:
            return
        ledgers = schema.ledgers
        of_host = select(func.coalesce(func.sum(ledgers.c.refused), 0)).where(ledgers.c.host == source.host)
        kept = self._refused[: max(0, KEPT_REFUSALS - self._connection.execute(of_host).scalar_one())]
        if not kept:
            return
        counted = update(ledgers).where(ledgers.c.id == source.ledger)
        self._connection.execute(counted.values(refused=ledgers.c.refused + len(kept)))
        at = {"ledger": source.ledger, "refused_at": self._now}
        lines = [{**at, "sequence": line.sequence, "reason": line.reason, "line": line.text} for line in kept]
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        self._connection.execute(dialect.insert(schema.refusals).on_conflict_do_nothing(), lines)

    def _move(self, source: Source, closed_until: int) -> None:
        """Move the cursor, never back unless the ledger went back: a late answer has been overtaken."""
        hosts, ledgers = schema.hosts, schema.ledgers
        place = names.place_of_ledger(self._connection, self._answer.ledger)
        last = self._answer.last
        cursor = last if self._answer.rewound else max(place.cursor, last)
        moved = update(ledgers).where(ledgers.c.id == source.ledger)
        self._connection.execute(moved.values(cursor=cursor, host=source.host))
        until = func.coalesce(hosts.c.closed_until, 0)
        seen = update(hosts).where(hosts.c.id == source.host).values(seen_at=self._now)
        self._connection.execute(seen)
        if closed_until:
            later = update(hosts).where(hosts.c.id == source.host, until < closed_until)
            self._connection.execute(later.values(closed_until=closed_until))
        self._outcome.place = Place(ledger=self._answer.ledger, cursor=cursor)


def _first_hour(connection: Connection, end: int) -> int:
    """Return the hour at which a new ledger's final hours begin."""
    earliest = connection.execute(select(func.min(schema.records.c.hour))).scalar()
    return end if earliest is None else min(end, earliest)
