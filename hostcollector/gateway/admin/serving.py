"""The operator's process: `hostcollector-gateway admin`."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine

from hostcollector.base.errors import ConfigError
from hostcollector.base.systemd import Notifier
from hostcollector.gateway.admin.application import AdminApplication, certified
from hostcollector.gateway.admin.erasure import Step
from hostcollector.gateway.admin.routes import Console
from hostcollector.gateway.audit.writer import Audit
from hostcollector.gateway.plans import read_plans
from hostcollector.gateway.settings import GatewaySettings
from hostcollector.web.access import AccessRules, is_loopback, read_access_rules
from hostcollector.web.server import Server

logger = logging.getLogger(__name__)

WORKER = "admin"
"""The name of the audit's chain of the operator's requests."""

TICK_SECONDS = 1.0


def serve_operator(settings: GatewaySettings, engine: Engine, steps: Mapping[str, Step]) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status. Raises `HostcollectorError`."""
    path = settings.admin.config_file
    access = read_access_rules(Path(path) if path else None)
    token = _token(settings.admin.token_file)
    if problems := _problems(settings, access, token):
        raise ConfigError("admin", problems)
    console = Console(engine, read_plans(settings.accounts.plans_file), settings, steps)
    asyncio.run(_serve(settings, access, token, console))
    return 0


async def _serve(settings: GatewaySettings, access: AccessRules, token: str, console: Console) -> None:
    stop, notifier = asyncio.Event(), Notifier()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    audit = Audit(Path(settings.audit.directory), WORKER)
    application = AdminApplication(access=access, token=token, routes=console.routes(), audit=audit)
    server = Server(application, settings.admin.listen_address)
    await server.start()
    logger.info("serving the operator", extra={"address": ", ".join(map(str, server.addresses))})
    notifier.ready(f"serving the operator on {', '.join(server.urls)}")
    try:
        while not stop.is_set():
            notifier.watchdog()
            audit.tick()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_SECONDS)
    finally:
        notifier.stopping()
        await server.close()
        audit.close()


def _token(file: str | None) -> str:
    return Path(file).read_text().strip() if file else ""


def _problems(settings: GatewaySettings, access: AccessRules, token: str) -> list[str]:
    """Return what leaves the console open."""
    found = []
    if not token and not certified(access):
        found.append("token_file is needed, or client_auth_type RequireAndVerifyClientCert in config_file")
    if access.certificates is None and not is_loopback(settings.admin.listen_address.host):
        found.append("listen_address is not a loopback address: a config_file with TLS is needed")
    return found
