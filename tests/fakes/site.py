"""A web server on a free port, with a client, over a fake collector."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from hostcollector.config import Address, Settings
from hostcollector.errors import HostcollectorError
from hostcollector.model import Snapshot
from hostcollector.web import Door, Limits, Server, build
from tests.fakes.collector import CountingEncoder, FakeCollector

SOURCES = ("definition", "procfs", "netlink")
LOCALHOST = Address("127.0.0.1", 0)


@dataclass(kw_only=True)
class Site:
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
        manager = self.server._runner.server
        transports = [connection.transport for connection in manager.connections] if manager else []
        return sum(transport.get_write_buffer_size() for transport in transports if transport)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection of one's own, for what no proper client would do."""
        return await asyncio.open_connection(self.address.host, self.address.port)


@asynccontextmanager
async def serving(
    answer: Snapshot | HostcollectorError | None,
    settings: Settings | None = None,
    limits: Limits | None = None,
    door: Door | None = None,
) -> AsyncIterator[Site]:
    """Serve a collector with that answer on a free port, and close everything at the end."""
    collector, encoder = FakeCollector(answer), CountingEncoder()
    application = build(collector, encoder, settings or Settings(), SOURCES, limits=limits, door=door)
    server = Server(application, LOCALHOST, limits, door)
    await server.start()
    base = server.urls[0]
    client = aiohttp.ClientSession(base, auto_decompress=False, skip_auto_headers=["Accept-Encoding"])
    try:
        async with client:
            yield Site(collector=collector, encoder=encoder, server=server, client=client)
    finally:
        encoder.gate.set()
        await server.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has become true; the test's time-out is the limit."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens in the product, which has no event for it
        await asyncio.sleep(0.005)


async def until_status(client: aiohttp.ClientSession, path: str, status: int) -> None:
    """Ask for a page until its status is the expected one."""
    while (await client.head(path)).status != status:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.005)
