"""The tables of the accounts database. A change needs a migration in `migrations/versions/`.

Times are Unix seconds. `version` has one row, whose number every change increases: workers poll it.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, MetaData, String, Table

metadata = MetaData()

version = Table(
    "version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("plan", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("scopes", String(256), nullable=False),
    Column("vms", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

vm_names = Table(
    "vm_names",
    metadata,
    Column("tenant", String(64), ForeignKey("tenants.id"), primary_key=True),
    Column("vm", String(64), primary_key=True),
    Column("name", String(128), nullable=False),
)

plan_periods = Table(
    "plan_periods",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("plan", String(64), nullable=False),
)
"""Since when a tenant has had each plan. Rows stay when a tenant goes: its last invoice needs them."""

metered = Table(
    "metered",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("tenant", String(64), primary_key=True),
    Column("plan", String(64), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
"""Answers to a tenant under a plan, and their bytes, by hour from 1970. Written by the workers."""

suspended_subjects = Table(
    "suspended_subjects",
    metadata,
    Column("issuer", String(256), primary_key=True),
    Column("subject", String(256), primary_key=True),
)
