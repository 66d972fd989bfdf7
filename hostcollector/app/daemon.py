"""The running daemon: serves until SIGTERM or SIGINT, and takes new settings at SIGHUP.

Everything here runs in the event loop and only starts, exchanges and stops parts; what may block is done in a
lane.
"""

import asyncio
import ctypes
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial

from hostcollector import __version__
from hostcollector.app.site import CollectorSite, FreshView, RecordsView, View
from hostcollector.app.wiring import Hypervisor
from hostcollector.base import log
from hostcollector.base.errors import ConfigError, HostcollectorError
from hostcollector.base.lanes import Lane
from hostcollector.base.model import Snapshot
from hostcollector.base.systemd import Notifier
from hostcollector.collection.collector import Collector
from hostcollector.config.settings import Configuration, Settings
from hostcollector.outputs import status_page, usage
from hostcollector.outputs.diagnose import lines as diagnose
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from hostcollector.outputs.overview import overview
from hostcollector.outputs.tenant_page import PATH
from hostcollector.outputs.tenant_page import report as tenant_report
from hostcollector.outputs.top.page import LastPages
from hostcollector.sources import NAMES
from hostcollector.web.access import AccessRules, exposure, read_access_rules, removed_protection
from hostcollector.web.application import Application
from hostcollector.web.local import LocalServer
from hostcollector.web.server import Server

logger = logging.getLogger("hostcollector")

LoadConfiguration = Callable[[], Configuration]

# Sections whose change would need new connections, another address or other baselines.
FIXED_SECTIONS = ("libvirt", "paths", "ovs", "ovn", "usage")
FIXED_WEB_KEYS = ("listen_address", "systemd_socket")

# mallopt(3): the parameters' numbers in malloc.h, and from which size on pieces of memory are mapped.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE = 64 * 1024

FAREWELL_SECONDS = 4.0
"""How long the end waits for sources that return something in the background, such as a BMC's session."""

FIRST_LISTING_SECONDS = 30.0
"""How long after the start a page without guests is refused; later it shows that libvirt does not answer."""


@dataclass(frozen=True, slots=True)
class Collection:
    """One collector on the hypervisor's parts: what the pages are made from."""

    hypervisor: Hypervisor
    collector: Collector
    last_pages: LastPages = field(default_factory=LastPages)

    @property
    def ready(self) -> bool:
        """Whether the inventory has read guests once."""
        return self.hypervisor.inventory.ready

    @property
    def listing(self) -> bool:
        """Whether the first listing is in progress: libvirt has neither answered nor failed so far."""
        started = time.time() - self.hypervisor.started_at < FIRST_LISTING_SECONDS
        return started and not self.ready and not self.hypervisor.transitions.is_failing("libvirt")

    def snapshot(self, budget: float, maximum_age: float | None = None) -> Future[Snapshot]:
        """Return the snapshot for a client that has `budget` seconds; it may be `maximum_age` seconds old."""
        future = self.collector.snapshot(budget, maximum_age)
        future.add_done_callback(self._keep)
        return future

    def _keep(self, done: Future[Snapshot]) -> None:
        if done.exception() is None:
            self.last_pages.take(done.result())


