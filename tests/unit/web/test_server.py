"""The server over real sockets: listening, closing, and what bad clients cannot do."""

import asyncio
import logging
import socket
from contextlib import suppress

import aiohttp
import pytest

from hostcollector.base.errors import AddressInUseError, ListenError, listen_error
from hostcollector.config.address import Address
from hostcollector.config.settings import Settings, WebSettings
from hostcollector.web.application import Application
from hostcollector.web.clients import ClientLimits
from hostcollector.web.server import Server
from tests.fakes.collector import FakeCollector
from tests.fakes.pages import full_page
from tests.fakes.site import ended, serving, site_of, until, until_status
from tests.fakes.snapshots import hypervisor

BIG_PAGE = b"# More than the kernel buffers between two sockets.\n" * 500_000


async def test_a_client_that_leaves_does_not_cancel_the_collection_of_others() -> None:
    """Two clients share a collection; one goes away, the other one gets its page."""
    async with serving(full_page()) as site:
        site.encoder.gate.clear()
        _, writer = await site.connect()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: len(site.collector.budgets) == 1)
        other = asyncio.create_task(site.client.get("/metrics"))
        await until(lambda: len(site.collector.budgets) == 2)
        writer.transport.abort()
        await asyncio.sleep(0)
        site.encoder.gate.set()
        assert (await other).status == 200


async def test_a_client_that_leaves_in_mid_reply_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that is reset while its page is sent is nothing to log, and the next client is served."""
    async with serving(full_page()) as site:
        site.encoder.page = BIG_PAGE
        reader, writer = await site.connect()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readexactly(1000)
        writer.transport.abort()
        assert (await site.client.get("/-/healthy")).status == 200
        assert (await site.client.head("/metrics")).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    """A client that takes nothing of its page pins a few buffers only, and for a limited time."""
    limits = ClientLimits(requests=1, send_seconds=0.3, patience_seconds=0, crowded_seconds=600)
    async with serving(full_page(), limits=limits) as site:
        site.encoder.page = BIG_PAGE
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(lazy, (site.address.host, site.address.port))
            await loop.sock_sendall(lazy, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda: site.buffered > 0)
            assert site.buffered < 256 * 1024
            assert (await site.client.get("/metrics")).status == 503
            await until_status(site.client, "/metrics", 200)
            received = 0
            with suppress(ConnectionResetError):
                while piece := await loop.sock_recv(lazy, 65536):
                    received += len(piece)
            assert received < len(BIG_PAGE)


async def test_a_client_that_does_not_finish_its_request_is_cut_off() -> None:
    """A connection without a complete request, in its headers or before, is closed after the idle time."""
    async with serving(full_page(), limits=ClientLimits(idle_seconds=0.2, silent_seconds=0.2)) as site:
        for beginning in (b"", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
            reader, writer = await site.connect()
            writer.write(beginning)
            assert await ended(reader)
            writer.close()


async def test_connections_are_limited() -> None:
    """While all have requests in flight a new connection is closed at once; afterwards there is room."""
    async with serving(full_page(), limits=ClientLimits(connections=2)) as site:
        site.encoder.gate.clear()
        busy = [await site.connect() for _ in range(2)]
        for _, writer in busy:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: len(site.collector.budgets) == 2)
        reader, writer = await site.connect()
        assert await ended(reader)
        writer.close()
        site.encoder.gate.set()
        for reader, _ in busy:
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert (await site.client.get("/-/healthy")).status == 200
        for _, writer in busy:
            writer.close()


async def test_connections_that_ask_for_nothing_give_way() -> None:
    """Idle and half-finished clients over the limit keep no client out: the oldest of them is cut off."""
    async with serving(full_page(), limits=ClientLimits(connections=3)) as site:
        opened = [await site.connect() for _ in range(9)]
        for _, writer in opened:
            writer.write(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        assert (await site.client.get("/metrics")).status == 200
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await opened[0][0].readexactly(1)
        for _, writer in opened:
            writer.close()


async def test_requests_in_flight_are_limited_but_probes_are_answered() -> None:
    """The request over the limit is asked to come again; health is answered all the same."""
    async with serving(full_page(), limits=ClientLimits(requests=3, patience_seconds=0)) as site:
        site.encoder.gate.clear()
        scrapes = [asyncio.create_task(site.client.get("/metrics")) for _ in range(3)]
        await until(lambda: len(site.collector.budgets) == 3)
        refused = await site.client.get("/metrics")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert await refused.text() == "3 requests are being answered already.\n"
        assert (await site.client.get("/-/healthy")).status == 200
        assert (await site.client.get("/-/ready")).status == 200
        site.encoder.gate.set()
        assert {reply.status for reply in await asyncio.gather(*scrapes)} == {200}
        assert (await site.client.get("/metrics")).status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"BREW /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"z" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_bad_requests_are_answered_and_not_logged(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not HTTP is 400 without versions or a traceback, and no business of the log."""
    async with serving(full_page()) as site:
        reader, writer = await site.connect()
        writer.write(request_bytes)
        reply = await reader.read()
        writer.close()
        assert reply.startswith(b"HTTP/1.0 400 Bad Request\r\n")
        assert b"\r\nServer: hostcollector\r\n" in reply
        assert reply.endswith(b"\r\n\r\nThis is not a valid HTTP request.\n")
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


