"""What is served: the pages and what they answer."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from hostcollector.app.pages import Encoder, Pages, Variant
from hostcollector.app.request import (
    TIMEOUT_HEADER,
    UnknownSourceError,
    scrape_budget,
    scrape_patience,
    selection,
)
from hostcollector.base.errors import HostcollectorError
from hostcollector.base.model import Snapshot
from hostcollector.base.wording import one_line
from hostcollector.base.workers import Workers
from hostcollector.config.settings import Settings
from hostcollector.outputs.exposition.formats import accepts_gzip, choose_format
from hostcollector.outputs.status_style import STYLE
from hostcollector.web.application import Page
from hostcollector.web.door import Door
from hostcollector.web.replies import content_policy, unavailable

OWN_SOURCES = ("collector",)
"""Names that `collect[]` knows beside the sources: the rows about the collection itself."""

_HEADERS: Mapping[str, str] = {"Content-Security-Policy": content_policy(STYLE)}

LOOK_SECONDS = 0.05
"""How often a client that waits for the first listing of guests is looked after."""


class Collector(Protocol):
    """What the pages are made from."""

    @property
    def ready(self) -> bool:
        """Whether the first listing of guests is done."""

    @property
    def listing(self) -> bool:
        """Whether it is under way, so that a page without guests would be wrong."""

    def snapshot(self, budget: float) -> Future[Snapshot]:
        """Return the collection for a client that has `budget` seconds, never blocking.

        The future fails with nothing but a `HostcollectorError`.
        """


@dataclass(frozen=True, slots=True)
class View:
    """A page that is made of a snapshot and kept with it."""

    content_type: str
    render: Callable[[Snapshot], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is served, and to whom.

    `sources` are what ``collect[]`` may name, `door` says who may ask, `views` are the pages beside that of
    the metrics, by their paths.
    """

    collector: Collector
    encoder: Encoder
    settings: Settings
    sources: Collection[str]
    door: Door = field(default_factory=Door)
    views: Mapping[str, View] = field(default_factory=dict)

    @property
    def paths(self) -> frozenset[str]:
        """Where there are pages."""
        return frozenset({self.settings.web.telemetry_path, *self.views})

    @property
    def headers(self) -> Mapping[str, str]:
        """What its pages need in every reply."""
        return _HEADERS

    @property
    def listen_host(self) -> str:
        """The host that the operator has it listen on."""
        return self.settings.web.listen_address.host

    @property
    def ready(self) -> bool:
        """Whether a scrape would find the guests."""
        return self.collector.ready

    def pages(self, workers: Workers) -> "Pressroom":
        """Return what makes its pages; `workers` do what takes time."""
        return Pressroom(self, workers)


class Pressroom:
    """Makes the pages of one site; `workers` do what takes time."""

    def __init__(self, site: Site, workers: Workers) -> None:
        self.site = site
        self._pages = Pages(site.encoder, workers)
        self._known = {*site.sources, *OWN_SOURCES}

    async def page(self, request: web.BaseRequest) -> Page:
        """Return the page that is asked for, at one of the site's paths."""
        view = self.site.views.get(request.path)
        if view is None or request.path == self.site.settings.web.telemetry_path:
            return await self._metrics(request)
        body = await self._pages.view(await self._snapshot(request), request.path, view.render)
        return Page([body], {"Content-Type": view.content_type})

    async def _metrics(self, request: web.BaseRequest) -> Page:
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
        pieces = await self._pages.get(await self._snapshot(request), variant)
        headers = {"Content-Type": variant.form.content_type, "Vary": "Accept, Accept-Encoding"}
        return Page(pieces, {**headers, "Content-Encoding": "gzip"} if variant.compressed else headers)

    async def _snapshot(self, request: web.BaseRequest) -> Snapshot:
        """Return a snapshot within the client's time, or raise the 503 that says why there is none."""
        settings = self.site.settings.collection
        timeout, margin = _header(request, TIMEOUT_HEADER), settings.timeout_margin_seconds
        budget = scrape_budget(timeout, settings.budget_seconds, margin)
        ends_at = asyncio.get_running_loop().time() + budget
        try:
            async with asyncio.timeout(scrape_patience(timeout, settings.budget_seconds, margin)):
                await self._first_listing(ends_at)
                left = ends_at - asyncio.get_running_loop().time()
                # Shielded, because the collection belongs to everybody who waits for it.
                return await asyncio.shield(asyncio.wrap_future(self.site.collector.snapshot(left)))
        except TimeoutError:
            raise unavailable(f"The collection did not end within {budget:g} s.") from None
        except HostcollectorError as error:
            raise unavailable(f"There is no collection: {one_line(str(error))}.") from None

    async def _first_listing(self, ends_at: float) -> None:
        """Wait for the first listing of guests: a page without them would end all of their series."""
        while self.site.collector.listing:
            if asyncio.get_running_loop().time() >= ends_at:
                raise unavailable("The first listing of guests is not done yet.")
            await asyncio.sleep(LOOK_SECONDS)


def _header(request: web.BaseRequest, name: str) -> str:
    return ",".join(request.headers.getall(name, []))