@dataclass(slots=True)
class Daemon:
    """Serves with a `configuration` until SIGTERM or SIGINT; on SIGHUP `load` gives a new one."""

    load: LoadConfiguration
    configuration: Configuration
    access: AccessRules = field(default_factory=AccessRules)
    sockets: Sequence[socket.socket] = ()
    """The sockets that systemd has opened for the page; without any it is served on the listen address."""
    notifier: Notifier = field(default_factory=Notifier)

    @property
    def settings(self) -> Settings:
        """The settings of the configuration in use."""
        return self.configuration.settings

    async def run(self) -> None:
        """Serve until a signal ends it. Raises `ListenError` if the address cannot be used."""
        signals = _Signals()
        hypervisor = Hypervisor.of(self.settings)
        serving = self._serving(Collection(hypervisor, hypervisor.collector(self.settings)))
        self._note_in_use(hypervisor)
        try:
            await serving.server.start()
            await serving.local.start()
            hypervisor.start()
            serving.collection.collector.start()
            self._meter(serving.collection)
            self._introduce(serving.server)
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(self._watch()), tasks.create_task(self._follow(signals, serving))]
                await signals.stop.wait()
                self.notifier.stopping()
                logger.info("stopping")
                for task in others:
                    task.cancel()
        finally:
            await serving.server.close()
            await serving.local.close()
            await _closed(serving.collection.collector)
            hypervisor.close()
            await _saved(hypervisor)

    def _serving(self, collection: Collection) -> "_Serving":
        server = Server(
            Application(self._site(collection)), self.settings.web.listen_address, sockets=self.sockets
        )
        local = LocalServer(self._local_site(collection), self.settings.paths.runtime_directory)
        return _Serving(collection=collection, server=server, local=local)

    async def _follow(self, signals: "_Signals", serving: "_Serving") -> None:
        """Reload at each SIGHUP; those that come during a reload cause one more."""
        while True:
            await signals.reload.wait()
            signals.reload.clear()
            self.notifier.reloading()
            await self._reload(serving)
            self._ready(serving.server)

    async def _reload(self, serving: "_Serving") -> None:
        """Put new settings in use, or keep the old ones when the new ones are wrong."""
        lane = Lane("reload")
        flight = asyncio.wrap_future(lane.submit(lambda: self._load(serving.collection.hypervisor)))
        lane.close()
        await asyncio.wait([flight])
        error = flight.exception()
        if error is not None:
            foreseen = isinstance(error, HostcollectorError)
            logger.error(
                "the old configuration stays in use: %s", error, exc_info=None if foreseen else error
            )
            serving.collection.hypervisor.loaded.refused = True
            return
        configuration, collector, access = flight.result()
        log.configure(configuration.settings.log.level, configuration.settings.log.format)
        self._mention_what_waits(configuration.settings)
        self.configuration, self.access = configuration, access
        predecessor = serving.collection
        self._note_in_use(predecessor.hypervisor)
        serving.collection = Collection(predecessor.hypervisor, collector, predecessor.last_pages)
        self._use(serving.collection)
        serving.server.exchange(self._site(serving.collection))
        serving.local.exchange(self._local_site(serving.collection))
        predecessor.collector.retire()
        self._warn(serving.server)
        logger.info("configuration reloaded")

    def _meter(self, collection: Collection) -> None:
        """Begin to record usage, if the configuration says so."""
        self._use(collection)
        if collection.hypervisor.metering is not None:
            collection.hypervisor.metering.start()

    @staticmethod
    def _use(collection: Collection) -> None:
        """Let the usage records make their own collections with the present collector."""
        if collection.hypervisor.metering is not None:
            collection.hypervisor.metering.collect = collection.collector.snapshot

    def _note_in_use(self, hypervisor: Hypervisor) -> None:
        """Let the page show which configuration is in use, and when the certificates end that it names."""
        hypervisor.loaded.take(self.configuration.sha256, time.time())
        hypervisor.expiries.follow(self.settings, self.access.config)

    def _load(self, hypervisor: Hypervisor) -> tuple[Configuration, Collector, AccessRules]:
        configuration = self.load()
        path = configuration.settings.web.config_path
        access = read_access_rules(path, self.access)
        if problems := removed_protection(self.access.config, access.config):
            access.close(successor=self.access)
            raise ConfigError(str(path or "no web-config file"), problems)
        collector = hypervisor.collector(configuration.settings)
        try:
            collector.start()
        except BaseException:
            collector.close()
            raise
        return configuration, collector, access

    def _mention_what_waits(self, settings: Settings) -> None:
        """Log which new settings take effect at the next start only."""
        for section in FIXED_SECTIONS:
            if getattr(settings, section) != getattr(self.settings, section):
                logger.warning("section %s changed: it takes effect at the next start", section)
        for key in FIXED_WEB_KEYS:
            if getattr(settings.web, key) != getattr(self.settings.web, key):
                logger.warning("web.%s changed: it takes effect at the next start", key)

    def _site(self, collection: Collection) -> CollectorSite:
        status = partial(_status_page, self.settings, collection)
        pages = {
            path: View("text/html; charset=utf-8", partial(status, still=still))
            for path, still in (("/", False), (status_page.STILL_PATH, True))
        }
        return CollectorSite(
            collector=collection,
            encoder=Encoder(),
            settings=self.settings,
            sources=[source.name for source in NAMES],
            access=self.access,
            views=pages,
            fresh=self._tenants(collection) if self.settings.tenants.page else {},
            records=_records(collection.hypervisor),
        )

    def _tenants(self, collection: Collection) -> dict[str, FreshView]:
        render = collection.hypervisor.tenant_page.encode
        age = self.settings.tenants.maximum_age_seconds
        return {PATH: FreshView(Format.TEXT.content_type, age, render)}

    def _local_site(self, collection: Collection) -> CollectorSite:
        """Return the local site for commands by hand: the metrics at their usual path, and `diagnose`.

        It has the tenant page also where no other client gets it.
        """
        site = self._site(collection)
        settings = replace(self.settings, web=replace(self.settings.web, telemetry_path="/metrics"))
        views = {
            **site.views,
            "/diagnose": View("text/plain; charset=utf-8", partial(_diagnosis, self.settings, collection)),
            "/status.json": View("application/json", partial(_state, self.settings)),
        }
        fresh = self._tenants(collection)
        return replace(site, settings=settings, access=AccessRules(), views=views, fresh=fresh)

    def _introduce(self, server: Server) -> None:
        """Log the page's address, and report to systemd that the daemon is ready."""
        logger.info("serving", extra={"address": ", ".join(map(str, server.addresses))})
        self._warn(server)
        self._ready(server)

    def _warn(self, server: Server) -> None:
        """Log which clients can read the page, if that is more than there should be."""
        if warning := exposure(server.addresses, self.access.config):
            logger.warning("%s; the fix is a web-config file", warning)

    def _ready(self, server: Server) -> None:
        self.notifier.ready(f"serving {', '.join(server.urls)}")

    async def _watch(self) -> None:
        """Notify systemd's watchdog while the event loop runs."""
        if self.notifier.watchdog_seconds is None:
            return
        while True:
            self.notifier.watchdog()
            await asyncio.sleep(self.notifier.watchdog_seconds / 2)


