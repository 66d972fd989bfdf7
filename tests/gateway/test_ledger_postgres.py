"""The usage ledger in PostgreSQL: months as partitions, roles, and two intakes at once."""

import threading
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, func, insert, inspect, select, text, update
from sqlalchemy.exc import ProgrammingError

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, GpuMode, GpuUse
from hostcollector.gateway.database import connect
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.settings import LedgerSettings
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.answers import Answer, Refused
from hostcollector.gateway.usage.correcting import correct
from hostcollector.gateway.usage.database import SCHEMA, check_schema, upgrade
from hostcollector.gateway.usage.erasing import reduce_tenant
from hostcollector.gateway.usage.exports import Entry, page_of_all, page_of_tenant
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.months import By, Span, State, observed_by_hour, usage_of
from hostcollector.gateway.usage.pruning import Pruned, prune
from hostcollector.gateway.usage.reading import LedgerReader
from tests.gateway.postgres import Postgres, postgres
from tests.unit.gateway.usage.hosts import Fleet, fill, place
from tests.unit.gateway.usage.interrupted import interrupted_export
from tests.unit.gateway.usage.reading import read
from tests.unit.gateway.usage.records import START, answer, clock, closed, correction, usage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

FIRST = START // SECONDS_PER_HOUR
SPAN = Span(first=FIRST, after=FIRST + 720)
LATER = Span(first=FIRST + 100, after=FIRST + 101)
INTAKE, READER = "ledger_intake", "ledger_reader"
GRANTS = (
    f"CREATE ROLE {INTAKE} LOGIN PASSWORD 'secret'",
    f"CREATE ROLE {READER} LOGIN PASSWORD 'secret'",
    f"CREATE SCHEMA ledger AUTHORIZATION {INTAKE}",
    f"ALTER ROLE {INTAKE} SET search_path = ledger",
    f"ALTER ROLE {READER} SET search_path = ledger",
    f"GRANT USAGE ON SCHEMA ledger TO {READER}",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {INTAKE} IN SCHEMA ledger GRANT SELECT ON TABLES TO {READER}",
)
"""The statements of docs/usage.md."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Give a server with the roles of the documentation, and this release's tables."""
    with postgres() as running:
        owner = connect(running.settings("postgres"))
        with owner.begin() as connection:
            for statement in GRANTS:
                connection.execute(text(statement))
        owner.dispose()
        intake = engine_of(running, INTAKE)
        upgrade(intake)
        intake.dispose()
        yield running


def engine_of(server: Postgres, role: str) -> Engine:
    """Return how a role reaches the ledger."""
    settings = server.settings(role)
    return connect(LedgerSettings(database=settings.database, password_file=settings.password_file))


@pytest.fixture
def engine(server: Postgres) -> Iterator[Engine]:
    """Give the intake's way to an empty ledger."""
    made = engine_of(server, INTAKE)
    with made.begin() as connection:
        for table in schema.metadata.sorted_tables:
            connection.execute(table.delete())
        connection.execute(insert(schema.state), {"id": 1, "position": 0, "final_until": 0})
    yield made
    made.dispose()


def test_the_migrations_make_the_tables_of_the_schema(engine: Engine) -> None:
    """Nothing is in the one and not in the other."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": SCHEMA.version_table})
        found = compare_metadata(context, schema.metadata)
    assert [each for each in found if "_20" not in str(each)] == []


def test_months_are_partitions(engine: Engine) -> None:
    """A record's month is made when its first record comes."""
    ledger = Ledger(engine, lambda: clock(24 * 40))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1), usage(2, hour=24 * 20), closed(3, hour=24 * 20)]))
    tables = set(inspect(engine).get_table_names())
    assert {"usage_records_2026_11", "usage_records_2026_12", "usage_gpus_2026_12"} <= tables
    with engine.connect() as connection:
        for month in ("11", "12"):
            rows = connection.execute(text(f"SELECT count(*) FROM usage_records_2026_{month}"))
            assert rows.scalar_one() == 1


def test_an_old_month_is_dropped_with_its_tables(engine: Engine) -> None:
    """Where an adjustment counts in a month that is kept, the month's table stays with that row alone."""
    ledger = Ledger(engine, lambda: clock(24 * 100))
    ledger.list_hosts(["hv1:10177"])
    december = 24 * 20
    gpu = GpuUse(model="H200", mode=GpuMode.MIG, seconds=1)
    ledger.take(answer([usage(1, gpus=[gpu]), usage(2, hour=december, gpus=[gpu]), closed(3, hour=24 * 99)]))
    ledger.finish_hours(6)
    ledger.take(answer([usage(4, vm=2, hour=december, gpus=[gpu])], after=3))

    def run(*, dry_run: bool) -> list[Pruned]:
        return list(prune(engine, 2, dry_run=dry_run, wall_clock=lambda: clock(24 * 140)))

    expected = [Pruned(month="2026-11", removed=1, kept=0), Pruned(month="2026-12", removed=1, kept=1)]
    assert run(dry_run=True) == expected
    assert run(dry_run=False) == expected
    assert run(dry_run=False) == []
    tables = set(inspect(engine).get_table_names())
    assert not tables & {"usage_records_2026_11", "usage_gpus_2026_11"}
    with engine.connect() as connection:
        rows = connection.execute(select(schema.records.c.sequence, schema.records.c.hour)).all()
        assert [tuple(row) for row in rows] == [(4, FIRST + december)]
        assert connection.execute(select(func.count()).select_from(schema.gpus)).scalar_one() == 1
        assert connection.execute(select(func.count()).select_from(schema.vms)).scalar_one() == 1
    ledger = Ledger(engine, lambda: clock(24 * 140))
    assert ledger.take(answer([usage(1, gpus=[gpu])])).refused == {Refused.OLD: 1}


