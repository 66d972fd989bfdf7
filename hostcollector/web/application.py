"""Answers requests. There is one application for as long as the daemon runs.

The site that it serves is exchanged when the configuration is read again; nothing holds on to an old one but
the requests that have begun there.
"""

import ipaddress
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from aiohttp import web
from yarl import URL

from hostcollector.base.workers import Workers
from hostcollector.web.connection import Connection, send
from hostcollector.web.door import Door
from hostcollector.web.limits import Limits
from hostcollector.web.replies import HEADERS, unavailable
from hostcollector.web.slots import Slots

ENCODERS = 3
"""Lanes that write pages."""

METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Page:
    """The bytes of a page in pieces, with the headers that describe them."""

    pieces: Sequence[bytes]
    headers: Mapping[str, str]


class Pages(Protocol):
    """Makes a site's pages, and keeps what it has made."""

    async def page(self, request: web.BaseRequest) -> Page:
        """Return the page that is asked for, at one of the site's paths."""


class Site(Protocol):
    """What is served, and to whom."""

    @property
    def door(self) -> Door:
        """TLS and authentication."""

    @property
    def paths(self) -> Collection[str]:
        """Where there are pages."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What its pages need in every reply."""

    @property
    def listen_host(self) -> str:
        """The host that the operator has it listen on."""

    @property
    def ready(self) -> bool:
        """Whether a scrape would find the guests."""

    def pages(self, workers: Workers) -> Pages:
        """Return what makes its pages; `workers` do what takes time."""


class Application:
    """Answers requests with a site's pages. Bound to one event loop."""

    def __init__(self, site: Site, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._slots = Slots(self._limits)
        self._workers = Workers("page", ENCODERS)
        self._site, self._pages = site, site.pages(self._workers)

    @property
    def door(self) -> Door:
        """What the present site is behind."""
        return self._site.door

    def exchange(self, site: Site) -> None:
        """Serve another site from now on, and close the door of the old one."""
        door = self.door
        self._site, self._pages = site, site.pages(self._workers)
        door.close(successor=site.door)

    def close(self) -> None:
        """Let the threads end."""
        self.door.close()
        self._workers.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the answer, or the one that says why there is none."""
        headers = {**HEADERS, **self._site.headers, **self.door.headers}
        try:
            return await self._answer(request, headers)
        except web.HTTPException as refusal:
            # As a plain response: aiohttp would keep the exception, whose traceback keeps the request.
            reply = web.Response(
                status=refusal.status, body=refusal.body, headers={**refusal.headers, **headers}
            )
            if request.body_exists or refusal.keep_alive is False:
                reply.force_close()  # nobody reads a body, so nothing can follow it
            return reply

    async def _answer(self, request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
        site = self._site
        if site.door.is_open:
            _refuse_foreign_names(request, site.listen_host)
        connection = cast(Connection, request.protocol)
        if not await site.door.admission.holds(request):
            connection.cut()  # the client makes another connection, and sees which rules there are now
            return web.Response()
        await site.door.admission.admit(request, probe=request.path in PROBES)
        site, pages = self._site, self._pages  # of this moment: checking a password takes a while
        if request.path not in {*PROBES, *site.paths}:
            raise web.HTTPNotFound
        if request.method not in METHODS:
            raise web.HTTPMethodNotAllowed(request.method, METHODS)
        if request.body_exists:
            raise web.HTTPRequestEntityTooLarge(0, 0, text="No request has a body here.\n")
        if request.path in PROBES:
            return web.Response(text=PROBES[request.path](site), headers=headers)
        async with self._slots.one(connection):
            page = await pages.page(request)
            return await send(request, page.pieces, {**headers, **page.headers}, self._limits.send_seconds)


def _ready(site: Site) -> str:
    """Say whether a scrape would find the guests."""
    if not site.ready:
        raise unavailable("The first listing of guests is not done yet.")
    return "ready\n"


PROBES: Mapping[str, Callable[[Site], str]] = {"/-/healthy": lambda _site: "ok\n", "/-/ready": _ready}
"""What needs no password, costs nothing and is always answered."""


def _refuse_foreign_names(request: web.BaseRequest, listen_host: str) -> None:
    """Refuse a request for a name that is not this machine's, where only programs of this machine can ask.

    A browser here would send it for a web page of a stranger's, whose name leads to this address (DNS
    rebinding); nothing else keeps that page from reading this one.
    """
    here = request.get_extra_info("sockname")
    if not isinstance(here, tuple) or not ipaddress.ip_address(here[0].partition("%")[0]).is_loopback:
        return
    try:
        name = (URL.build(scheme="http", authority=request.headers.get("Host", "")).host or "").lower()
    except ValueError:
        name = "?"
    own = {"", "localhost", listen_host.lower(), socket.gethostname().lower()}
    if name not in own and not name.endswith(".localhost") and not _is_address(name):
        raise web.HTTPMisdirectedRequest(text="This machine has another name; ask for localhost.\n")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
