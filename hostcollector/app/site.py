"""The pages of the daemon: what a scraper requests, and snapshots to bytes off the event loop."""

import asyncio
import gzip
import re
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Protocol

from aiohttp import web

from hostcollector.base.errors import HostcollectorError, StateError
from hostcollector.base.lanes import Workers
from hostcollector.base.model import Snapshot
from hostcollector.base.wording import one_line
from hostcollector.config.settings import Settings
from hostcollector.outputs.exposition.formats import Format, accepts_gzip, choose_format
from hostcollector.outputs.status_style import STYLE
from hostcollector.outputs.usage import LEDGER_HEADER
from hostcollector.outputs.usage.ledger import CursorError, Ledger
from hostcollector.web.access import AccessRules
from hostcollector.web.application import ServedPage
from hostcollector.web.replies import content_policy, unavailable

OWN_SOURCES = ("collector",)
"""Names that ``collect[]`` accepts besides the sources: the rows about the collection itself."""

LOOK_SECONDS = 0.05
"""How often a waiting scrape looks whether the first listing of guests has ended."""

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"

MOST_LINES, MOST_SEQUENCE = 10_000, 2**63 - 1
"""Of one answer with usage records, and of its cursor."""

_MOST_DIGITS = len(str(MOST_SEQUENCE))

_NO_LISTING = "The first listing of guests is not done yet."
_HEADERS: Mapping[str, str] = {"Content-Security-Policy": content_policy(STYLE)}
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")

_END = b"# EOF\n"
"""The last line of an OpenMetrics page, and of nothing else on it."""

_COMPRESSED_END = gzip.compress(_END, 1, mtime=0)


class SnapshotSource(Protocol):
    """Makes the snapshots that the pages show."""

    @property
    def ready(self) -> bool:
        """Whether the first listing of guests has succeeded."""

    @property
    def listing(self) -> bool:
        """Whether it is in progress, so that a page without guests would be wrong."""

    def snapshot(self, budget: float, maximum_age: float | None = None) -> Future[Snapshot]:
        """Return the collection for a client that has `budget` seconds, never blocking.

        One that began at most `maximum_age` seconds ago is returned again. The future fails with nothing but
        a `HostcollectorError`.
        """


class PageEncoder(Protocol):
    """Writes the metrics page; may be called from several threads."""

    def encode(self, snapshot: Snapshot, form: Format, only: frozenset[str] | None = None) -> bytes:
        """Return the page with the families of the sources in `only`, None for all."""


@dataclass(frozen=True, slots=True)
class View:
    """A page that is made from a snapshot and cached with it."""

    content_type: str
    render: Callable[[Snapshot], bytes]


@dataclass(frozen=True, slots=True)
class FreshView:
    """A page that is made for each request, from a snapshot that may be `maximum_age` seconds old.

    It is never kept: what it shows depends on the moment. `render` also takes the request's parameter
    ``tenant``, empty for all tenants, and the Unix time of the request.
    """

    content_type: str
    maximum_age: float
    render: Callable[[Snapshot, str, float], bytes]


