"""One worker: a process that answers tenants, with its own copy of the accounts and its own audit."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Engine

from hostcollector.base.lanes import Workers
from hostcollector.config.address import Address
from hostcollector.config.certificates import Expiries
from hostcollector.gateway.accounts.accounts import Accounts
from hostcollector.gateway.accounts.database import connect
from hostcollector.gateway.accounts.follower import Follower
from hostcollector.gateway.accounts.last_use import INTERVAL_SECONDS as LAST_USE_SECONDS
from hostcollector.gateway.accounts.last_use import LastUse
from hostcollector.gateway.accounts.metering import INTERVAL_SECONDS as METERING_SECONDS
from hostcollector.gateway.accounts.metering import Metering
from hostcollector.gateway.accounts.notes import Notes
from hostcollector.gateway.api.application import TenantApplication
from hostcollector.gateway.api.browsers import Browsers
from hostcollector.gateway.api.routes import prometheus_routes, typed_routes, usage_routes
from hostcollector.gateway.api.scrape import Scrape
from hostcollector.gateway.api.threads import Threads
from hostcollector.gateway.api.typed import Typed
from hostcollector.gateway.api.usage import Usage
from hostcollector.gateway.audit.writer import Audit
from hostcollector.gateway.configuration import Configuration
from hostcollector.gateway.identity.bearer import Identity
from hostcollector.gateway.identity.openid import OpenId
from hostcollector.gateway.identity.provider_keys import ProviderKeys
from hostcollector.gateway.limits import TenantLimits, Turns
from hostcollector.gateway.metrics import Counters
from hostcollector.gateway.operator_site import OperatorSite
from hostcollector.gateway.page.files import read_page
from hostcollector.gateway.promql.self_test import check_library
from hostcollector.gateway.queries import Queries
from hostcollector.gateway.store.client import Store
from hostcollector.gateway.store.watchdog import INTERVAL_SECONDS, RETRY_SECONDS, Watchdog
from hostcollector.gateway.usage.reading import LedgerReader
from hostcollector.gateway.usage.service import ServiceReader
from hostcollector.web.application import Application
from hostcollector.web.clients import ClientLimits
from hostcollector.web.server import Server

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
FIRST_LOOK_SECONDS = 5.0
"""How long a worker waits for the store and the accounts before it answers without them."""

GRACE_SECONDS = 0.5
"""For the requests of clients that connect while a worker begins to end."""

FAREWELL_SECONDS = 5.0
"""For the requests in progress of a worker that ends."""

DOCUMENT_LANES = 2
"""Threads that read and write the typed API's documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What tenants' answers, the operator's and the background tasks share."""

    store: Store
    watchdog: Watchdog
    audit: Audit
    engine: Engine
    follower: Follower
    notes: Notes
    openid: OpenId | None
    counters: Counters

    @classmethod
    def of(cls, configuration: Configuration, number: int, ends: AsyncExitStack) -> "_Parts":
        """Make the parts of worker `number`; `ends` closes them, the last one first."""
        settings = configuration.settings
        store = Store(settings.store, settings.limits.seconds)
        ends.push_async_callback(store.close)
        audit = Audit(Path(settings.audit.directory), f"worker-{number}")
        ends.callback(audit.close)
        engine = connect(settings.accounts)
        follower, notes = Follower(engine), Notes(last_use=LastUse(engine), metering=Metering(engine))
        ends.callback(follower.close)
        ends.callback(notes.close)
        ends.push_async_callback(notes.metering.write)
        return cls(
            store=store,
            watchdog=Watchdog(store),
            audit=audit,
            engine=engine,
            follower=follower,
            notes=notes,
            openid=OpenId(settings.openid) if settings.openid is not None else None,
            counters=Counters(),
        )

    def accounts(self) -> Accounts:
        """Return the newest copy of the accounts."""
        return self.follower.accounts


