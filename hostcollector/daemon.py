"""The running daemon: serves until it is told to stop, and takes new settings when it is told to reload.

Everything here runs in the event loop and only starts, exchanges and stops things; what may block is done in
a lane.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from hostcollector import log, web
from hostcollector.collect import Collector
from hostcollector.config import Settings
from hostcollector.errors import ConfigError
from hostcollector.exposition import Encoder
from hostcollector.lanes import Lane
from hostcollector.model import Snapshot
from hostcollector.sources.names import NAMES
from hostcollector.systemd import Notifier
from hostcollector.wiring import Hypervisor

logger = logging.getLogger("hostcollector")

LoadSettings = Callable[[], Settings]

# Sections whose change would need new connections, another address or other baselines.
FIXED_SECTIONS = ("libvirt", "paths", "ovs", "ovn")
FIXED_WEB_KEYS = ("listen_address", "systemd_socket")

FAREWELL_SECONDS = 4.0
"""How long the end may wait for sources to give back what they have of others, such as a session at a BMC."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What the pages are made from: one collector on the hypervisor's parts."""

    hypervisor: Hypervisor
    collector: Collector

    @property
    def ready(self) -> bool:
        """Whether the inventory has found guests once."""
        return self.hypervisor.inventory.ready

    def snapshot(self, budget: float) -> Future[Snapshot]:
        """Return the collection that may take `budget` seconds."""
        return self.collector.snapshot(budget)


@dataclass(slots=True)
class Daemon:
    """Serves `settings` until SIGTERM or SIGINT; on SIGHUP asks `load_settings` for new ones."""

    load_settings: LoadSettings
    settings: Settings
    door: web.Door = field(default_factory=web.Door)
    sockets: Sequence[socket.socket] = ()
    """What systemd has opened for the page; without any it is served on the listen address."""
    notifier: Notifier = field(default_factory=Notifier)

    async def run(self) -> None:
        """Serve until a signal ends it. Raises `ListenError` when the address cannot be had."""
        hypervisor = Hypervisor.of(self.settings)
        collection = Collection(hypervisor, hypervisor.collector(self.settings))
        address = self.settings.web.listen_address
        server = web.Server(self._site(collection), address, door=self.door, sockets=self.sockets)
        signals = self._listen_for_signals()
        await server.start()
        hypervisor.start()
        collection.collector.start()
        self._introduce(server)
        watchdog = asyncio.create_task(self._watch())
        try:
            while await signals.get() == signal.SIGHUP:
                collection = await self._reload(server, collection)
        finally:
            self.notifier.stopping()
            logger.info("stopping")
            watchdog.cancel()
            await server.close()
            await _closed(collection.collector)
            hypervisor.close()

    def _listen_for_signals(self) -> asyncio.Queue[signal.Signals]:
        signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
        return signals

    async def _reload(self, server: web.Server, collection: Collection) -> Collection:
        """Put new settings in use, or keep the old ones when the new ones are wrong."""
        self.notifier.reloading()
        lane = Lane("reload")
        try:
            loaded = await asyncio.wrap_future(lane.submit(lambda: self._load(collection)))
        except ConfigError as error:
            logger.error("the old configuration stays in use: %s", error)
            return collection
        finally:
            lane.close()
            self._ready(server)
        settings, collector, door = loaded
        log.configure(settings.log)
        for section in FIXED_SECTIONS:
            if getattr(settings, section) != getattr(self.settings, section):
                logger.warning("section %s changed: it takes effect at the next start", section)
        for key in FIXED_WEB_KEYS:
            if getattr(settings.web, key) != getattr(self.settings.web, key):
                logger.warning("web.%s changed: it takes effect at the next start", key)
        self.settings, self.door = settings, door
        successor = Collection(collection.hypervisor, collector)
        collector.start()
        await server.replace(self._site(successor), door)
        collection.collector.close()
        logger.info("configuration reloaded")
        return successor

    def _load(self, collection: Collection) -> tuple[Settings, Collector, web.Door]:
        settings = self.load_settings()
        door = web.open_door(settings.web.config_path)
        return settings, collection.hypervisor.collector(settings), door

    def _site(self, collection: Collection) -> web.Application:
        return web.build(
            collection, Encoder(), self.settings, [source.name for source in NAMES], door=self.door
        )

    def _introduce(self, server: web.Server) -> None:
        """Say where the page is, and who can read it if that is more than there should be."""
        logger.info("serving", extra={"address": ", ".join(map(str, server.addresses))})
        if warning := web.exposure(server.addresses, self.door.config):
            logger.warning("%s; the cure is a web-config file", warning)
        self._ready(server)

    def _ready(self, server: web.Server) -> None:
        self.notifier.ready(f"serving {', '.join(server.urls)}")

    async def _watch(self) -> None:
        """Tell systemd's watchdog that the loop turns."""
        if self.notifier.watchdog_seconds is None:
            return
        while True:
            self.notifier.watchdog()
            await asyncio.sleep(self.notifier.watchdog_seconds / 2)


async def _closed(collector: Collector) -> None:
    """Close the collector, and wait a little for what its sources give back."""
    collector.close()
    lane = Lane("farewell")
    await asyncio.wrap_future(lane.submit(lambda: collector.wait_closed(FAREWELL_SECONDS)))
    lane.close()
