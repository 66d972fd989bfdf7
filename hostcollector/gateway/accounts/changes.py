"""The operator's changes of the accounts, each in one transaction that also increases the version."""

import secrets
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from hostcollector.gateway.accounts import schema
from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.accounts.database import reason
from hostcollector.gateway.errors import AccountsError
from hostcollector.gateway.tenant import is_tenant, is_vm

LONGEST_NAME = 128

LONGEST_LIFE_SECONDS = 10 * 365 * 86_400
"""Of a token. A later end has no date in Python, and no reason."""

TOKEN_PREFIX = "hc"  # noqa: S105 - what every token begins with, so that scanners of repositories find leaked ones


class Changes:
    """Changes one accounts database. `wall_clock` gives Unix time in seconds. All raise `AccountsError`."""

    def __init__(self, engine: Engine, wall_clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._wall_clock = wall_clock

    def add_tenant(self, tenant: str, plan: str, name: str = "") -> None:
        """Add a tenant."""
        if not is_tenant(tenant):
            raise AccountsError(f"{tenant[:80]!a} cannot be a tenant's id")
        row = {"id": tenant, "plan": plan, "name": _name(name), "suspended": False, "created_at": self._now()}
        with self._change() as connection:
            if _exists(connection, tenant):
                raise AccountsError(f"there is a tenant {tenant!a} already")
            connection.execute(insert(schema.tenants), [row])
            self._begin_plan(connection, tenant, plan)

    def set_plan(self, tenant: str, plan: str) -> None:
        """Give a tenant another plan."""
        with self._change() as connection:
            self._require(connection, tenant)
            connection.execute(update(schema.tenants).where(schema.tenants.c.id == tenant).values(plan=plan))
            self._begin_plan(connection, tenant, plan)

    def suspend(self, tenant: str, *, suspended: bool = True) -> None:
        """Refuse all requests of a tenant, or answer them again."""
        self._update_tenant(tenant, suspended=suspended)

    def suspend_subject(self, issuer: str, subject: str, *, suspended: bool = True) -> None:
        """Refuse the JWTs of a subject, or take them again."""
        table = schema.suspended_subjects
        with self._change() as connection:
            connection.execute(delete(table).where(table.c.issuer == issuer, table.c.subject == subject))
            if suspended:
                connection.execute(insert(table), [{"issuer": issuer, "subject": subject}])

    def name_vm(self, tenant: str, vm: str, name: str) -> None:
        """Set the display name of a VM; an empty one removes it."""
        table = schema.vm_names
        with self._change() as connection:
            self._require(connection, tenant)
            connection.execute(delete(table).where(table.c.tenant == tenant, table.c.vm == vm))
            if name:
                connection.execute(insert(table), [{"tenant": tenant, "vm": vm, "name": _name(name)}])

    def issue_token(
        self, tenant: str, scopes: Collection[Scope], seconds: int, vms: Collection[str] = ()
    ) -> str:
        """Make a token that is valid for `seconds` and return it. It cannot be shown again."""
        if vms and set(scopes) - {Scope.METRICS}:
            raise AccountsError(f"a list of VMs goes with the scope {Scope.METRICS} only")
        # A list of VMs of which nothing is left, such as one empty text, would be good for all VMs.
        if wrong := [vm for vm in vms if not is_vm(vm)]:
            raise AccountsError(f"{wrong[0][:80]!a} is no VM: a UUID in small letters is needed")
        if not scopes:
            raise AccountsError("a token needs a scope")
        if not 0 < seconds <= LONGEST_LIFE_SECONDS:
            raise AccountsError("a token is valid for 1 second to 10 years")
        token_id, secret = secrets.token_hex(8), secrets.token_hex(32)
        row = {
            "id": token_id,
            "tenant": tenant,
            "sha256": sha256(secret.encode()).hexdigest(),
            "scopes": " ".join(sorted(scopes)),
            "vms": " ".join(sorted(vms)),
            "created_at": self._now(),
            "expires_at": self._now() + seconds,
        }
        with self._change() as connection:
            self._require(connection, tenant)
            connection.execute(insert(schema.tokens), [row])
        return f"{TOKEN_PREFIX}_{token_id}_{secret}"

    def revoke_token(self, token_id: str) -> None:
        """Refuse a token from now on; workers follow within seconds."""
        statement = update(schema.tokens).where(schema.tokens.c.id == token_id)
        with self._change() as connection:
            if not connection.execute(statement.values(revoked_at=self._now())).rowcount:
                raise AccountsError(f"there is no token {token_id[:40]!a}")

    def _begin_plan(self, connection: Connection, tenant: str, plan: str) -> None:
        """Note since when a tenant has a plan, for its usage."""
        table, now = schema.plan_periods, self._now()
        connection.execute(delete(table).where(table.c.tenant == tenant, table.c.since == now))
        connection.execute(insert(table), [{"tenant": tenant, "since": now, "plan": plan}])

    def shut_out(self, tenant: str) -> str:
        """Refuse all requests of a tenant, if it is known, and say so."""
        with self._change() as connection:
            where = schema.tenants.c.id == tenant
            known = connection.execute(update(schema.tenants).where(where).values(suspended=True)).rowcount
        return "refused within five seconds" if known else "there was no such tenant"

    def forget_tenant(self, tenant: str) -> str:
        """Remove a tenant with its tokens and names, and say how many. JWTs of it are refused then.

        What it has used, and by which plan, stays for its last invoice.
        """
        tokens, names, tenants = schema.tokens, schema.vm_names, schema.tenants
        with self._change() as connection:
            counts = [
                connection.execute(delete(table).where(column == tenant)).rowcount
                for table, column in (
                    (tokens, tokens.c.tenant),
                    (names, names.c.tenant),
                    (tenants, tenants.c.id),
                )
            ]
        return f"removed {counts[0]} tokens, {counts[1]} names of VMs, {counts[2]} tenant"

    def _update_tenant(self, tenant: str, **values: object) -> None:
        with self._change() as connection:
            self._require(connection, tenant)
            connection.execute(update(schema.tenants).where(schema.tenants.c.id == tenant).values(**values))

    def _require(self, connection: Connection, tenant: str) -> None:
        if not _exists(connection, tenant):
            raise AccountsError(f"there is no tenant {tenant[:80]!a}")

    @contextmanager
    def _change(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                # First, for its lock: the next change waits, so what this one has read does not become wrong.
                connection.execute(update(schema.version).values(number=schema.version.c.number + 1))
                yield connection
        except IntegrityError as error:
            raise AccountsError(
                "another change came first: it exists already, or its tenant is gone"
            ) from error
        except SQLAlchemyError as error:
            raise AccountsError(f"the accounts database cannot be changed: {reason(error)}") from error

    def _now(self) -> int:
        return int(self._wall_clock())


def _exists(connection: Connection, tenant: str) -> bool:
    statement = select(schema.tenants.c.id).where(schema.tenants.c.id == tenant)
    return connection.execute(statement).first() is not None


def _name(text: str) -> str:
    """Return a display name. Raises `AccountsError` for one that no page can show."""
    if len(text) > LONGEST_NAME or not (text.isprintable() or not text):
        raise AccountsError(f"a name has at most {LONGEST_NAME} characters, none of them control")
    return text
