"""The commands of the usage ledger, one function each: parsed flags in, exit status out."""

import argparse
import logging
from pathlib import Path

from hostcollector.base import log
from hostcollector.gateway.commands import DEPLOYED
from hostcollector.gateway.configuration import checked_settings
from hostcollector.gateway.database import act_as_owner, connect
from hostcollector.gateway.settings import GatewaySettings
from hostcollector.gateway.usage.database import upgrade


def upgrade_ledger(options: argparse.Namespace) -> int:
    """Bring the ledger's schema to this release's."""
    settings = _settings(options)
    act_as_owner(settings.ledger)
    engine = connect(settings.ledger)
    print(f"the schema is {upgrade(engine)}", flush=True)
    engine.dispose()
    return 0


def take_in(options: argparse.Namespace) -> int:
    """Pull the hosts' usage records until a signal ends it, or once."""
    from hostcollector.gateway.usage.intake import run_intake

    settings = _settings(options)
    log.configure(settings.log.level, settings.log.format)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return run_intake(settings, once=options.once)


def _settings(options: argparse.Namespace) -> GatewaySettings:
    path: Path | None = options.config_file
    return checked_settings(DEPLOYED if path is None and DEPLOYED.exists() else path)
