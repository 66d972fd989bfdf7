"""The erasure of a tenant: steps that can be repeated, and a record of what was done and of what remains."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, make_url

from hostcollector.base.errors import HostcollectorError
from hostcollector.gateway.accounts.changes import Changes
from hostcollector.gateway.database import connect
from hostcollector.gateway.errors import ErasureError
from hostcollector.gateway.settings import GatewaySettings, LedgerSettings
from hostcollector.gateway.tenant import is_tenant
from hostcollector.gateway.usage.database import SCHEMA
from hostcollector.gateway.usage.erasing import reduce_tenant

DAY = 86_400

Step = Callable[[str], str]
"""Does its part for a tenant, again if it was done before, and returns what was done.

Raises `HostcollectorError`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step: the data that it is about, its result in words, and whether it succeeded."""

    data: str
    result: str
    succeeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """Data that is still there: where, and until when."""

    data: str
    where: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What an erasure did, and what it left. Times are RFC 3339."""

    tenant: str
    at: str
    complete: bool
    done: Sequence[Done]
    remains: Sequence[Remains]

    def text(self) -> str:
        """Return it as JSON for people and programs."""
        return json.dumps(asdict(self), indent=2) + "\n"


def steps_of(settings: GatewaySettings, delete_series: Step, accounts: Engine) -> Mapping[str, Step]:
    """Return the steps by the data that each is about; the sequence matters.

    Requests are refused first, so that nothing is read while the rest goes on.
    """
    changes = Changes(accounts)
    return {
        "requests": changes.shut_out,
        "series": delete_series,
        "usage": partial(_reduce_usage, settings.ledger),
        "tokens and names": changes.forget_tenant,
    }


def _reduce_usage(settings: LedgerSettings, tenant: str) -> str:
    """Reduce the tenant's usage to what invoices are made of."""
    file = make_url(settings.database).database or ""
    if settings.database.startswith("sqlite") and not Path(file).exists():
        return "there is no ledger"
    engine = connect(settings)
    try:
        return reduce_tenant(engine, tenant) if SCHEMA.revision(engine) else "there is no ledger"
    finally:
        engine.dispose()


def erase(
    tenant: str,
    steps: Mapping[str, Step],
    settings: GatewaySettings,
    wall_clock: Callable[[], float] = time.time,
) -> Record:
    """Erase a tenant and return the record, which is also written into the directory of records.

    A step that fails ends it: the steps before are done, and the whole can be repeated. Raises `ErasureError`
    for what cannot be a tenant's id, and for a record that cannot be written.
    """
    if not is_tenant(tenant):
        raise ErasureError(f"{tenant[:80]!a} cannot be a tenant's id")
    done: list[Done] = []
    for data, step in steps.items():
        try:
            done.append(Done(data=data, result=step(tenant), succeeded=True))
        except HostcollectorError as error:
            done.append(Done(data=data, result=str(error), succeeded=False))
            break
    now = wall_clock()
    record = Record(
        tenant=tenant,
        at=_moment(now),
        complete=len(done) == len(steps) and done[-1].succeeded,
        done=done,
        remains=_remains(settings, now),
    )
    _write(record, Path(settings.admin.records_directory), now)
    return record


def _remains(settings: GatewaySettings, now: float) -> Sequence[Remains]:
    admin = settings.admin
    return (
        Remains(
            data="ids of the tenant and its VMs in the store's index, and deleted samples on its disk",
            where="the tenants' store",
            until=_moment(now + admin.store_retention_days * DAY),
        ),
        Remains(
            data="series, tokens' hashes and names of before",
            where="backups of the store and of the databases",
            until=_moment(now + admin.backup_days * DAY),
        ),
        Remains(
            data="hours and amounts of use, without VMs, and the plans that the tenant had",
            where="the usage ledger and the accounts database",
            until="your books no longer need them",
        ),
        Remains(
            data="the operator's metrics of the tenant's VMs",
            where="the fleet's Prometheus and its remote stores",
            until="their retention",
        ),
        Remains(
            data="who read what: ids, times and hashes of queries",
            where="the audit's files",
            until="you remove the files",
        ),
        Remains(
            data="new series, if VMs of the tenant still run",
            where="the tenants' store",
            until="you repeat this after the last VM has ended",
        ),
    )


def _write(record: Record, directory: Path, now: float) -> None:
    """Write the record into a file of its own. Raises `ErasureError`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{record.tenant}.{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S.%f}.json"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(directory / name, flags, 0o600), "w") as file:
            file.write(record.text())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ErasureError(f"{directory}: the record cannot be written: {error.strerror}") from error


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
