"""A frozen copy of the accounts: what a worker needs to know who asks, without a query per request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Connection, select

from hostcollector.gateway.accounts import schema


class Scope(StrEnum):
    """What a token may be used for."""

    METRICS = "metrics:read"
    PROMQL = "promql"
    USAGE = "usage:read"
    SCRAPE = "scrape"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A customer. `name` is for people; `plan` is the name of one in the file of plans."""

    id: str
    plan: str
    name: str = ""
    suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API token, of which only a hash is known. An empty `vms` means all VMs of the tenant.

    `expires_at` is in Unix seconds.
    """

    id: str
    tenant: str
    sha256: str = field(repr=False)
    scopes: frozenset[Scope]
    vms: frozenset[str] = frozenset()
    expires_at: int
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """All accounts at one version of the database."""

    version: int = 0
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)
    vm_names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Display names by tenant and VM."""

    suspended_subjects: frozenset[tuple[str, str]] = frozenset()
    """Issuer and subject of OpenID Connect."""


def read_version(connection: Connection) -> int:
    """Return the number that every change increases."""
    return int(connection.execute(select(schema.version.c.number)).scalar_one())


def read_accounts(connection: Connection) -> Accounts:
    """Return a copy of all accounts."""
    return Accounts(
        version=read_version(connection),
        tenants={
            row.id: Tenant(id=row.id, plan=row.plan, name=row.name, suspended=row.suspended)
            for row in connection.execute(select(schema.tenants))
        },
        tokens={
            row.id: Token(
                id=row.id,
                tenant=row.tenant,
                sha256=row.sha256,
                scopes=frozenset(map(Scope, row.scopes.split())),
                vms=frozenset(row.vms.split()),
                expires_at=row.expires_at,
                revoked=row.revoked_at is not None,
            )
            for row in connection.execute(select(schema.tokens))
        },
        vm_names={(row.tenant, row.vm): row.name for row in connection.execute(select(schema.vm_names))},
        suspended_subjects=frozenset(
            (row.issuer, row.subject) for row in connection.execute(select(schema.suspended_subjects))
        ),
    )
