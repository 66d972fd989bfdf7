"""The commands, one function each: parsed flags in, exit status out."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, select

from hostcollector.base import log
from hostcollector.base.wording import one_line
from hostcollector.gateway.accounts import schema
from hostcollector.gateway.accounts.accounts import Scope, read_accounts
from hostcollector.gateway.accounts.changes import Changes
from hostcollector.gateway.accounts.database import check_schema, connect, revision, upgrade
from hostcollector.gateway.audit.chain import Head, lines_of, verify, workers_in
from hostcollector.gateway.configuration import checked_settings, read_configuration
from hostcollector.gateway.database import act_as_owner
from hostcollector.gateway.keys import render
from hostcollector.gateway.plans import read_plans
from hostcollector.gateway.settings import GatewaySettings

DEPLOYED = Path("/etc/hostcollector-gateway/gateway.yml")
OPERATOR = DEPLOYED.with_name("operator.yml")
"""The operator's own configuration, with other credentials; commands take it where it exists."""

INTAKE = DEPLOYED.with_name("intake.yml")
"""The intake's configuration: its role owns the ledger's tables."""

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130


def complain(first: str, *rest: str) -> None:
    """Write a sentence and its details to standard error."""
    lines = [f"hostcollector-gateway: {one_line(first)}", *map(one_line, rest)]
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def check_config(options: argparse.Namespace) -> int:
    """Read the configuration and every file that it names; report all problems at once."""
    read_configuration(options.file)
    print(f"{options.file}: valid", flush=True)
    return 0


def list_keys(options: argparse.Namespace) -> int:
    """Print every key of the configuration and of the file of plans."""
    print(render(options.format), end="", flush=True)
    return 0


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from hostcollector.gateway.serving import serve as run

    return run(file_of(options, DEPLOYED))


def upgrade_database(options: argparse.Namespace) -> int:
    """Bring the schema to this release's."""
    settings = _settings(options)
    act_as_owner(settings.accounts)
    engine = connect(settings.accounts)
    before, after = revision(engine), upgrade(engine)
    print(f"the schema {'is' if before == after else 'was upgraded to'} {after}", flush=True)
    return 0


def add_tenant(options: argparse.Namespace) -> int:
    """Add a tenant with a plan that exists."""
    settings = _settings(options)
    if options.plan not in (plans := read_plans(settings.accounts.plans_file).plans):
        complain(f"there is no plan {options.plan!a}; there are {', '.join(plans)}")
        return WRONG_USE
    Changes(_accounts(settings)).add_tenant(options.tenant, options.plan, options.name)
    return 0


def suspend_tenant(options: argparse.Namespace) -> int:
    """Refuse a tenant's requests, or answer them again."""
    Changes(_accounts(_settings(options))).suspend(options.tenant, suspended=options.suspended)
    return 0


def erase_tenant(options: argparse.Namespace) -> int:
    """Erase a tenant, and print the record of what was done and of what remains."""
    from hostcollector.gateway.admin.deletion import SeriesDeletion
    from hostcollector.gateway.admin.erasure import erase, steps_of

    if options.confirm != options.tenant:
        complain("--confirm is not the tenant's id: nothing was erased")
        return WRONG_USE
    settings = _settings(options)
    deletion = SeriesDeletion(settings.store)  # root may read its key, the database's owner may not
    record = erase(options.tenant, steps_of(settings, deletion, _accounts(settings)), settings)
    print(record.text(), end="", flush=True)
    return 0 if record.complete else FAILED


def serve_admin(options: argparse.Namespace) -> int:
    """Serve the operator's console until a signal ends it."""
    from hostcollector.gateway.admin.deletion import SeriesDeletion
    from hostcollector.gateway.admin.erasure import steps_of
    from hostcollector.gateway.admin.serving import serve_operator

    settings = _settings(options)
    log.configure(settings.log.level, settings.log.format)
    deletion, engine = SeriesDeletion(settings.store), _accounts(settings)
    return serve_operator(settings, engine, steps_of(settings, deletion, engine))


def list_tenants(options: argparse.Namespace) -> int:
    """Print a line for each tenant."""
    with _accounts(_settings(options)).connect() as connection:
        accounts = read_accounts(connection)
    for tenant in sorted(accounts.tenants.values(), key=lambda tenant: tenant.id):
        state = "suspended" if tenant.suspended else "active"
        print(tenant.id, tenant.plan, state, one_line(tenant.name), sep="\t")
    return 0


def issue_token(options: argparse.Namespace) -> int:
    """Print a new token."""
    scopes, seconds = [Scope(word) for word in options.scope], int(options.days * 86_400)
    changes = Changes(_accounts(_settings(options)))
    print(changes.issue_token(options.tenant, scopes, seconds, options.vm), flush=True)
    return 0


def list_tokens(options: argparse.Namespace) -> int:
    """Print a line for each token: id, tenant, scopes, until when it is valid, when it was last used."""
    with _accounts(_settings(options)).connect() as connection:
        rows = connection.execute(select(schema.tokens).order_by(schema.tokens.c.created_at)).all()
    for row in rows:
        end = "revoked" if row.revoked_at is not None else _moment(row.expires_at)
        print(row.id, row.tenant, row.scopes, end, _moment(row.last_used_at), sep="\t")
    return 0


def revoke_token(options: argparse.Namespace) -> int:
    """Refuse a token from now on."""
    Changes(_accounts(_settings(options))).revoke_token(options.token)
    return 0


def verify_audit(options: argparse.Namespace) -> int:
    """Check the chain of each worker, and print where it ends or what is wrong."""
    directory, faults = Path(_settings(options).audit.directory), 0
    heads: dict[str, Head] = {}
    for text in options.head:
        worker, _, rest = text.partition(":")
        count, _, found = rest.partition(":")
        if not count.isdigit() or not found:
            complain(f"{text!a} is not WORKER:COUNT:HASH")
            return WRONG_USE
        heads[worker] = Head(int(count), found)
    for worker in sorted({*workers_in(directory), *heads}):
        verdict = verify(lines_of(directory, worker), heads.get(worker))
        faults += bool(verdict.fault)
        end = f"{verdict.head.count} lines, head {verdict.head.hash}"
        print(f"{worker}: {verdict.fault or 'whole'}; {end}", flush=True)
    return FAILED if faults else 0


def _moment(seconds: int | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def file_of(options: argparse.Namespace, *usual: Path) -> Path | None:
    """Return the file that the flags name, or the first of the usual ones that can be read.

    Where none of them can be read it is one that exists: its error says so.
    """
    path: Path | None = options.config_file
    existing = [each for each in usual if each.exists()]
    readable = [each for each in existing if os.access(each, os.R_OK)]
    return path or next(iter((*readable, *existing)), None)


def _settings(options: argparse.Namespace) -> GatewaySettings:
    return checked_settings(file_of(options, OPERATOR, DEPLOYED))


def _accounts(settings: GatewaySettings) -> Engine:
    act_as_owner(settings.accounts)
    engine = connect(settings.accounts)
    check_schema(engine)
    return engine
