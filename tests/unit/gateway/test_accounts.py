"""Tenants and tokens in the database, and the copy that workers have of it."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from hostcollector.gateway.accounts import migrations, schema
from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.accounts.changes import LONGEST_LIFE_SECONDS, Changes
from hostcollector.gateway.accounts.database import check_schema, connect, upgrade
from hostcollector.gateway.accounts.follower import TRUSTED_SECONDS, Follower
from hostcollector.gateway.errors import AccountsError, AccountsUnavailableError
from hostcollector.gateway.settings import AccountSettings
from tests.fakes.clock import Clock
from tests.unit.gateway.accounts import (
    accounts_of,
    check_kept,
    check_no_plan_of_a_gone_tenant,
    database,
    fill_first_release,
)

VM = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"


def test_the_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    """Nothing is in the one and not in the other."""
    with database(tmp_path).connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, schema.metadata) == []


def test_a_database_without_tables_is_refused_with_the_command(tmp_path: Path) -> None:
    """The error says what to run."""
    engine = connect(AccountSettings(database=f"sqlite:///{tmp_path}/accounts.db"))
    with pytest.raises(AccountsError, match="database upgrade"):
        check_schema(engine)


def test_a_database_without_its_directory_is_refused_with_what_to_make(tmp_path: Path) -> None:
    """SQLite's own words name neither the file nor the cause."""
    engine = connect(AccountSettings(database=f"sqlite:///{tmp_path}/none/accounts.db"))
    with pytest.raises(AccountsError, match=f"database {tmp_path}/none/accounts.db .* make its directory"):
        check_schema(engine)


def test_no_secret_is_kept(tmp_path: Path) -> None:
    """The file of the database does not contain the token, only a hash of its secret."""
    engine = database(tmp_path)
    changes = Changes(engine)
    changes.add_tenant("a", "detailed")
    secret = changes.issue_token("a", [Scope.PROMQL], 60).rpartition("_")[2]
    engine.dispose()
    assert all(secret.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_every_change_increases_the_version(tmp_path: Path) -> None:
    """Workers find changes by one number."""
    engine = database(tmp_path)
    changes = Changes(engine)
    versions = [accounts_of(engine).version]
    token = ""

    def issue() -> None:
        nonlocal token
        token = changes.issue_token("a", [Scope.METRICS], 60, vms=[VM]).split("_")[1]

    steps: list[Callable[[], None]] = [
        lambda: changes.add_tenant("a", "basic", "A"),
        lambda: changes.set_plan("a", "detailed"),
        lambda: changes.suspend("a"),
        lambda: changes.suspend_subject("https://issuer", "someone"),
        lambda: changes.name_vm("a", "x", "web"),
        issue,
        lambda: changes.revoke_token(token),
    ]
    for change in steps:
        change()
        versions.append(accounts_of(engine).version)
    assert versions == sorted(set(versions))
    found = accounts_of(engine)
    assert found.tenants["a"].suspended
    assert found.tokens[token].revoked
    assert found.vm_names == {("a", "x"): "web"}
    assert found.suspended_subjects == {("https://issuer", "someone")}


@pytest.mark.parametrize("tenant", ["", "a b", ".a", "a/b", "ä", "a" * 65, "a\n"])
def test_what_cannot_be_a_tenant_is_refused(tmp_path: Path, tenant: str) -> None:
    """An id is what can be in the label and in no query's syntax."""
    with pytest.raises(AccountsError):
        Changes(database(tmp_path)).add_tenant(tenant, "detailed")


def test_changes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    """Each with a sentence; none of them changes anything."""
    engine = database(tmp_path)
    changes = Changes(engine)
    changes.add_tenant("a", "detailed")
    before = accounts_of(engine)
    for wrong in (
        lambda: changes.add_tenant("a", "detailed"),
        lambda: changes.suspend("b"),
        lambda: changes.issue_token("b", [Scope.PROMQL], 60),
        lambda: changes.issue_token("a", [Scope.PROMQL], 60, vms=["x"]),
        lambda: changes.issue_token("a", [], 60),
        lambda: changes.issue_token("a", [Scope.PROMQL], LONGEST_LIFE_SECONDS + 1),
        lambda: changes.issue_token("a", [Scope.METRICS], 60, vms=[""]),
        lambda: changes.issue_token("a", [Scope.METRICS], 60, vms=[" "]),
        lambda: changes.issue_token("a", [Scope.METRICS], 60, vms=[f"{VM} {VM}"]),
        lambda: changes.issue_token("a", [Scope.METRICS], 60, vms=[VM, VM.upper()]),
        lambda: changes.revoke_token("0" * 16),
        lambda: changes.name_vm("a", "x", "\x1b[31m"),
        lambda: changes.name_vm("b", "x", "web"),
    ):
        with pytest.raises(AccountsError):
            wrong()
    assert accounts_of(engine) == before


def test_a_worker_follows_changes_and_stops_trusting_an_old_copy(tmp_path: Path) -> None:
    """A change is seen at the next poll; without the database the copy holds for a minute."""
    engine, clock = database(tmp_path), Clock()
    changes, follower = Changes(engine), Follower(engine, clock)
    with pytest.raises(AccountsUnavailableError):
        _ = follower.accounts
    asyncio.run(follower.poll())
    changes.add_tenant("a", "detailed")
    asyncio.run(follower.poll())
    assert set(follower.accounts.tenants) == {"a"}
    (tmp_path / "accounts.db").unlink()
    asyncio.run(follower.poll())
    clock.now += TRUSTED_SECONDS
    assert set(follower.accounts.tenants) == {"a"}
    clock.now += 1
    with pytest.raises(AccountsUnavailableError):
        _ = follower.accounts
    follower.close()


def test_a_release_goes_on_with_the_schema_of_a_newer_one(tmp_path: Path) -> None:
    """So that a release can be put back, and gateways are upgraded one after the other."""
    engine = database(tmp_path)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'of a newer release'"))
    check_schema(engine)


def test_an_upgrade_keeps_what_the_first_release_had(tmp_path: Path) -> None:
    """Tenants, names and tokens go on; a tenant has had its plan from its beginning."""
    engine = connect(AccountSettings(database=f"sqlite:///{tmp_path}/accounts.db"))
    check_kept(engine, fill_first_release(engine))


def test_migrations_only_add() -> None:
    """A step that drops or renames would break the release before, which goes on with the new schema."""
    for step in (Path(migrations.__file__).parent / "versions").glob("v*.py"):
        upgrade = step.read_text().partition("def upgrade()")[2].partition("def downgrade()")[0]
        assert upgrade
        assert not re.findall(r"drop_|rename_|alter_", upgrade), step.name


def test_changes_of_one_tenant_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    """A plan for a tenant that is being removed is refused, and leaves no trace for a later bill."""
    check_no_plan_of_a_gone_tenant(database(tmp_path))


def test_an_upgrade_that_was_broken_off_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's tables are made in one transaction: half of a step is not left."""
    engine = connect(AccountSettings(database=f"sqlite:///{tmp_path}/accounts.db"))
    token = fill_first_release(engine)

    def broken(*_arguments: object, **_options: object) -> None:
        raise OperationalError("", None, Exception("disk I/O error"))

    with monkeypatch.context() as patched:
        patched.setattr(op, "execute", broken)  # the last one of the step, behind its tables
        with pytest.raises(AccountsError, match="cannot be upgraded: disk I/O error"):
            upgrade(engine)
    check_kept(engine, token)