class _Signals:
    """The signals that have come: `stop` for SIGTERM and SIGINT, `reload` for SIGHUP."""

    def __init__(self) -> None:
        self.stop, self.reload = asyncio.Event(), asyncio.Event()
        events = ((signal.SIGTERM, self.stop), (signal.SIGINT, self.stop), (signal.SIGHUP, self.reload))
        for number, event in events:
            asyncio.get_running_loop().add_signal_handler(number, event.set)


@dataclass(slots=True, kw_only=True)
class _Serving:
    """The collection that is served now, and the two servers."""

    collection: Collection
    server: Server
    local: LocalServer


def _status_page(settings: Settings, collection: Collection, snapshot: Snapshot, *, still: bool) -> bytes:
    daemon = status_page.DaemonFacts(
        version=__version__,
        uptime=time.time() - collection.hypervisor.started_at,
        telemetry_path=settings.web.telemetry_path,
        still=still,
    )
    return status_page.render(snapshot, daemon, collection.last_pages.before(snapshot)).encode()


def _diagnosis(settings: Settings, collection: Collection, snapshot: Snapshot) -> bytes:
    page = collection.hypervisor.tenant_page
    tenants = tenant_report.lines(page, snapshot, served=settings.tenants.page)
    metering = collection.hypervisor.metering
    records = () if metering is None else metering.status.lines()
    return "".join(f"{line}\n" for line in (*diagnose.lines(snapshot), "", *tenants, *records)).encode()


def _state(settings: Settings, snapshot: Snapshot) -> bytes:
    """Return the daemon's version, PID, address and health for commands by hand, as JSON."""
    state = {
        "version": __version__,
        "pid": os.getpid(),
        "listen_address": str(settings.web.listen_address),
        "libvirt_uri": snapshot.facts.get("libvirt_uri", ""),
        "libvirt_up": bool(overview(snapshot).libvirt_up),
        "healthy": diagnose.healthy(snapshot),
    }
    return json.dumps(state).encode()


def share_one_arena() -> bool:
    """Let all threads share one arena of glibc, which returns large pieces at once; before the threads start.

    By default each thread has an arena and keeps what was freed in it: several MiB with a dozen lanes.
    Returns False if the C library has no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_ARENA_MAX, 1), (_TRIM_THRESHOLD, _LARGE), (_MMAP_THRESHOLD, _LARGE))
    return all(mallopt(option, value) == 1 for option, value in settings)


def _records(hypervisor: Hypervisor) -> dict[str, RecordsView]:
    metering = hypervisor.metering
    return {} if metering is None else {usage.PATH: RecordsView(metering.keeper.ledger)}


async def _saved(hypervisor: Hypervisor) -> None:
    """Wait until the usage records are saved."""
    metering = hypervisor.metering
    if metering is not None:
        lane = Lane("farewell-usage")
        await asyncio.wrap_future(lane.submit(lambda: metering.close(FAREWELL_SECONDS)))
        lane.close()


async def _closed(collector: Collector) -> None:
    """Close the collector, and wait for what its sources return in the background."""
    collector.close()
    lane = Lane("farewell")
    await asyncio.wrap_future(lane.submit(lambda: collector.wait_closed(FAREWELL_SECONDS)))
    lane.close()
