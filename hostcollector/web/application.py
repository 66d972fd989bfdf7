"""The pages and what they answer."""

import asyncio
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Protocol

from aiohttp import web

from hostcollector import __version__
from hostcollector.config import Settings
from hostcollector.errors import HostcollectorError
from hostcollector.exposition import accepts_gzip, choose_format
from hostcollector.model import Snapshot
from hostcollector.status_page import Daemon, render
from hostcollector.web.admission import PROBES, Handler
from hostcollector.web.door import Door
from hostcollector.web.limits import Limits
from hostcollector.web.pages import Encoder, Pages, Variant
from hostcollector.web.replies import headers_with, send, unavailable
from hostcollector.web.request import TIMEOUT_HEADER, UnknownSourceError, scrape_budget, selection
from hostcollector.web.workers import Workers
from hostcollector.wording import one_line

ENCODERS = 3
"""Lanes that write pages."""

OWN_SOURCES = ("collector",)
"""Names that `collect[]` knows beside the sources: the rows about the collection itself."""


class Collector(Protocol):
    """What the pages are made from."""

    @property
    def ready(self) -> bool:
        """Whether the first listing of guests is done."""

    def snapshot(self, budget: float) -> Future[Snapshot]:
        """Return the collection that may take `budget` seconds, never blocking.

        The future fails with nothing but a `HostcollectorError`.
        """


def build(
    collector: Collector,
    encoder: Encoder,
    settings: Settings,
    source_names: Collection[str],
    *,
    limits: Limits | None = None,
    door: Door | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """Return the application that serves the pages of `collector`.

    `source_names` are what ``collect[]`` may name, `door` says who may ask; `clock` counts the uptime, in
    seconds. It serves in one event loop.
    """
    site = _Site(collector, encoder, settings, source_names, limits or Limits(), clock)
    door = door or Door()
    application = web.Application(middlewares=[door.admission.admit, site.limited])
    application.on_response_prepare.append(headers_with(door.headers))
    application.on_cleanup.append(site.close)
    application.router.add_get("/", site.status)
    application.router.add_get("/-/healthy", site.healthy, name="healthy")
    application.router.add_get("/-/ready", site.ready, name="ready")
    application.router.add_get(settings.web.telemetry_path, site.metrics)
    return application


class _Site:
    """The handlers and what they share."""

    def __init__(
        self,
        collector: Collector,
        encoder: Encoder,
        settings: Settings,
        source_names: Collection[str],
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._collector = collector
        self._settings = settings
        self._known = {*source_names, *OWN_SOURCES}
        self._limits = limits
        self._clock = clock
        self._started = clock()
        self._in_flight = 0
        self._workers = Workers("page", ENCODERS)
        self._pages = Pages(encoder, self._workers)

    async def close(self, _application: web.Application) -> None:
        self._workers.close()

    async def healthy(self, _request: web.Request) -> web.Response:
        """Say that the event loop turns."""
        return web.Response(text="ok\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """Say whether a scrape would find the guests."""
        if not self._collector.ready:
            raise unavailable("The first listing of guests is not done yet.")
        return web.Response(text="ready\n")

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Answer a scrape."""
        try:
            only = selection(request.query.getall("collect[]", []), self._known)
        except UnknownSourceError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        variant = Variant(
            form=choose_format(_header(request, "Accept")),
            compressed=accepts_gzip(_header(request, "Accept-Encoding")),
            only=only,
        )
        page = await self._pages.get(await self._snapshot(request), variant)
        headers = {"Content-Type": variant.form.content_type, "Vary": "Accept, Accept-Encoding"}
        if variant.compressed:
            headers["Content-Encoding"] = "gzip"
        return await send(request, page, headers, self._limits.send_seconds)

    async def status(self, request: web.Request) -> web.StreamResponse:
        """Answer a person."""
        daemon = Daemon(
            version=__version__,
            uptime=self._clock() - self._started,
            telemetry_path=self._settings.web.telemetry_path,
        )
        snapshot = await self._snapshot(request)
        page = await self._workers.run(lambda: render(snapshot, daemon).encode())
        headers = {"Content-Type": "text/html; charset=utf-8"}
        return await send(request, page, headers, self._limits.send_seconds)

    async def _snapshot(self, request: web.Request) -> Snapshot:
        """Return a snapshot within the client's time, or raise the 503 that says why there is none."""
        collection = self._settings.collection
        budget = scrape_budget(
            _header(request, TIMEOUT_HEADER), collection.budget_seconds, collection.timeout_margin_seconds
        )
        try:
            async with asyncio.timeout(budget + collection.timeout_margin_seconds):
                # Shielded, because the collection belongs to everybody who waits for it.
                return await asyncio.shield(asyncio.wrap_future(self._collector.snapshot(budget)))
        except TimeoutError:
            raise unavailable(f"The collection did not end within {budget:g} s.") from None
        except HostcollectorError as error:
            raise unavailable(f"There is no collection: {one_line(str(error))}.") from None

    @web.middleware
    async def limited(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer so many requests at once and no more; the probes cost nothing and are always answered."""
        if request.match_info.route.name in PROBES:
            return await handler(request)
        if self._in_flight >= self._limits.requests:
            raise unavailable(f"{self._limits.requests} requests are being answered already.")
        self._in_flight += 1
        try:
            return await handler(request)
        finally:
            self._in_flight -= 1


def _header(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, []))
