"""The commands of the usage ledger, one function each: parsed flags in, exit status out."""

import argparse
import logging
import sys
from pathlib import Path

from sqlalchemy import Engine

from hostcollector.base import log
from hostcollector.gateway.commands import DEPLOYED, INTAKE, OPERATOR, file_of
from hostcollector.gateway.configuration import checked_settings
from hostcollector.gateway.database import act_as_owner, connect
from hostcollector.gateway.settings import GatewaySettings
from hostcollector.gateway.usage.correcting import Correction, correct
from hostcollector.gateway.usage.database import SCHEMA, check_schema, upgrade
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.pruning import prune
from hostcollector.gateway.usage.reading import LedgerReader


def upgrade_ledger(options: argparse.Namespace) -> int:
    """Bring the ledger's schema to this release's."""
    settings = _settings(options, INTAKE)
    act_as_owner(settings.ledger)
    engine = connect(settings.ledger)
    before, after = SCHEMA.revision(engine), upgrade(engine)
    print(f"the schema {'is' if before == after else 'was upgraded to'} {after}", flush=True)
    engine.dispose()
    return 0


def take_in(options: argparse.Namespace) -> int:
    """Pull the hosts' usage records until a signal ends it, or once."""
    from hostcollector.gateway.usage.intake import run_intake

    settings = _settings(options, INTAKE)
    log.configure(settings.log.level, settings.log.format)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return run_intake(settings, once=options.once)


def reread_host(options: argparse.Namespace) -> int:
    """Let the intake read a host's ledger from its beginning; no record is taken twice."""
    settings = _settings(options, INTAKE)
    act_as_owner(settings.ledger)
    engine = connect(settings.ledger)
    check_schema(engine)
    Ledger(engine).reread(options.target)
    engine.dispose()
    return 0


def correct_record(options: argparse.Namespace) -> int:
    """Correct one meter of one record, and print the correction's id, revision and difference."""
    engine = _writable(options)
    done = correct(
        engine,
        Correction(
            id=options.record,
            vm=options.vm,
            hour=options.hour,
            meter=options.meter,
            amount=options.amount,
            reason=options.reason,
            author=options.author,
        ),
    )
    engine.dispose()
    print(done.id, f"revision={done.revision}", f"difference={done.difference}", flush=True)
    return 0


def prune_ledger(options: argparse.Namespace) -> int:
    """Remove old months, or say what would be removed."""
    engine = _writable(options)
    keep = _settings(options, OPERATOR).ledger.keep_months
    for month in prune(engine, keep, dry_run=options.dry_run):
        kept = f", {month.kept} stay: they count in a later month" if month.kept else ""
        word = "would be removed" if options.dry_run else "removed"
        print(f"{month.month}: {month.removed} records {word}{kept}", flush=True)
    engine.dispose()
    return 0


def export_ledger(options: argparse.Namespace) -> int:
    """Print a page of all tenants' records; the next page's cursor goes to standard error."""
    from hostcollector.gateway.api.call import limit_of
    from hostcollector.gateway.api.usage import MOST_RECORDS, Format, cursor_of, cursor_text, page_reply
    from hostcollector.gateway.usage.exports import page_of_all

    cursor, limit = cursor_of(options.cursor), limit_of(options.limit, MOST_RECORDS)
    engine = connect(_settings(options).ledger, reads_only=True)
    check_schema(engine)  # its error names the database; that of a request, for tenants, does not
    reader = LedgerReader(engine)
    with reader.open() as reading:
        page = page_of_all(reading, cursor, limit)
    reader.close()
    next_page = cursor_text(page.cursor)
    reply = page_reply(page, next_page, Format(options.format), lambda *_: "", for_operator=True)
    sys.stdout.buffer.write(reply.body)
    sys.stdout.flush()
    print(f"cursor={next_page} more={str(page.more).lower()}", file=sys.stderr)
    return 0


def _settings(options: argparse.Namespace, *usual: Path) -> GatewaySettings:
    return checked_settings(file_of(options, *usual, DEPLOYED))


def _writable(options: argparse.Namespace) -> Engine:
    """Return the ledger of the operator's configuration, which may change it."""
    settings = _settings(options, OPERATOR)
    act_as_owner(settings.ledger)
    engine = connect(settings.ledger)
    check_schema(engine)
    return engine
