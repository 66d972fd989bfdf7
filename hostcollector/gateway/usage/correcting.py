"""Corrections by an operator: each is one more row with a difference. No record is ever changed.

A correction counts in the hour in which it is made, as what comes late does, so it changes no invoice.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, insert, select

from hostcollector.catalogue.usage import METERS, SECONDS_PER_HOUR, UsageLineError, hour_of_text, record_id
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.plausible import MOST
from hostcollector.gateway.usage.rows import life_text
from hostcollector.gateway.usage.writing import period_of, set_state, writing

LONGEST_REASON = 256
LONGEST_AUTHOR = 128
MOST_REVISIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What the billed amount of a meter is to be in the record `id`, which is one of a VM in an hour.

    The hour is written as in the record. `author` has decided it; tenants see the `reason` alone.
    """

    id: str
    vm: str
    hour: str
    meter: str
    amount: int
    reason: str
    author: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """What was written: the correction's id and revision, and by how much the meter differs."""

    id: str
    revision: int
    difference: int


def correct(engine: Engine, wanted: Correction, wall_clock: Callable[[], float] = time.time) -> Corrected:
    """Write a correction; the same one again is refused, since the record has the amount then.

    Raises `LedgerError`.
    """
    if problem := next(_problems(wanted), ""):
        raise LedgerError(problem)
    now = int(wall_clock())
    with writing(engine) as (connection, state):
        row = _record(connection, wanted)
        corrections = schema.corrections
        same = [corrections.c[name] == getattr(row, name) for name in schema.RECORD_KEY]
        earlier = connection.execute(select(corrections).where(*same)).all()
        changes = [each.difference for each in earlier if each.meter == wanted.meter]
        billed = _billed(row, wanted.meter) + sum(changes)
        known = bool(changes) or getattr(row, wanted.meter) is not None
        if known and billed == wanted.amount:
            raise LedgerError(f"the record has {wanted.meter} {billed} already: nothing was corrected")
        revision = len(earlier) + 1
        if revision > MOST_REVISIONS:
            raise LedgerError(f"the record has {MOST_REVISIONS} corrections: nothing was corrected")
        values = {
            **{name: getattr(row, name) for name in schema.RECORD_KEY},
            "revision": revision,
            "period": period_of(state, now),
            "position": state.position + 1,
            "corrected_at": now,
            "author": wanted.author,
            "reason": wanted.reason,
            "meter": wanted.meter,
            "difference": wanted.amount - billed,
        }
        connection.execute(insert(corrections), values)
        set_state(connection, position=state.position + 1)
    return Corrected(_id(row, wanted, revision), revision, wanted.amount - billed)


def _problems(wanted: Correction) -> Iterator[str]:
    if wanted.meter not in METERS:
        yield f"{wanted.meter[:80]!a} is no meter that can be corrected; there are {', '.join(METERS)}"
    elif not 0 <= wanted.amount <= MOST[wanted.meter]:
        yield f"{wanted.meter} of one record is 0 to {MOST[wanted.meter]}"
    for name, longest in (("reason", LONGEST_REASON), ("author", LONGEST_AUTHOR)):
        text: str = getattr(wanted, name)
        if not text.strip() or len(text) > longest or not text.isprintable():
            yield f"{name} takes 1 to {longest} printable characters"


def _record(connection: Connection, wanted: Correction) -> Row[Any]:
    """Return the record among those of the VM and the hour. Raises `LedgerError`."""
    records, vms, overlaps = schema.records, schema.vms, schema.overlaps
    same = [records.c[name] == overlaps.c[name] for name in schema.RECORD_KEY]
    source = (
        records.join(vms, records.c.vm == vms.c.id)
        .join(schema.ledgers, records.c.ledger == schema.ledgers.c.id)
        .outerjoin(overlaps, and_(*same))
    )
    doubled = [overlaps.c[name].label(f"doubled_{name}") for name in schema.DOUBLED]
    statement = select(records, vms.c.tenant, schema.ledgers.c.name.label("ledger_name"), *doubled)
    try:
        hour = hour_of_text(wanted.hour) // SECONDS_PER_HOUR
    except UsageLineError as error:
        raise LedgerError(str(error)) from None
    found = connection.execute(
        statement.select_from(source).where(vms.c.vm == wanted.vm, records.c.hour == hour)
    )
    for row in found:
        if _id(row, wanted) == wanted.id:
            return row
    raise LedgerError("the VM has no record with this id in this hour: nothing was corrected")


def _id(row: Any, wanted: Correction, revision: int = 0) -> str:
    life = life_text(row.life)
    return record_id(row.ledger_name, row.tenant, wanted.vm, life, row.hour * SECONDS_PER_HOUR, revision)


def _billed(row: Any, meter: str) -> int:
    """Return what is billed of a meter before any correction: without what another record has too."""
    doubled = getattr(row, f"doubled_{meter}") if meter in schema.DOUBLED else None
    return (getattr(row, meter) or 0) - (doubled or 0)