class Worker:
    """Worker `number`, counted from 0, of the process `parent`, on sockets that all workers share.

    While it serves it writes each second into `signs`, a pipe that does not block.
    `run` raises `HostcollectorError` for what must not be served: a changed library, an audit with a fault.
    """

    def __init__(
        self,
        configuration: Configuration,
        sockets: Sequence[socket.socket],
        number: int,
        parent: int,
        signs: int,
    ) -> None:
        self._configuration = configuration
        self._settings = configuration.settings
        self._sockets = sockets
        self._number = number
        self._parent = parent
        self._signs = signs

    async def run(self) -> None:
        """Answer until SIGTERM or SIGINT, or until the program that started the worker is gone."""
        check_library()
        stop = asyncio.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
        async with AsyncExitStack() as ends:
            await self._start(ends)
            while not stop.is_set() and os.getppid() == self._parent:
                with suppress(OSError):
                    os.write(self._signs, b".")
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), TICK_SECONDS)

    async def _start(self, ends: AsyncExitStack) -> None:
        """Start every part; `ends` closes them, the last one first."""
        parts = _Parts.of(self._configuration, self._number, ends)
        application = self._application(parts, ends)
        operator = self._operator(parts, ends)
        await self._follow(parts, ends)
        limits = ClientLimits(shutdown_seconds=FAREWELL_SECONDS)
        for server, grace in (
            (Server(Application(operator), self._operator_address), 0.0),
            (self._server(application, limits), GRACE_SECONDS),
        ):
            await server.start()
            ends.push_async_callback(server.close, grace)
        logger.info("worker %d is ready", self._number)

    def _application(self, parts: _Parts, ends: AsyncExitStack) -> TenantApplication:
        """Return what answers tenants."""
        settings, plans = self._settings, self._configuration.plans
        ledger = LedgerReader(connect(settings.ledger, reads_only=True))
        ends.callback(ledger.close)
        workers = Workers("documents", DOCUMENT_LANES)
        ends.callback(workers.close)
        threads = Threads(workers)
        turns = Turns(settings.limits.store_queries, settings.web.workers)
        queries = Queries(parts.store, parts.watchdog, settings.limits, turns)
        typed = Typed(queries, threads, parts.accounts)
        return TenantApplication(
            access=self._configuration.access,
            routes=[
                *prometheus_routes(queries),
                *typed_routes(typed, Scrape(queries, threads).page),
                *usage_routes(Usage(ledger, ServiceReader(parts.engine), threads, parts.accounts)),
            ],
            identity=Identity(parts.accounts, plans, parts.openid),
            plans=plans,
            limits=settings.limits,
            tenant_limits=TenantLimits(settings.limits.concurrency, settings.web.workers),
            audit=parts.audit,
            notes=parts.notes,
            counters=parts.counters,
            browsers=Browsers(page=read_page(), origins=frozenset(settings.web.allowed_origins)),
        )

    def _operator(self, parts: _Parts, ends: AsyncExitStack) -> OperatorSite:
        """Return what answers the operator."""
        expiries = Expiries()
        expiries.follow(self._settings, self._configuration.access.config)
        ends.callback(expiries.close)
        watchdog, follower = parts.watchdog, parts.follower

        def lines() -> list[str]:
            age, known = follower.age, expiries.known()
            return [*parts.counters.lines(lock_holds=watchdog.holds, accounts_age=age, expiries=known)]

        return OperatorSite(
            lines=lines,
            find_obstacle=lambda: _obstacle(watchdog, follower),
            listen_host=self._settings.operator.listen_address.host,
            access=self._configuration.operator,
        )

    async def _follow(self, parts: _Parts, ends: AsyncExitStack) -> None:
        """Begin to follow accounts, the store's lock and the provider's keys; return after a first look."""
        looked = asyncio.Event()
        tasks = [
            asyncio.create_task(parts.follower.follow()),
            asyncio.create_task(_watch(parts.watchdog, looked)),
            asyncio.create_task(_tick(parts.audit)),
            asyncio.create_task(_write(parts.notes.last_use, LAST_USE_SECONDS)),
            asyncio.create_task(_write(parts.notes.metering, METERING_SECONDS)),
        ]
        if parts.openid is not None and self._settings.openid is not None:
            keys = ProviderKeys(self._settings.openid, parts.openid)
            ends.callback(keys.close)
            tasks.append(asyncio.create_task(keys.follow()))
        for task in tasks:
            ends.callback(task.cancel)
        with suppress(TimeoutError):  # a store that hangs does not keep the worker from saying so to tenants
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await asyncio.gather(looked.wait(), parts.follower.polled.wait())

    def _server(self, application: TenantApplication, limits: ClientLimits) -> Server:
        address = self._settings.web.listen_address
        return Server(application, address, limits, self._sockets, shared=True)

    @property
    def _operator_address(self) -> Address:
        address = self._settings.operator.listen_address
        return replace(address, port=address.port + self._number if address.port else 0)


def _obstacle(watchdog: Watchdog, follower: Follower) -> str:
    """Return why tenants get no answers; empty if they do."""
    if not follower.trusted:
        return "The accounts database does not answer: the log has the cause."
    return "" if watchdog.holds else "The store is not verified to keep tenants apart: the log has the cause."


async def _watch(watchdog: Watchdog, looked: asyncio.Event) -> None:
    while True:
        await watchdog.look()
        looked.set()
        await asyncio.sleep(INTERVAL_SECONDS if watchdog.holds else RETRY_SECONDS)


async def _write(gathered: LastUse | Metering, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        await gathered.write()


async def _tick(audit: Audit) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        audit.tick()
