"""A database of accounts in a directory of the test, and what reads it."""

from pathlib import Path

from sqlalchemy import Engine

from hostcollector.gateway.accounts.accounts import Accounts, read_accounts
from hostcollector.gateway.accounts.database import connect, upgrade
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
