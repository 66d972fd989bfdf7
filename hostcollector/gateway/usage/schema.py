"""The tables of the usage ledger. A change needs a migration in `migrations/versions/`.

Columns are integers, because a year of 60,000 VMs has half a billion rows. Hours count from 1970:
Unix seconds divided by 3600. On PostgreSQL `usage_records` and `usage_gpus` have a partition for each month.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

from hostcollector.catalogue.usage import METERS

metadata = MetaData()

state = Table(
    "usage_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("final_until", Integer, nullable=False),
    Column("removed_until", Integer, nullable=False, server_default="0"),
)
"""One row: the last position that was given, and the ends of the hours that are final and that were removed.

A writer locks the row first, so that writers follow each other and positions are committed in their sequence.
"""

hosts = Table(
    "usage_hosts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("target", String(255), nullable=False, unique=True),
    Column("ledger", Integer),
    Column("closed_until", Integer),
    Column("seen_at", BigInteger),
)
"""The hosts of the list, each with its present ledger and the end of the hours that it has closed."""

ledgers = Table(
    "usage_ledgers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(32), nullable=False, unique=True),
    Column("host", Integer, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("refused", Integer, nullable=False),
)
"""The hosts' ledgers, and the sequence number up to which each is taken."""

vms = Table(
    "usage_vms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", LargeBinary(16), nullable=False, unique=True),
    Column("tenant", String(64), nullable=False, index=True),
    Column("vm", String(36), index=True),
)
"""VMs by tenant. `key` is a hash of both; of an erased tenant's VMs nothing else is left."""

words = Table(
    "usage_words",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("word", String(128), nullable=False, unique=True),
)
"""Texts that repeat: flavours, models and profiles of GPUs."""

RECORD_KEY = ("vm", "hour", "ledger", "life")
"""What a record's id is made of: the database takes each once."""


def _key() -> list[Column[int]]:
    return [
        Column("vm", Integer, primary_key=True, autoincrement=False),
        Column("hour", Integer, primary_key=True, autoincrement=False),
        Column("ledger", Integer, primary_key=True, autoincrement=False),
        Column("life", BigInteger, primary_key=True, autoincrement=False),
    ]


_IN_MONTHS: dict[str, Any] = {"postgresql_partition_by": "RANGE (hour)", "sqlite_with_rowid": False}

records = Table(
    "usage_records",
    metadata,
    *_key(),
    Column("period", Integer, nullable=False),
    Column("position", BigInteger, nullable=False, index=True),
    Column("sequence", BigInteger, nullable=False),
    Column("digest", BigInteger, nullable=False),
    Column("observed_seconds", SmallInteger, nullable=False),
    Column("unseen_seconds", SmallInteger, nullable=False),
    Column("ended", SmallInteger, nullable=False),
    Column("flavour", Integer),
    Column("running", LargeBinary),
    *(Column(name, BigInteger) for name in METERS),
    **_IN_MONTHS,
)
"""One row for each usage record. `period` is the hour in which it counts: a later one for an adjustment.

`running` is null for the whole hour, else pairs of seconds of the hour in 16 bits each. A meter that is not
known is null. `digest` is a part of the body's hash.
"""

Index(
    "ix_usage_adjustments",
    records.c.period,
    postgresql_where=records.c.period != records.c.hour,
    sqlite_where=records.c.period != records.c.hour,
)

gpus = Table(
    "usage_gpus",
    metadata,
    *_key(),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("mode", SmallInteger, nullable=False),
    Column("model", Integer, nullable=False),
    Column("profile", Integer, nullable=False),
    Column("seconds", BigInteger, nullable=False),
    Column("joules", BigInteger),
    Column("doubled_seconds", BigInteger, nullable=False),
    **_IN_MONTHS,
)
"""The GPUs of records."""

gaps = Table(
    "usage_gaps",
    metadata,
    *_key(),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("reason", SmallInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
)
"""The gaps of records; most records have none. Times are Unix seconds."""

DOUBLED = (
    "running_seconds",
    "vcpu_allocated_seconds",
    "memory_allocated_byte_seconds",
    "disk_provisioned_byte_seconds",
)
"""Meters that are a product with the running time: seconds on two hosts count once."""

overlaps = Table(
    "usage_overlaps",
    metadata,
    *_key(),
    *(Column(name, BigInteger, nullable=False) for name in DOUBLED),
)
"""What of a record is not billed, because another record of the same VM has the same seconds."""

corrections = Table(
    "usage_corrections",
    metadata,
    *_key(),
    Column("revision", SmallInteger, primary_key=True, autoincrement=False),
    Column("period", Integer, nullable=False, index=True),
    Column("position", BigInteger, nullable=False, unique=True),
    Column("corrected_at", BigInteger, nullable=False),
    Column("author", String(128), nullable=False),
    Column("reason", String(256), nullable=False),
    Column("meter", String(64), nullable=False),
    Column("difference", BigInteger, nullable=False),
)
"""What an operator has corrected of records: by how much a meter differs. Revisions count from 1."""

final_hours = Table(
    "usage_final_hours",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False, unique=True),
    Column("final_at", BigInteger, nullable=False),
    Column("hosts", Integer, nullable=False),
    Column("hosts_closed", Integer, nullable=False),
)
"""When each hour became final, and how many hosts of the list had closed it then."""

refusals = Table(
    "usage_refusals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ledger", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("refused_at", BigInteger, nullable=False),
    Column("line", String(4096), nullable=False),
    UniqueConstraint("ledger", "sequence", "reason"),
)
"""Lines that were not taken, the first ones of each host: an operator looks at them."""
