"""The accounts in PostgreSQL: the same as in SQLite, with a role that can only read."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from hostcollector.gateway.accounts import schema
from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.accounts.changes import Changes
from hostcollector.gateway.accounts.database import check_schema, connect, upgrade
from hostcollector.gateway.accounts.follower import TRUSTED_SECONDS, Follower
from hostcollector.gateway.accounts.last_use import LastUse
from hostcollector.gateway.accounts.metering import Metering
from hostcollector.gateway.errors import AccountsError, AccountsUnavailableError
from tests.fakes.clock import Clock
from tests.gateway.postgres import READER, Postgres, postgres
from tests.lab.process import until
from tests.unit.gateway.accounts import check_kept, check_no_plan_of_a_gone_tenant, fill_first_release

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Give a server with this release's tables and a reader's role."""
    with postgres() as running:
        engine = connect(running.settings("postgres"))
        upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text(f"CREATE ROLE {READER} LOGIN PASSWORD 'secret'"))
            connection.execute(text(f"GRANT UPDATE (last_used_at) ON tokens TO {READER}"))
            connection.execute(text(f"GRANT INSERT, UPDATE ON metered TO {READER}"))
            connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}"))
        engine.dispose()
        yield running


def test_the_migrations_make_the_tables_of_the_schema(server: Postgres) -> None:
    """Nothing is in the one and not in the other."""
    engine = connect(server.settings("postgres"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()


def test_two_upgrades_at_once_are_made_one_after_the_other(server: Postgres) -> None:
    """The second one waits for the lock of the first, and then finds the tables."""
    settings = server.settings("postgres")
    engine = connect(settings)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE twice"))
        twice = connect(replace(settings, database=f"{settings.database.rpartition('/')[0]}/twice"))
        with twice.begin() as first, ThreadPoolExecutor(1) as pool:
            first.execute(text("SELECT pg_advisory_xact_lock(hashtext('alembic_version'))"))
            second = pool.submit(upgrade, twice)
            waits = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'")
            until(lambda: connection.execute(waits).scalar_one() == 1, 30.0, "the second upgrade")
            assert inspect(first).get_table_names() == []
            first.commit()
            assert second.result(60)
    for each in (engine, twice):
        each.dispose()


def test_an_upgrade_keeps_what_the_first_release_had(server: Postgres) -> None:
    """In a database of its own: tenants, names and tokens of the first release go on."""
    settings = server.settings("postgres")
    engine = connect(settings)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE earlier"))
    engine.dispose()
    earlier = connect(replace(settings, database=f"{settings.database.rpartition('/')[0]}/earlier"))
    check_kept(earlier, fill_first_release(earlier))
    earlier.dispose()


def test_a_reader_follows_and_cannot_change(server: Postgres) -> None:
    """The workers' role sees every change of the operator's, and has no way to make one."""
    owner, reader = connect(server.settings("postgres")), connect(server.settings(READER))
    check_schema(reader)
    follower = Follower(reader)
    Changes(owner).add_tenant("a", "detailed")
    token = Changes(owner).issue_token("a", [Scope.PROMQL], 60)
    asyncio.run(follower.poll())
    last_use = LastUse(reader, lambda: 12345.6)
    last_use.note(token.split("_")[1])
    asyncio.run(last_use.write())
    last_use.close()
    metering = Metering(reader, lambda: 7200.0)
    for size in (100, 23):
        metering.note("a", "detailed", size)
        asyncio.run(metering.write())
    metering.close()
    with reader.connect() as connection:
        assert connection.execute(select(schema.tokens.c.last_used_at)).scalar_one() == 12345
        assert connection.execute(select(schema.metered)).one() == (2, "a", "detailed", 2, 123)
    assert set(follower.accounts.tenants) == {"a"}
    assert token.split("_")[1] in follower.accounts.tokens
    for change in (
        lambda: Changes(reader).add_tenant("b", "detailed"),
        lambda: Changes(reader).revoke_token(token.split("_")[1]),
        lambda: Changes(reader).issue_token("a", [Scope.PROMQL], 60),
    ):
        with pytest.raises(AccountsError, match="permission denied"):
            change()
    follower.close()
    owner.dispose()


def test_changes_of_one_tenant_at_once_are_one_after_the_other(server: Postgres) -> None:
    """As in SQLite: a plan for a tenant that is being removed is refused."""
    engine = connect(server.settings("postgres"))
    check_no_plan_of_a_gone_tenant(engine)
    engine.dispose()


def test_a_server_that_stops_is_trusted_for_a_minute(server: Postgres) -> None:
    """The copy holds so long; when the server is back, the worker follows it again."""
    clock = Clock()
    follower = Follower(connect(server.settings(READER)), clock)
    asyncio.run(follower.poll())
    server.control("stop", "-m", "fast")
    clock.now += TRUSTED_SECONDS
    asyncio.run(follower.poll())
    assert follower.accounts.version
    clock.now += 1
    with pytest.raises(AccountsUnavailableError):
        _ = follower.accounts
    server.control("start")
    asyncio.run(follower.poll())
    assert follower.accounts.version
    follower.close()
