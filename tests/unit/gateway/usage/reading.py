"""Reads a whole ledger back, row by row, without the code that makes exports of it."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Engine, select

from hostcollector.catalogue.usage import METERS
from hostcollector.gateway.usage import schema


@dataclass(frozen=True, slots=True)
class Kept:
    """What a ledger has: sums by tenant, VM and meter, seconds to bill, and the records' places in time."""

    sums: Counter[tuple[str, str, str]]
    seconds: Counter[tuple[str, str]]
    positions: list[int]
    periods: dict[tuple[int, int, int, int], int]
    """The period of each record, by VM, hour, ledger and life."""

    final_until: int
    final_hours: list[int]


def read(engine: Engine) -> Kept:
    """Return everything that a ledger has."""
    sums: Counter[tuple[str, str, str]] = Counter()
    seconds: Counter[tuple[str, str]] = Counter()
    records, overlaps, vms = schema.records, schema.overlaps, schema.vms
    with engine.connect() as connection:
        names = {row.id: (row.tenant, row.vm) for row in connection.execute(select(vms))}
        rows = connection.execute(select(records)).all()
        for row in rows:
            for meter in METERS:
                if (amount := getattr(row, meter)) is not None:
                    sums[*names[row.vm], meter] += amount
            seconds[names[row.vm]] += row.running_seconds
        for row in connection.execute(select(overlaps)):
            seconds[names[row.vm]] -= row.running_seconds
        finals = connection.execute(select(schema.final_hours)).all()
        return Kept(
            sums=sums,
            seconds=seconds,
            positions=[row.position for row in rows] + [row.position for row in finals],
            periods={(row.vm, row.hour, row.ledger, row.life): row.period for row in rows},
            final_until=connection.execute(select(schema.state.c.final_until)).scalar_one(),
            final_hours=[row.hour for row in finals],
        )
