"""The intake: rounds over all hosts of the list, until SIGTERM or once."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from functools import partial
from pathlib import Path

from hostcollector.base.errors import ConfigError, HostcollectorError
from hostcollector.base.lanes import Workers
from hostcollector.base.log import Transitions
from hostcollector.config.address import Address
from hostcollector.gateway.database import connect
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.operator_site import OperatorSite
from hostcollector.gateway.settings import GatewaySettings, IntakeSettings
from hostcollector.gateway.usage.database import check_schema
from hostcollector.gateway.usage.intake_metrics import IntakeCounters
from hostcollector.gateway.usage.ledger import Ledger, Outcome
from hostcollector.gateway.usage.pulling import Puller
from hostcollector.gateway.usage.targets import read_targets
from hostcollector.web.access import exposure, read_access_rules
from hostcollector.web.application import Application
from hostcollector.web.server import Server

logger = logging.getLogger(__name__)

READERS = 4
"""Threads that resolve names and read answers."""


class Intake:
    """Pulls every host of the list into the ledger. Bound to one event loop; `wall_clock` gives Unix time."""

    def __init__(
        self,
        settings: IntakeSettings,
        ledger: Ledger,
        counters: IntakeCounters,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        if settings.hosts_file is None:
            raise ConfigError("intake", ["hosts_file is needed: the list of hosts, as of file_sd"])
        self._file = Path(settings.hosts_file)
        self._settings = settings
        self._ledger = ledger
        self._counters = counters
        self._wall_clock = wall_clock
        self._readers = Workers("readers", READERS)
        self._writer = Workers("ledger", 1)
        self._puller = Puller(settings, ledger, self._readers, self._writer)
        self._turns = asyncio.Semaphore(settings.connections)
        self._transitions = Transitions(logger)

    async def round(self) -> bool:
        """Pull every host once, then make hours final; return whether everything succeeded."""
        began = self._wall_clock()
        try:
            targets = await self._readers.run(partial(read_targets, self._file))
            await self._writer.run(partial(self._ledger.list_hosts, targets))
            good = await asyncio.gather(*map(self._pull, targets))
            final = await self._writer.run(partial(self._ledger.finish_hours, self._settings.final_hours))
            self._counters.hosts = await self._writer.run(self._ledger.closed_until)
        except (ConfigError, LedgerError) as error:
            await self._log(partial(self._transitions.failed, "the round", str(error)))
            self._counters.round_failed()
            return False
        await self._log(partial(self._transitions.succeeded, "the round"))
        self._counters.round_ended(final=final, began=began, ended=self._wall_clock())
        return all(good)

    async def run(self, stop: asyncio.Event) -> None:
        """Make rounds until `stop`."""
        while not stop.is_set():
            began = time.monotonic()
            await self.round()
            pause = max(0.0, self._settings.interval_seconds - (time.monotonic() - began))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    def close(self) -> None:
        """Let the threads end."""
        self._readers.close()
        self._writer.close()

    async def _pull(self, target: str) -> bool:
        """Pull one host. A failure is logged and counted, and the next round tries again."""
        subject = f"pulling {target}"
        async with self._turns:
            try:
                outcomes = await self._puller.pull(target)
            except HostcollectorError as error:
                self._counters.failed()
                await self._log(partial(self._transitions.failed, subject, str(error)))
                return False
        for outcome in outcomes:
            self._counters.took(outcome)
            await self._report(target, outcome)
        await self._log(partial(self._transitions.succeeded, subject))
        return True

    async def _report(self, target: str, outcome: Outcome) -> None:
        """Log what an operator looks into, with the host's name."""
        if outcome.replaced:
            await self._log(partial(logger.warning, "another ledger than before", extra={"host": target}))
        if outcome.refused or outcome.lost or outcome.foreign_overlaps:
            counts = {str(cause): count for cause, count in sorted(outcome.refused.items())}
            more = {
                "host": target,
                "refused": counts,
                "lost": outcome.lost,
                "foreign": outcome.foreign_overlaps,
            }
            await self._log(partial(logger.warning, "not everything is taken", extra=more))

    async def _log(self, call: Callable[[], None]) -> None:
        await self._readers.run(call)


def run_intake(settings: GatewaySettings, *, once: bool) -> int:
    """Run the intake and return the exit status: 1 where a single round did not read every host.

    Raises `HostcollectorError` for a configuration, a ledger or an address that cannot be used.
    """
    engine = connect(settings.ledger)
    check_schema(engine)
    try:
        counters = IntakeCounters()
        intake = Intake(settings.intake, Ledger(engine), counters)
        if once:
            return asyncio.run(_once(intake))
        return asyncio.run(_run(intake, _site(settings.intake, counters), settings.intake.listen_address))
    finally:
        engine.dispose()


async def _once(intake: Intake) -> int:
    with closing(intake):
        return 0 if await intake.round() else 1


async def _run(intake: Intake, site: OperatorSite, address: Address) -> int:
    async with AsyncExitStack() as ends:
        ends.callback(intake.close)
        stop = asyncio.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
        server = Server(Application(site), address)
        await server.start()
        ends.push_async_callback(server.close)
        await intake.run(stop)
    return 0


def _site(settings: IntakeSettings, counters: IntakeCounters) -> OperatorSite:
    def lines() -> Sequence[str]:
        return [*counters.lines(time.time())]

    access = read_access_rules(Path(settings.config_file) if settings.config_file else None)
    if warning := exposure([settings.listen_address], access.config):
        logger.warning("intake.listen_address: %s", warning)
    return OperatorSite(
        lines=lines,
        find_obstacle=lambda: "" if counters.rounds else "The first round over all hosts has not ended.",
        listen_host=settings.listen_address.host,
        access=access,
    )
