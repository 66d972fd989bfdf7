"""The accounts database: its schema, and its connection."""

from pathlib import Path

from sqlalchemy import Engine

from hostcollector.gateway.database import Schema, connect, reason

__all__ = ["check_schema", "connect", "reason", "revision", "upgrade"]

SCHEMA = Schema(name="accounts", migrations=Path(__file__).parent / "migrations")


def upgrade(engine: Engine) -> str:
    """Bring the schema to this release's, and return its revision. Raises `AccountsError`."""
    return SCHEMA.upgrade(engine)


def revision(engine: Engine) -> str:
    """Return the revision of the schema; empty before the first. Raises `AccountsError`."""
    return SCHEMA.revision(engine)


def check_schema(engine: Engine) -> None:
    """Raise `AccountsError` where the schema is older than this release's."""
    SCHEMA.check(engine)
