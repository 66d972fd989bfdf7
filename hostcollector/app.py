"""The commands' main functions: serve for ever, collect once, or look at what can be collected."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from hostcollector import log, web
from hostcollector.collect import Collector
from hostcollector.config import Settings
from hostcollector.errors import ConfigError, HostcollectorError
from hostcollector.exposition import Encoder, Format
from hostcollector.model import Snapshot
from hostcollector.sources.names import NAMES
from hostcollector.systemd import Notifier
from hostcollector.wiring import Hypervisor

logger = logging.getLogger("hostcollector")

LoadSettings = Callable[[], Settings]

# For one collection by hand: how long libvirt may take to list its guests.
FIRST_LISTING_SECONDS = 5.0


def serve(load_settings: LoadSettings) -> int:
    """Serve the page until SIGTERM or SIGINT; SIGHUP reads the configuration again. Returns the exit status.

    Raises `ConfigError` when the configuration is wrong at the start.
    """
    settings = load_settings()
    log.configure(settings.log)
    try:
        asyncio.run(_Daemon(load_settings, settings).run())
    except HostcollectorError as error:
        logger.error("%s", error)
        return 1
    return 0


def collect_once(settings: Settings) -> tuple[bytes, bool]:
    """Make one collection. Returns the page as text 0.0.4, and whether libvirt answered."""
    snapshot = diagnose(settings)
    return Encoder().encode(snapshot, Format.TEXT), is_libvirt_up(snapshot)


def diagnose(settings: Settings) -> Snapshot:
    """Make one collection and return the snapshot, with every source's report."""
    with collecting(settings) as collect:
        return collect()


@contextmanager
def collecting(settings: Settings) -> Iterator[Callable[[], Snapshot]]:
    """Open the hypervisor for as long as the context lasts; gives the function that makes a collection."""
    hypervisor = Hypervisor.of(settings)
    collector = hypervisor.collector(settings)
    hypervisor.inventory.start()
    try:
        hypervisor.inventory.wait_until_verified(FIRST_LISTING_SECONDS)
        yield lambda: collector.snapshot(settings.collection.budget_seconds).result()
    finally:
        collector.close()
        hypervisor.inventory.close()


def is_libvirt_up(snapshot: Snapshot) -> bool:
    """Whether libvirt answered in the snapshot's collection."""
    return any(
        value == 1.0
        for family in snapshot.families
        if family.metric.name == "libvirt_up"
        for value in family.series.values()
    )


@dataclass(slots=True)
class _Current:
    """The collector in use: what the web server holds, so that a reload can put a new one in."""

    hypervisor: Hypervisor
    collector: Collector

    @property
    def ready(self) -> bool:
        """Whether the inventory has been listed once."""
        return self.hypervisor.inventory.age is not None

    def snapshot(self, budget: float) -> Future[Snapshot]:
        """Ask the collector in use."""
        return self.collector.snapshot(budget)


@dataclass(slots=True)
class _Daemon:
    """The running daemon; everything here runs in the event loop and only starts and stops things."""

    load_settings: LoadSettings
    settings: Settings
    notifier: Notifier = field(default_factory=Notifier)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        hypervisor = Hypervisor.of(self.settings)
        current = _Current(hypervisor, hypervisor.collector(self.settings))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload, current)
        names = [source.name for source in NAMES]
        application = web.build(current, Encoder(), self.settings, names)
        server = web.Server(application, self.settings.web.listen_address)
        await server.start()
        hypervisor.inventory.start()
        self.notifier.ready(f"serving http://{self.settings.web.listen_address}")
        logger.info("serving", extra={"address": str(self.settings.web.listen_address)})
        watchdog = loop.create_task(self._watch())
        try:
            await self.stopping.wait()
        finally:
            self.notifier.stopping()
            logger.info("stopping")
            watchdog.cancel()
            await server.close()
            current.collector.close()
            hypervisor.inventory.close()

    def _reload(self, current: _Current) -> None:
        """Put new settings in use, or keep the old ones when the new ones are wrong."""
        self.notifier.reloading()
        try:
            settings = self.load_settings()
            collector = current.hypervisor.collector(settings)
        except ConfigError as error:
            logger.error("the old configuration stays in use: %s", error)
        else:
            log.configure(settings.log)
            for section in ("libvirt", "web", "paths"):
                if getattr(settings, section) != getattr(self.settings, section):
                    logger.warning("section %s changed: it takes effect at the next restart", section)
            self.settings = settings
            current.collector.close()
            current.collector = collector
            logger.info("configuration reloaded")
        self.notifier.ready(f"serving http://{self.settings.web.listen_address}")

    async def _watch(self) -> None:
        """Tell systemd's watchdog that the loop turns."""
        if self.notifier.watchdog_seconds is None:
            return
        while True:
            self.notifier.watchdog()
            await asyncio.sleep(self.notifier.watchdog_seconds / 2)
