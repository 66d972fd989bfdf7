"""The ledger: hosts, VMs, records with GPUs, gaps and overlaps, final hours, refused lines."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_IN_MONTHS: dict[str, Any] = {"postgresql_partition_by": "RANGE (hour)", "sqlite_with_rowid": False}
_METERS = (
    "running_seconds",
    "vcpu_allocated_seconds",
    "vcpu_used_seconds",
    "memory_allocated_byte_seconds",
    "disk_read_bytes",
    "disk_written_bytes",
    "disk_reads",
    "disk_writes",
    "disk_provisioned_byte_seconds",
    "network_received_bytes",
    "network_transmitted_bytes",
    "network_received_packets",
    "network_transmitted_packets",
    "rdma_received_bytes",
    "rdma_transmitted_bytes",
)


def upgrade() -> None:
    """Make the tables."""
    state = op.create_table(
        "usage_state",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("final_until", sa.Integer, nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "position": 0, "final_until": 0}])
    _make_names()
    _make_records()
    op.create_table(
        "usage_final_hours",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False, unique=True),
        sa.Column("final_at", sa.BigInteger, nullable=False),
        sa.Column("hosts", sa.Integer, nullable=False),
        sa.Column("hosts_closed", sa.Integer, nullable=False),
    )
    op.create_table(
        "usage_refusals",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("ledger", sa.Integer, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("refused_at", sa.BigInteger, nullable=False),
        sa.Column("line", sa.String(4096), nullable=False),
        sa.UniqueConstraint("ledger", "sequence", "reason"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        *("refusals", "final_hours", "overlaps", "gaps", "gpus", "records"),
        *("words", "vms", "ledgers", "hosts", "state"),
    ):
        op.drop_table(f"usage_{table}")


def _make_names() -> None:
    op.create_table(
        "usage_hosts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("target", sa.String(255), nullable=False, unique=True),
        sa.Column("ledger", sa.Integer),
        sa.Column("closed_until", sa.Integer),
        sa.Column("seen_at", sa.BigInteger),
    )
    op.create_table(
        "usage_ledgers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(32), nullable=False, unique=True),
        sa.Column("host", sa.Integer, nullable=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.Integer, nullable=False),
    )
    op.create_table(
        "usage_vms",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("vm", sa.String(36)),
    )
    op.create_index("ix_usage_vms_tenant", "usage_vms", ["tenant"])
    op.create_index("ix_usage_vms_vm", "usage_vms", ["vm"])
    op.create_table(
        "usage_words",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("word", sa.String(128), nullable=False, unique=True),
    )


def _make_records() -> None:
    records = op.create_table(
        "usage_records",
        *_key(),
        sa.Column("period", sa.Integer, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.BigInteger, nullable=False),
        sa.Column("observed_seconds", sa.SmallInteger, nullable=False),
        sa.Column("unseen_seconds", sa.SmallInteger, nullable=False),
        sa.Column("ended", sa.SmallInteger, nullable=False),
        sa.Column("flavour", sa.Integer),
        sa.Column("running", sa.LargeBinary),
        *(sa.Column(name, sa.BigInteger) for name in _METERS),
        **_IN_MONTHS,
    )
    op.create_index("ix_usage_records_position", "usage_records", ["position"])
    late = records.c.period != records.c.hour
    op.create_index(
        "ix_usage_adjustments", "usage_records", ["period"], postgresql_where=late, sqlite_where=late
    )
    op.create_table(
        "usage_gpus",
        *_key(),
        sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("mode", sa.SmallInteger, nullable=False),
        sa.Column("model", sa.Integer, nullable=False),
        sa.Column("profile", sa.Integer, nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
        sa.Column("joules", sa.BigInteger),
        sa.Column("doubled_seconds", sa.BigInteger, nullable=False),
        **_IN_MONTHS,
    )
    op.create_table(
        "usage_gaps",
        *_key(),
        sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.SmallInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
    )
    meters = (_METERS[0], _METERS[1], _METERS[3], _METERS[8])
    op.create_table(
        "usage_overlaps", *_key(), *(sa.Column(name, sa.BigInteger, nullable=False) for name in meters)
    )


def _key() -> list[sa.Column[int]]:
    return [
        sa.Column("vm", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ledger", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("life", sa.BigInteger, primary_key=True, autoincrement=False),
    ]
