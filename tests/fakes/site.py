"""A web server on a free port, with a client, over a fake collector."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from hostcollector.app.site import CollectorSite, FreshView, RecordsView, View
from hostcollector.base.errors import HostcollectorError
from hostcollector.base.model import Snapshot
from hostcollector.config.address import Address
from hostcollector.config.settings import Settings
from hostcollector.outputs.status_page import DaemonFacts, render
from hostcollector.web.access import AccessRules
from hostcollector.web.application import Application
from hostcollector.web.clients import ClientLimits
from hostcollector.web.server import Server
from tests.fakes.collector import CountingEncoder, FakeCollector

SOURCES = ("definition", "procfs", "netlink")
LOCALHOST = Address("127.0.0.1", 0)


@dataclass(kw_only=True)
class ServedSite:
    """A server on a free port with a client, and what it was made of."""

    collector: FakeCollector
    client: aiohttp.ClientSession
    server: Server
    encoder: CountingEncoder = field(default_factory=CountingEncoder)

    @property
    def address(self) -> Address:
        """Where the server listens."""
        return self.server.addresses[0]

    @property
    def buffered(self) -> int:
        """How many bytes the server holds for clients that have not taken them."""
        transports = [connection.transport for connection in self.server._manager.connections]
        return sum(transport.get_write_buffer_size() for transport in transports if transport)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection of one's own, for what no proper client would do."""
        return await asyncio.open_connection(self.address.host, self.address.port)


def site_of(
    collector: FakeCollector,
    encoder: CountingEncoder | None = None,
    settings: Settings | None = None,
    access: AccessRules | None = None,
    fresh: Mapping[str, FreshView] | None = None,
    records: Mapping[str, RecordsView] | None = None,
) -> CollectorSite:
    """Return what is served: the collector's pages and the real status page."""
    settings = settings or Settings()
    daemon = DaemonFacts(version="1", uptime=0.0, telemetry_path=settings.web.telemetry_path)
    status = View("text/html; charset=utf-8", lambda snapshot: render(snapshot, daemon).encode())
    return CollectorSite(
        collector=collector,
        encoder=encoder or CountingEncoder(),
        settings=settings,
        sources=SOURCES,
        access=access or AccessRules(),
        views={"/": status},
        fresh=fresh or {},
        records=records or {},
    )


@asynccontextmanager
async def serving(
    answer: Snapshot | HostcollectorError | None,
    settings: Settings | None = None,
    limits: ClientLimits | None = None,
    access: AccessRules | None = None,
    admits: Callable[[socket.socket], bool] = lambda _accepted: True,
    fresh: Mapping[str, FreshView] | None = None,
    records: Mapping[str, RecordsView] | None = None,
) -> AsyncIterator[ServedSite]:
    """Serve a collector with that answer on a free port, and close everything at the end."""
    collector, encoder = FakeCollector(answer), CountingEncoder()
    application = Application(site_of(collector, encoder, settings, access, fresh, records), limits)
    server = Server(application, LOCALHOST, limits, admits=admits)
    await server.start()
    base = server.urls[0]
    client = aiohttp.ClientSession(base, auto_decompress=False, skip_auto_headers=["Accept-Encoding"])
    try:
        async with client:
            yield ServedSite(collector=collector, encoder=encoder, server=server, client=client)
    finally:
        encoder.gate.set()
        await server.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more comes from the server: it has closed the connection, or cut it off."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has become true; the test's time-out is the limit."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens in the product, which has no event for it
        await asyncio.sleep(0.005)


async def until_status(client: aiohttp.ClientSession, path: str, status: int) -> None:
    """Ask for a page until its status is the expected one."""
    while (await client.head(path)).status != status:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.005)
