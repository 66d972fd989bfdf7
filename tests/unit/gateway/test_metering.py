"""What tenants have read reaches the accounts database once, from several workers, and across failures."""

import asyncio
from pathlib import Path

from sqlalchemy import Engine, select, update

from hostcollector.gateway.accounts import schema
from hostcollector.gateway.accounts.changes import Changes
from hostcollector.gateway.accounts.metering import Metering
from hostcollector.gateway.usage.months import Span
from hostcollector.gateway.usage.service import Service, ServiceReader
from tests.fakes.clock import Clock
from tests.unit.gateway.accounts import database

HOUR = 3600


def _at(hour: float) -> Clock:
    clock = Clock()
    clock.now = hour * HOUR
    return clock


def _rows(engine: Engine) -> dict[tuple[int, str, str], tuple[int, int]]:
    with engine.connect() as connection:
        return {
            (row.hour, row.tenant, row.plan): (row.requests, row.bytes)
            for row in connection.execute(select(schema.metered))
        }


def test_several_workers_add_to_the_same_hour(tmp_path: Path) -> None:
    """Requests and bytes by tenant, plan and hour; a second write adds what is new."""
    engine, clock = database(tmp_path), _at(10)
    workers = [Metering(engine, clock) for _ in range(2)]

    async def run() -> None:
        for metering in workers:
            metering.note("a", "basic", 100)
            metering.note("a", "basic", 50)
            metering.note("b", "detailed", 7)
            await metering.write()
            await metering.write()
        clock.now += HOUR
        workers[0].note("a", "basic", 1)
        await workers[0].write()

    asyncio.run(run())
    for metering in workers:
        metering.close()
    assert _rows(engine) == {
        (10, "a", "basic"): (4, 300),
        (10, "b", "detailed"): (2, 14),
        (11, "a", "basic"): (1, 1),
    }


def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    """A database that is gone for a while costs nothing."""
    engine = database(tmp_path)
    metering = Metering(engine, _at(10))

    async def run() -> None:
        metering.note("a", "basic", 1)
        await metering.write()
        metering.note("a", "basic", 2)
        await asyncio.to_thread(rename, "away", "metered")
        await metering.write()

    def rename(now: str, then: str) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {now} RENAME TO {then}")

    rename("metered", "away")
    asyncio.run(run())
    metering.close()
    assert _rows(engine) == {(10, "a", "basic"): (2, 3)}


def test_seconds_belong_to_the_plan_at_the_beginning_of_their_hour(tmp_path: Path) -> None:
    """A change of plan within an hour counts from the next one; others' metering stays theirs."""
    engine, clock = database(tmp_path), _at(0)
    changes = Changes(engine, clock)
    changes.add_tenant("a", "basic")
    clock.now = 2.5 * HOUR
    changes.set_plan("a", "detailed")
    with engine.begin() as connection:
        rows = [
            (1, "a", "basic", 5, 50),
            (3, "a", "detailed", 1, 10),
            (3, "b", "detailed", 9, 90),
            (99, "a", "x", 1, 1),
        ]
        keys = ("hour", "tenant", "plan", "requests", "bytes")
        connection.execute(schema.metered.insert(), [dict(zip(keys, row, strict=True)) for row in rows])
    observed = [(0, 100), (2, 200), (3, 400)]
    found = ServiceReader(engine).service_of("a", Span(first=0, after=24), observed)
    assert found == {
        "basic": Service(monitored_vm_seconds=300, requests=5, bytes=50),
        "detailed": Service(monitored_vm_seconds=400, requests=1, bytes=10),
    }


def test_plans_of_before_the_upgrade_count_from_the_tenants_beginning(tmp_path: Path) -> None:
    """The first period of a tenant also has what was before it."""
    engine = database(tmp_path)
    Changes(engine, _at(10)).add_tenant("a", "basic")
    with engine.begin() as connection:
        connection.execute(update(schema.plan_periods).values(since=20 * HOUR))
    found = ServiceReader(engine).service_of("a", Span(first=0, after=24), [(1, 7)])
    assert found == {"basic": Service(monitored_vm_seconds=7)}
