"""Answers requests. There is one application for as long as the daemon runs.

A reload exchanges its site. Only requests in progress keep the old site alive.
"""

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from aiohttp import web
from yarl import URL

from hostcollector.base.lanes import Workers
from hostcollector.web.access import AccessRules, ip_address, is_loopback
from hostcollector.web.clients import ClientLimits, RequestSlots
from hostcollector.web.connection import HttpConnection, send
from hostcollector.web.replies import HEADERS, unavailable

ENCODERS = 3
"""Lanes that encode pages."""

METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class ServedPage:
    """The bytes of a page in pieces, with the headers that describe them."""

    pieces: Sequence[bytes]
    headers: Mapping[str, str]


class Pages(Protocol):
    """Makes a site's pages, and caches them."""

    async def page(self, request: web.BaseRequest) -> ServedPage:
        """Return the requested page, at one of the site's paths."""


class Site(Protocol):
    """The pages that are served, and the rules of access to them."""

    @property
    def access(self) -> AccessRules:
        """TLS and authentication."""

    @property
    def paths(self) -> Collection[str]:
        """The paths of the pages."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that its pages need in every reply."""

    @property
    def listen_host(self) -> str:
        """The host of the configured listen address."""

    @property
    def obstacle(self) -> str:
        """Why it is not ready, as a sentence; empty if it is."""

    def pages(self, workers: Workers) -> Pages:
        """Return the maker of its pages; `workers` run what would hold up the event loop."""


class Application:
    """Answers requests with a site's pages. Bound to one event loop."""

    def __init__(self, site: Site, limits: ClientLimits | None = None) -> None:
        self._limits = limits or ClientLimits()
        self._slots = RequestSlots(self._limits)
        self._workers = Workers("page", ENCODERS)
        self._site, self._pages = site, site.pages(self._workers)

    @property
    def access(self) -> AccessRules:
        """TLS and authentication of the present site."""
        return self._site.access

    def exchange(self, site: Site) -> None:
        """Serve another site from now on, and close the access rules of the old one."""
        access = self.access
        self._site, self._pages = site, site.pages(self._workers)
        access.close(successor=site.access)

    def close(self) -> None:
        """Let the threads end."""
        self.access.close()
        self._workers.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the reply: the page, or the reason why there is none."""
        headers = {**HEADERS, **self._site.headers, **self.access.headers}
        try:
            return await self._answer(request, headers)
        except web.HTTPException as refusal:
            # As a plain response: aiohttp would keep the exception, whose traceback keeps the request.
            reply = web.Response(
                status=refusal.status, body=refusal.body, headers={**refusal.headers, **headers}
            )
            if request.body_exists or refusal.keep_alive is False:
                reply.force_close()  # the body is not read, so no other request can follow it
            return reply

    async def _answer(self, request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
        site = self._site
        if site.access.is_open:
            _refuse_foreign_names(request, site.listen_host)
        connection = cast(HttpConnection, request.protocol)
        if not await site.access.admission.accepts_connection(request):
            connection.cut()  # the client connects again, under the present rules
            return web.Response()
        await site.access.admission.admit(request, probe=request.path in PROBES)
        site, pages = self._site, self._pages  # once more: checking a password takes a while
        if request.path not in {*PROBES, *site.paths}:
            raise web.HTTPNotFound
        if request.method not in METHODS:
            raise web.HTTPMethodNotAllowed(request.method, METHODS)
        if request.body_exists:
            raise web.HTTPRequestEntityTooLarge(0, 0, text="No request has a body here.\n")
        if request.path in PROBES:
            return web.Response(text=PROBES[request.path](site), headers=headers)
        async with self._slots.slot(connection):
            page = await pages.page(request)
            return await send(request, page.pieces, {**headers, **page.headers}, self._limits.send_seconds)


def _ready(site: Site) -> str:
    """Return the text of the probe. Raises 503 with the reason of a site that is not ready."""
    if obstacle := site.obstacle:
        raise unavailable(obstacle)
    return "ready\n"


PROBES: Mapping[str, Callable[[Site], str]] = {"/-/healthy": lambda _site: "ok\n", "/-/ready": _ready}
"""Paths that need no password, cost nothing and are always answered."""


def _refuse_foreign_names(request: web.BaseRequest, listen_host: str) -> None:
    """Refuse a request on the loopback address for a host name that is not this machine's.

    A browser on this machine sends such a request for a hostile web page whose name resolves to the loopback
    address (DNS rebinding). Nothing else keeps that page from reading this one.
    """
    here = request.get_extra_info("sockname")
    if not isinstance(here, tuple) or not is_loopback(here[0]):
        return
    try:
        name = (URL.build(scheme="http", authority=request.headers.get("Host", "")).host or "").lower()
    except ValueError:
        name = "?"
    own = {"", "localhost", listen_host.lower(), socket.gethostname().lower()}
    if name not in own and not name.endswith(".localhost") and ip_address(name) is None:
        raise web.HTTPMisdirectedRequest(text="This machine has another name; use localhost.\n")
