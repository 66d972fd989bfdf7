"""Since when a tenant has its plan, and what tenants have read by plan and hour."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; tenants that exist have had their plan from their beginning."""
    periods = op.create_table(
        "plan_periods",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("since", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("plan", sa.String(64), nullable=False),
    )
    op.create_table(
        "metered",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("plan", sa.String(64), primary_key=True),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )
    tenants = sa.table("tenants", sa.column("id"), sa.column("created_at"), sa.column("plan"))
    existing = sa.select(tenants.c.id, tenants.c.created_at, tenants.c.plan)
    op.execute(periods.insert().from_select(["tenant", "since", "plan"], existing))


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("metered")
    op.drop_table("plan_periods")