def test_the_serving_process_can_only_read(server: Postgres, engine: Engine) -> None:
    """Its role reads everything, also months that are made later, and has no way to change anything."""
    ledger = Ledger(engine, lambda: clock(24 * 100))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1, hour=24 * 60), closed(2, hour=24 * 60)]))
    reader = engine_of(server, READER)
    check_schema(reader)
    with reader.connect() as connection:
        assert connection.execute(select(func.count()).select_from(schema.records)).scalar_one() == 1
    for change in (
        update(schema.records).values(running_seconds=0),
        schema.records.delete(),
        insert(schema.words).values(word="x"),
        update(schema.state).values(position=0),
        text("DROP TABLE usage_gaps"),
        text("CREATE TABLE more (id int)"),
        text("TRUNCATE usage_records"),
    ):
        with (
            reader.connect() as connection,
            pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        ):
            connection.execute(change)
    with pytest.raises(LedgerError, match="permission denied"):
        Ledger(reader).take(answer([usage(1)]))
    reader.dispose()


def test_two_intakes_at_once_store_each_record_once(server: Postgres, engine: Engine) -> None:
    """Both pull the same hosts at the same time; the ledger ends as if one had."""
    fleet = Fleet(seed=7)
    for _ in range(60):
        fleet.end_hour()
    engines = [engine_of(server, INTAKE) for _ in range(2)]
    intakes = [Ledger(each, lambda: clock(61)) for each in engines]
    intakes[0].list_hosts([host.target for host in fleet.hosts])
    begin, failures = threading.Barrier(2), []

    def run(ledger: Ledger) -> None:
        begin.wait()
        try:
            for host in fleet.hosts:
                name = place(host, 0).ledger
                while (found := host.answer(ledger.place_of_ledger(name), 20)) and found.lines:
                    ledger.take(found)
                ledger.finish_hours(6)
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in intakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    kept = read(engine)
    assert len(kept.periods) == len(fleet.written)
    assert kept.sums == fleet.sums()
    assert +kept.seconds == +fleet.seconds()
    assert len(set(kept.positions)) == len(kept.positions)
    assert kept.final_hours == sorted(set(kept.final_hours))
    for each in engines:
        each.dispose()


def test_an_answer_that_is_taken_twice_at_the_same_time_is_taken_once(
    server: Postgres, engine: Engine
) -> None:
    """The second transaction waits for the first, and finds its records."""
    Ledger(engine, lambda: clock(3)).list_hosts(["hv1:10177"])
    lines: Answer = answer([usage(number, vm=number) for number in range(1, 200)])
    engines = [engine_of(server, INTAKE) for _ in range(4)]
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda e=each: found.append(Ledger(e, lambda: clock(3)).take(lines).new))
        for each in engines
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 0, 0, 199]
    for each in engines:
        each.dispose()


def test_a_page_is_of_one_moment(engine: Engine) -> None:
    """Its statements see what was there at the first one, whatever the intake writes meanwhile."""
    assert interrupted_export(engine) == [1, 3]


def test_a_tenants_usage_is_the_same_as_in_sqlite(server: Postgres, engine: Engine) -> None:
    """Sums by month, day, hour and VM, pages of records and the reduction, with the role that only reads."""
    fleet = Fleet(seed=11)
    fill(engine, fleet, hours=30)
    settings = server.settings(READER)
    own = LedgerSettings(database=settings.database, password_file=settings.password_file)
    reader = LedgerReader(connect(own, reads_only=True))
    with reader.open() as reading:
        for by in By:
            amounts = usage_of(reading, "a", SPAN, by).values()
            for meter in ("disk_read_bytes", "memory_allocated_byte_seconds", "vcpu_used_seconds"):
                total = sum(each.meters.get(meter, 0) for each in amounts)
                wanted = sum(value for key, value in fleet.sums().items() if key[::2] == ("a", meter))
                assert total <= wanted if meter.startswith("memory") else total == wanted
            seconds = sum(each.meters["running_seconds"] for each in amounts)
            assert seconds == sum(value for (tenant, _), value in fleet.seconds().items() if tenant == "a")
            assert sum(each.gpu_seconds.total() for each in amounts) > 0
        assert sum(dict(observed_by_hour(reading, "a", SPAN)).values()) > 0
        every = page_of_all(reading, 0, 10_000).entries
        assert {e.record.id for e in every if isinstance(e, Entry)} == set(fleet.written)
        own_page = page_of_tenant(reading, "a", SPAN, 0, 10_000).entries
        assert all(e.record.tenant == "a" for e in own_page if isinstance(e, Entry))
        entry = next(each for each in own_page if isinstance(each, Entry))
    done = correct(engine, correction(entry.record, "disk_writes", 10**9), lambda: clock(100))
    with reader.open() as reading:
        (late,) = page_of_tenant(reading, "a", LATER, 0, 10).entries
        assert isinstance(late, Entry)
        assert late.record.id == done.id
        for by in By:
            ((key, found),) = usage_of(reading, "a", LATER, by).items()
            assert (key.state, found.meters) == (State.ADJUSTMENT, {"disk_writes": done.difference})
        before = dict(usage_of(reading, "a", SPAN, By.DAY))
    assert "reduced" in reduce_tenant(engine, "a")
    with reader.open() as reading:
        assert dict(usage_of(reading, "a", SPAN, By.DAY)) == before
    reader.close()
