"""A database of accounts in a directory of the test, and what reads it."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, delete, insert, select

from hostcollector.gateway.accounts import schema
from hostcollector.gateway.accounts.accounts import Accounts, read_accounts
from hostcollector.gateway.accounts.changes import Changes
from hostcollector.gateway.accounts.database import SCHEMA, connect, upgrade
from hostcollector.gateway.errors import AccountsError
from hostcollector.gateway.identity.tokens import principal_of_token
from hostcollector.gateway.plans import Plans
from hostcollector.gateway.settings import AccountSettings


def database(directory: Path) -> Engine:
    """Return a new database with this release's tables."""
    engine = connect(AccountSettings(database=f"sqlite:///{directory}/accounts.db"))
    upgrade(engine)
    return engine


def accounts_of(engine: Engine) -> Accounts:
    """Return what is in it now."""
    with engine.connect() as connection:
        return read_accounts(connection)


SECRET = "5" * 64


def fill_first_release(engine: Engine) -> str:
    """Make the first release's tables with a tenant, a name and a token in them, and return the token."""
    config = Config()
    config.set_main_option("script_location", str(SCHEMA.migrations))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        config.attributes["version_table"] = SCHEMA.version_table
        command.upgrade(config, "0001")
        tenant = {"id": "a", "plan": "detailed", "name": "Acme", "suspended": False, "created_at": 1000}
        connection.execute(insert(schema.tenants), tenant)
        connection.execute(insert(schema.vm_names), {"tenant": "a", "vm": "some-vm", "name": "web"})
        token = {
            "id": "0" * 16,
            "tenant": "a",
            "sha256": hashlib.sha256(SECRET.encode()).hexdigest(),
            "scopes": "promql",
            "vms": "",
            "created_at": 1000,
            "expires_at": 2**40,
        }
        connection.execute(insert(schema.tokens), token)
    return f"hc_{'0' * 16}_{SECRET}"


def check_kept(engine: Engine, token: str) -> None:
    """Upgrade to this release, and see that what the first release had is there and works."""
    upgrade(engine)
    found = accounts_of(engine)
    assert principal_of_token(token, found, Plans(), 2000.0).tenant == "a"
    assert found.tenants["a"].name == "Acme"
    assert found.vm_names == {("a", "some-vm"): "web"}
    with engine.connect() as connection:
        (period,) = connection.execute(select(schema.plan_periods)).all()
    assert tuple(period) == ("a", 1000, "detailed")


def check_no_plan_of_a_gone_tenant(engine: Engine) -> None:
    """Set a plan while the tenant is being removed, and see that the plan is refused."""
    changes = Changes(engine)
    changes.add_tenant("gone", "basic")
    with ThreadPoolExecutor(1) as pool:
        with changes._change() as connection:
            connection.execute(delete(schema.tenants).where(schema.tenants.c.id == "gone"))
            plan = pool.submit(changes.set_plan, "gone", "detailed")
            time.sleep(0.5)  # without a lock from the beginning, the other one finds the tenant meanwhile
        with pytest.raises(AccountsError, match="there is no tenant"):
            plan.result(30)
    with engine.connect() as connection:
        periods = select(schema.plan_periods.c.plan).where(schema.plan_periods.c.tenant == "gone")
        assert connection.execute(periods).scalars().all() == ["basic"]