async def test_hostile_paths_and_headers_do_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    """Odd paths, queries and headers get a reply and leave the log alone."""
    async with serving(full_page()) as site:
        for path in (
            b"/%00",
            b"/../../etc/passwd",
            b"/metrics/",
            b"//metrics",
            b"/?%ff=%ff",
            b"/metrics?collect[]=%ff",
        ):
            reader, writer = await site.connect()
            writer.write(
                b"GET "
                + path
                + b" HTTP/1.1\r\nHost: \xff\r\nAccept: ;;q=,*/*;q=x\r\nConnection: close\r\n\r\n"
            )
            assert (await reader.read())[:9] == b"HTTP/1.1 "
            writer.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_port_in_use_is_one_sentence() -> None:
    """The second server on a port gets a typed error that says what to do."""
    async with serving(full_page()) as site:
        second = Server(Application(site_of(FakeCollector(None))), site.address)
        with pytest.raises(
            AddressInUseError, match=f"cannot listen on {site.address}: the port is in use; .*ss -ltnp"
        ):
            await second.start()
        await second.close()


@pytest.mark.parametrize(
    ("address", "cause"),
    [(Address("192.0.2.1", 0), "`ip address` shows"), (Address("does-not-exist.invalid", 0), "not known")],
)
async def test_an_address_of_another_machine_is_one_sentence(address: Address, cause: str) -> None:
    """An address that is not this machine's is a typed error with the cause."""
    server = Server(Application(site_of(FakeCollector(None))), address)
    with pytest.raises(ListenError, match=f"cannot listen on .*: .*{cause}"):
        await server.start()


def test_an_address_without_an_error_number_is_one_of_another_machine() -> None:
    """So Python 3.13's asyncio reports it."""
    error = OSError("could not bind on any address out of [('192.0.2.1', 9177)]")
    assert "`ip address` shows" in str(listen_error("192.0.2.1:9177", error))


async def test_an_ipv6_address_works() -> None:
    """The server listens on IPv6 and says where."""
    server = Server(Application(site_of(FakeCollector(None))), Address("::1", 0))
    await server.start()
    (address,) = server.addresses
    async with aiohttp.ClientSession() as client:
        assert (await client.get(f"http://{address}/-/healthy")).status == 200
    await server.close()
    assert server.addresses == ()


async def test_a_site_is_exchanged_without_a_gap() -> None:
    """After an exchange new requests get the new application; one in flight still gets its old answer."""
    async with serving(full_page()) as site:
        site.encoder.gate.clear()
        old = asyncio.create_task(site.client.get("/metrics"))
        await until(lambda: len(site.collector.budgets) == 1)
        settings = Settings(web=WebSettings(telemetry_path="/new"))
        site.server.exchange(site_of(FakeCollector(hypervisor()), settings=settings))
        async with aiohttp.ClientSession(f"http://{site.address}") as client:
            await until_status(client, "/new", 200)
        site.encoder.gate.set()
        assert (await old).status == 200


async def test_closing_does_not_wait_for_what_hangs() -> None:
    """A request whose collection never ends is cut off when the server closes; closing twice is allowed."""
    async with serving(None, limits=ClientLimits(shutdown_seconds=0.1)) as site:
        hanging = asyncio.create_task(site.client.get("/metrics"))
        await until(lambda: len(site.collector.budgets) == 1)
        await site.server.close()
        with pytest.raises(aiohttp.ClientError):
            await hanging
        await site.server.close()
        assert site.server.addresses == ()


async def test_processes_on_one_socket_share_the_clients() -> None:
    """Many clients that connect at once are not all taken by the process that looks first."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        clients = [socket.socket() for _ in range(40)]
        for client in clients:
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(listening.getsockname())
        servers = [
            Server(Application(site_of(FakeCollector(None))), sockets=[listening.dup()], shared=True)
            for _ in range(2)
        ]
        for server in servers:
            await server.start()
        await until(lambda: sum(len(list(server._clients)) for server in servers) == len(clients))
        counts = [len(list(server._clients)) for server in servers]
        for server in servers:
            await server.close()
        for client in clients:
            client.close()
    assert min(counts) >= len(clients) / 4