@dataclass(frozen=True, slots=True)
class RecordsView:
    """The page of usage records: from the ledger, without a collection."""

    ledger: Ledger

    def lines(self, query: Mapping[str, str]) -> bytes:
        """Return the lines after the cursor. Raises the reply for parameters that cannot be used."""
        if not self.ledger.name:
            raise unavailable("The ledger is not open so far; `hostcollector diagnose` says why.")
        after = _whole(query, "after", 0, MOST_SEQUENCE)
        limit = _whole(query, "limit", MOST_LINES, MOST_LINES)
        try:
            found = self.ledger.read(after, limit)
        except CursorError as error:
            raise web.HTTPConflict(text=f"after={after} is not of this ledger: {error}.\n") from None
        except StateError as error:
            raise unavailable(f"{one_line(str(error))}.") from None
        return b"".join(line + b"\n" for line in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSite:
    """The pages of a collector, and the rules of access to them.

    `sources` are the names that ``collect[]`` accepts, `views` the pages besides the metrics, by path,
    `fresh` those that are made for each request, and `records` those without a collection.
    """

    collector: SnapshotSource
    encoder: PageEncoder
    settings: Settings
    sources: Collection[str]
    access: AccessRules = field(default_factory=AccessRules)
    views: Mapping[str, View] = field(default_factory=dict)
    fresh: Mapping[str, FreshView] = field(default_factory=dict)
    records: Mapping[str, RecordsView] = field(default_factory=dict)

    @property
    def paths(self) -> frozenset[str]:
        """The paths of the pages."""
        return frozenset({self.settings.web.telemetry_path, *self.views, *self.fresh, *self.records})

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that its pages need in every reply."""
        return _HEADERS

    @property
    def listen_host(self) -> str:
        """The host of the configured listen address."""
        return self.settings.web.listen_address.host

    @property
    def obstacle(self) -> str:
        """Why a scrape would not find the guests; empty if it would."""
        return "" if self.collector.ready else _NO_LISTING

    def pages(self, workers: Workers) -> "CollectorPages":
        """Return the maker of its pages; `workers` run what would hold up the event loop."""
        return CollectorPages(self, workers)


class _Encoding:
    """A page, or one source's piece of it; encoded once, by the worker that needs it first."""

    def __init__(self, encode: Callable[[], bytes]) -> None:
        self._encode = encode
        self._lock = Lock()
        self._bytes: bytes | None = None

    def plain(self) -> bytes:
        with self._lock:
            if self._bytes is None:
                self._bytes = self._encode()
            return self._bytes

    def compressed(self) -> bytes:
        # Level 1: a page is so repetitive that more effort saves little.
        return gzip.compress(self.plain(), 1, mtime=0)


class SnapshotPages:
    """The pages of one snapshot, each made once, so that ten scrapers cost one encoding.

    A page of some sources consists of one piece for each: whatever clients select, each source is encoded
    once in each format.
    """

    def __init__(self, snapshot: Snapshot, encoder: PageEncoder, workers: Workers) -> None:
        self.snapshot = snapshot
        self._encoder = encoder
        self._workers = workers
        self._encodings: dict[Hashable, _Encoding] = {}
        self._made: dict[Hashable, asyncio.Task[bytes]] = {}

    async def metrics(
        self, form: Format, only: frozenset[str] | None, *, compressed: bool
    ) -> Sequence[bytes]:
        """Return the pieces of the metrics page; `only` names its sources, None for all."""
        if only is None:
            return [await self._piece(form, None, compressed=compressed)]
        pieces = [await self._piece(form, source, compressed=compressed) for source in sorted(only)]
        if form is Format.OPENMETRICS:
            # Compressed pieces in a row are one compressed file (RFC 1952, 2.2).
            pieces.append(_COMPRESSED_END if compressed else _END)
        return pieces

    async def view(self, path: str, render: Callable[[Snapshot], bytes]) -> bytes:
        """Return what `render` makes of the snapshot, for the view at `path`."""
        return await self._kept(path, partial(render, self.snapshot))

    async def _piece(self, form: Format, source: str | None, *, compressed: bool) -> bytes:
        encoding = self._encodings.setdefault((form, source), _Encoding(partial(self._encode, form, source)))
        make = encoding.compressed if compressed else encoding.plain
        return await self._kept((form, source, compressed), make)

    def _encode(self, form: Format, source: str | None) -> bytes:
        if source is None:
            return self._encoder.encode(self.snapshot, form)
        return self._encoder.encode(self.snapshot, form, frozenset({source})).removesuffix(_END)

    async def _kept(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        task = self._made.get(key)
        if task is None:
            task = self._made[key] = asyncio.create_task(self._workers.run(make))
        # Shielded, because other clients wait for the same page.
        return await asyncio.shield(task)


class CollectorPages:
    """Makes the pages of one site; `workers` run what would hold up the event loop."""

    def __init__(self, site: CollectorSite, workers: Workers) -> None:
        self.site = site
        self._workers = workers
        self._last: SnapshotPages | None = None
        self._known = {*site.sources, *OWN_SOURCES}

    async def page(self, request: web.BaseRequest) -> ServedPage:
        """Return the requested page, at one of the site's paths."""
        if (fresh := self.site.fresh.get(request.path)) is not None:
            return await self._fresh(request, fresh)
        if (records := self.site.records.get(request.path)) is not None:
            return await self._records(request, records)
        view = self.site.views.get(request.path)
        if view is None or request.path == self.site.settings.web.telemetry_path:
            return await self._metrics(request)
        body = await self._of(await self._snapshot(request)).view(request.path, view.render)
        return ServedPage([body], {"Content-Type": view.content_type})

    async def _fresh(self, request: web.BaseRequest, view: FreshView) -> ServedPage:
        """Make a page that is not kept."""
        asked_at = time.time()
        snapshot = await self._snapshot(request, view.maximum_age)
        compressed = accepts_gzip(_header(request, "Accept-Encoding"))

        def make() -> bytes:
            body = view.render(snapshot, request.query.get("tenant", ""), asked_at)
            return gzip.compress(body, 1, mtime=0) if compressed else body

        headers = {"Content-Type": view.content_type, "Vary": "Accept-Encoding"}
        body = await self._workers.run(make)
        return ServedPage([body], {**headers, "Content-Encoding": "gzip"} if compressed else headers)

    async def _records(self, request: web.BaseRequest, view: RecordsView) -> ServedPage:
        compressed = accepts_gzip(_header(request, "Accept-Encoding"))

        def make() -> bytes:
            body = view.lines(request.query)
            return gzip.compress(body, 1, mtime=0) if compressed else body

        body = await self._workers.run(make)
        headers = {
            "Content-Type": "application/x-ndjson",
            "Vary": "Accept-Encoding",
            LEDGER_HEADER: view.ledger.name,
        }
        return ServedPage([body], {**headers, "Content-Encoding": "gzip"} if compressed else headers)

    async def _metrics(self, request: web.BaseRequest) -> ServedPage:
        """Answer a scrape."""
        try:
            only = selection(request.query.getall("collect[]", []), self._known)
        except UnknownSourceError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        form = choose_format(_header(request, "Accept"))
        compressed = accepts_gzip(_header(request, "Accept-Encoding"))
        pages = self._of(await self._snapshot(request))
        pieces = await pages.metrics(form, only, compressed=compressed)
        headers = {"Content-Type": form.content_type, "Vary": "Accept, Accept-Encoding"}
        return ServedPage(pieces, {**headers, "Content-Encoding": "gzip"} if compressed else headers)

    def _of(self, snapshot: Snapshot) -> SnapshotPages:
        """Return the pages of a snapshot; those of the latest one are kept."""
        if self._last is not None and self._last.snapshot is snapshot:
            return self._last
        pages = SnapshotPages(snapshot, self.site.encoder, self._workers)
        # A client that has waited long must not push out the pages of the latest snapshot.
        if self._last is None or snapshot.taken_at >= self._last.snapshot.taken_at:
            self._last = pages
        return pages

    async def _snapshot(self, request: web.BaseRequest, maximum_age: float | None = None) -> Snapshot:
        """Return a snapshot within the client's time, or raise the 503 with the cause."""
        settings = self.site.settings.collection
        timeout, margin = _header(request, TIMEOUT_HEADER), settings.timeout_margin_seconds
        budget = scrape_budget(timeout, settings.budget_seconds, margin)
        ends_at = asyncio.get_running_loop().time() + budget
        try:
            async with asyncio.timeout(scrape_patience(timeout, settings.budget_seconds, margin)):
                await self._first_listing(ends_at)
                left = ends_at - asyncio.get_running_loop().time()
                # Shielded, because other clients wait for the same collection.
                collection = self.site.collector.snapshot(left, maximum_age)
                return await asyncio.shield(asyncio.wrap_future(collection))
        except TimeoutError:
            late = f"The collection did not end within {budget:g} s."
            raise unavailable(_NO_LISTING if self.site.collector.listing else late) from None
        except HostcollectorError as error:
            raise unavailable(f"There is no collection: {one_line(str(error))}.") from None

    async def _first_listing(self, ends_at: float) -> None:
        """Wait for the first listing of guests: a page without them would end all of their series."""
        while self.site.collector.listing:
            if asyncio.get_running_loop().time() >= ends_at:
                raise unavailable(_NO_LISTING)
            await asyncio.sleep(LOOK_SECONDS)


class UnknownSourceError(ValueError):
    """The ``collect[]`` filter names sources that do not exist; the message names those that do."""


def scrape_budget(header: str, configured: float, margin: float) -> float:
    """Return the seconds after which this scraper's page is made of the sources that have answered.

    That is the configured budget, or the scraper's own timeout minus `margin` if that is less; at least half
    of that timeout. A header that is not a positive decimal number is ignored.
    """
    timeout = _timeout(header)
    return configured if timeout is None else min(configured, timeout - min(margin, timeout / 2))


def scrape_patience(header: str, configured: float, margin: float) -> float:
    """Return the seconds after which the scraper gets a 503: before its own timeout."""
    timeout = _timeout(header)
    return configured + margin if timeout is None else timeout - min(margin, timeout / 2) / 4


def _timeout(header: str) -> float | None:
    timeout = float(header) if _SECONDS.fullmatch(header) else 0.0
    return timeout if timeout > 0 else None


def selection(names: Sequence[str], known: Collection[str]) -> frozenset[str] | None:
    """Return the sources that the ``collect[]`` parameters name, None where there are none.

    Raises `UnknownSourceError` for a name that is not `known`, also for an empty one.
    """
    unknown = sorted({name for name in names if name not in known})
    if unknown:
        shown = ", ".join(ascii(name[:60]) for name in unknown[:5])
        raise UnknownSourceError(f"unknown in collect[]: {shown}; known: {', '.join(sorted(known))}")
    return frozenset(names) or None


def _whole(query: Mapping[str, str], name: str, otherwise: int, most: int) -> int:
    text = query.get(name, str(otherwise))
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) <= most):
        raise web.HTTPBadRequest(text=f"{name} is a whole number from 0 to {most}.\n")
    return int(text)


def _header(request: web.BaseRequest, name: str) -> str:
    return ",".join(request.headers.getall(name, []))
