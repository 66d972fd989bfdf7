"""Records as rows of the ledger: which are new, which repeat others, and which seconds are on two hosts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, select

from hostcollector.catalogue.usage import METERS, SECONDS_PER_HOUR, Ended, GpuMode, UsageRecord, Why
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.intervals import Intervals, common_seconds, packed, union, unpacked
from hostcollector.gateway.usage.names import MOST_AT_ONCE

Row = dict[str, Any]

ENDED = tuple(Ended)
"""The reasons by the number that a column has: only ever append."""

WHY = tuple(Why)
MODES = tuple(GpuMode)


@dataclass(slots=True)
class Rows:
    """Rows to be inserted, by table."""

    records: list[Row] = field(default_factory=list)
    gpus: list[Row] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)
    overlaps: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Taken:
    """A record that the ledger has: whose it is, its body, and when the VM ran."""

    ledger: int
    life: int
    digest: int
    running: Intervals


TakenByHour = defaultdict[tuple[str, int], list[tuple[int, Taken]]]
"""Records by UUID and hour, each with the number of its VM: another tenant's has another one."""


def hour_of(record: UsageRecord) -> int:
    """Return the hour of a record, counted from 1970."""
    return record.hour // SECONDS_PER_HOUR


def life_of(record: UsageRecord) -> int:
    """Return a life as a column has it: 64 bits with a sign."""
    return int.from_bytes(bytes.fromhex(record.life), signed=True)


def life_text(number: int) -> str:
    """Return the life that a column has."""
    return number.to_bytes(8, signed=True).hex()


def digest_of(record: UsageRecord) -> int:
    """Return a part of the hash of what a record says beside its sequence number."""
    body = replace(record, sequence=0).line()
    return int.from_bytes(sha256(body.encode()).digest()[:8], signed=True)


def running_of(record: UsageRecord) -> Intervals:
    """Return when the VM ran, in seconds of the hour."""
    return tuple((start - record.hour, end - record.hour) for start, end in record.running)


def taken_by_hour(connection: Connection, vms: Mapping[int, str], hours: tuple[int, int]) -> TakenByHour:
    """Return the records that the ledger has of VMs, by UUID, between two hours and with them."""
    table, found = schema.records, TakenByHour(list)
    columns = (table.c.vm, table.c.hour, table.c.ledger, table.c.life, table.c.digest, table.c.running)
    numbers = sorted(vms)
    for first in range(0, len(numbers), MOST_AT_ONCE):
        some = table.c.vm.in_(numbers[first : first + MOST_AT_ONCE])
        for row in connection.execute(select(*columns).where(some, table.c.hour.between(*hours))):
            taken = Taken(row.ledger, row.life, row.digest, unpacked(row.running))
            found[vms[row.vm], row.hour].append((row.vm, taken))
    return found


def doubled_seconds(running: Intervals, vm: int, others: Sequence[tuple[int, Taken]]) -> int:
    """Return for how many of the seconds the ledger has the same VM running already."""
    return common_seconds(running, union(taken.running for number, taken in others if number == vm))


def runs_for_another(running: Intervals, vm: int, others: Sequence[tuple[int, Taken]]) -> bool:
    """Return whether the ledger has the same UUID running for another tenant in some of the seconds."""
    foreign = union(taken.running for number, taken in others if number != vm)
    return common_seconds(running, foreign) > 0


def add_record(
    rows: Rows, record: UsageRecord, key: Row, words: Mapping[str, int], doubled: int, more: Row
) -> None:
    """Add a record's rows; `more` are the columns that the ledger decides."""
    rows.records.append(
        {
            **key,
            **more,
            "sequence": record.sequence,
            "observed_seconds": record.observed_seconds,
            "unseen_seconds": record.unseen_seconds,
            "ended": ENDED.index(record.ended),
            "flavour": words[record.flavour] if record.flavour else None,
            "running": packed(running_of(record)),
            **{name: record.meters.get(name) for name in METERS},
        }
    )
    length = record.meters["running_seconds"]
    rows.gpus += [
        {
            **key,
            "number": number,
            "mode": MODES.index(gpu.mode),
            "model": words[gpu.model],
            "profile": words[gpu.profile],
            "seconds": gpu.seconds,
            "joules": gpu.joules,
            "doubled_seconds": gpu.seconds * doubled // length if doubled else 0,
        }
        for number, gpu in enumerate(record.gpus)
    ]
    rows.gaps += [
        {**key, "number": number, "reason": WHY.index(gap.reason), "start": gap.start, "end": gap.end}
        for number, gap in enumerate(record.gaps)
    ]
    if doubled:
        twice = {name: record.meters.get(name, 0) * doubled // length for name in schema.DOUBLED}
        rows.overlaps.append({**key, **twice})


def words_of(records: Sequence[UsageRecord]) -> set[str]:
    """Return the words that the rows of records have as numbers."""
    gpus = [gpu for record in records for gpu in record.gpus]
    flavours = {record.flavour for record in records if record.flavour}
    return flavours | {gpu.model for gpu in gpus} | {gpu.profile for gpu in gpus}
