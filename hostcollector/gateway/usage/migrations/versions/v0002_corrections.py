"""Corrections of records by an operator, and the end of the hours that were removed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the column."""
    op.add_column("usage_state", sa.Column("removed_until", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "usage_corrections",
        sa.Column("vm", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ledger", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("life", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("period", sa.Integer, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, unique=True),
        sa.Column("corrected_at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("reason", sa.String(256), nullable=False),
        sa.Column("meter", sa.String(64), nullable=False),
        sa.Column("difference", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_usage_corrections_period", "usage_corrections", ["period"])


def downgrade() -> None:
    """Drop the table and the column."""
    op.drop_table("usage_corrections")
    op.drop_column("usage_state", "removed_until")
