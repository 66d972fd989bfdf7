"""The ledger's database: its schema, and the months of its tables."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from hostcollector.catalogue.usage import SECONDS_PER_HOUR
from hostcollector.gateway.database import Schema

SCHEMA = Schema(
    name="ledger",
    migrations=Path(__file__).parent / "migrations",
    version_table="usage_schema_version",
    command="ledger",
)

IN_MONTHS = ("usage_records", "usage_gpus")
"""Tables that have a partition for each month on PostgreSQL."""


def upgrade(engine: Engine) -> str:
    """Bring the schema to this release's, and return its revision. Raises `AccountsError`."""
    return SCHEMA.upgrade(engine)


def check_schema(engine: Engine) -> None:
    """Raise `AccountsError` where the schema is older than this release's."""
    SCHEMA.check(engine)


def month_of(hour: int) -> tuple[int, int]:
    """Return the year and the month of an hour."""
    moment = datetime.fromtimestamp(hour * SECONDS_PER_HOUR, UTC)
    return moment.year, moment.month


def hours_of_month(year: int, month: int) -> tuple[int, int]:
    """Return the first hour of a month, and the first hour of the next one."""
    first = datetime(year, month, 1, tzinfo=UTC)
    after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) // SECONDS_PER_HOUR, int(after.timestamp()) // SECONDS_PER_HOUR


def partition(table: str, year: int, month: int) -> str:
    """Return the name of a month's part of a table."""
    return f"{table}_{year:04d}_{month:02d}"


def make_month(connection: Connection, year: int, month: int) -> None:
    """Make the partitions of a month where PostgreSQL needs them and they are missing."""
    if connection.dialect.name != "postgresql":
        return
    first, after = hours_of_month(year, month)
    for table in IN_MONTHS:
        name = partition(table, year, month)
        if not inspect(connection).has_table(name):
            bounds = f"FOR VALUES FROM ({first:d}) TO ({after:d})"
            connection.execute(text(f"CREATE TABLE {name} PARTITION OF {table} {bounds}"))
