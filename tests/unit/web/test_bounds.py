"""What clients may take: nothing stays behind when they are gone, and no client keeps another one out."""

import asyncio
import gc
import socket
import ssl
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hostcollector.web.access import AccessRules
from hostcollector.web.clients import AcceptedClient, ClientLimits, address_of
from hostcollector.web.connection import HttpConnection
from tests.fakes.pages import full_page
from tests.fakes.site import ServedSite, ended, serving, until, until_status
from tests.unit.web.conftest import Pki, access_of
from tests.unit.web.test_tls import HELLO

HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Switch the garbage collector off: what is left behind in cycles stays visible."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left_behind() -> list[str]:
    """Return what lives of clients that were served."""
    kinds = (AcceptedClient, HttpConnection, ssl.SSLObject, aiohttp.web.BaseRequest)
    served = [thing for thing in gc.get_objects() if issubclass(type(thing), kinds)]  # no proxies
    return [type(thing).__name__ for thing in served if getattr(thing, "server_side", True)]


@pytest.fixture
def access(tls: dict[str, Any], tmp_path: Path) -> AccessRules:
    """Return access rules with TLS alone."""
    return access_of(tmp_path, tls_server_config=tls)


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("said", [b"", HELLO, b"GET / HTTP/1.1\r\n\r\n", HELLO + b"x" * 600])
@pytest.mark.parametrize("limits", [ClientLimits(connections=3), ClientLimits(handshakes=1)])
async def test_handshakes_that_are_cut_off_leave_nothing_behind(
    said: bytes, limits: ClientLimits, access: AccessRules, pki: Pki
) -> None:
    """Whatever was said, sockets and TLS objects go with the client, and not when garbage is collected."""
    async with serving(full_page(), access=access, limits=limits) as site:
        before = len(left_behind())
        writers = []
        for _ in range(20):
            _, writer = await site.connect()
            writer.write(said)
            await asyncio.sleep(0)
            writers.append(writer)
        for writer in writers:
            writer.transport.abort()
        await until(lambda: not len(site.server._clients))
        await until(lambda: len(left_behind()) == before)
        assert (await site.client.get("/-/healthy", ssl=pki.client_context())).status == 200


async def test_a_silent_client_costs_a_socket_and_nothing_else(access: AccessRules) -> None:
    """Neither TLS nor HTTP is made for a client that has not sent a byte."""
    async with serving(full_page(), access=access) as site:
        before = left_behind()
        writers = [(await site.connect())[1] for _ in range(30)]
        await until(lambda: len(site.server._clients) == 30)
        assert sorted(left_behind()) == sorted([*before, *["AcceptedClient"] * 30])
        for writer in writers:
            writer.transport.abort()


async def test_handshakes_have_a_bound_of_their_own(access: AccessRules, pki: Pki) -> None:
    """Of clients in the middle of their handshake the oldest is cut off; the next client is served."""
    async with serving(full_page(), access=access, limits=ClientLimits(handshakes=2)) as site:
        opened = []
        for number in range(5):
            opened.append(await site.connect())
            opened[-1][1].write(HELLO)
            await until(lambda number=number: len(site.server._clients.handshakes) >= min(number + 1, 2))  # type: ignore[misc]
        assert all([await ended(reader) for reader, _ in opened[:3]])
        assert len(site.server._clients.handshakes) == 2
        assert (await site.client.get("/-/healthy", ssl=pki.client_context())).status == 200
        for _, writer in opened:
            writer.transport.abort()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metrics", 200),
        ("GET", "/nothing", 404),
        ("PUT", "/metrics", 405),
        ("TRACE", "/-/healthy", 405),
    ],
)
async def test_requests_leave_nothing_behind(method: str, path: str, status: int) -> None:
    """What was answered or refused is gone with its connection, and not when garbage is collected."""
    async with serving(full_page()) as site:
        before = len(left_behind())
        for _ in range(5):
            reply = await _raw(
                site, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            assert reply.startswith(f"HTTP/1.1 {status} ".encode())
        await until(lambda: len(left_behind()) == before)


@pytest.mark.parametrize(
    ("begin", "status"),
    [
        ("GET /metrics", 413),
        ("HEAD /metrics", 413),
        ("GET /-/healthy", 413),
        ("POST /metrics", 405),
        ("POST /nothing", 404),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        "Content-Length: 1000000000\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Content-Length: 4\r\nContent-Encoding: gzip\r\n\r\nnone",
        "Content-Length: 4\r\nContent-Encoding: deflate\r\n\r\nnone",
        "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ],
)
async def test_a_body_is_never_read(begin: str, status: int, body: str) -> None:
    """It is refused before it has come and without being unpacked, and the connection ends."""
    async with serving(full_page()) as site:
        reply = await _raw(site, f"{begin} HTTP/1.1\r\nHost: localhost\r\n{body}")
        assert reply.startswith(f"HTTP/1.1 {status} ".encode())
        assert site.collector.budgets == []


async def test_a_bomb_is_not_unpacked() -> None:
    """Ten megabytes of nothing, a hundred times in little, are refused like any other body."""
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = bomb.compress(bytes(10_000_000)) + bomb.flush()
    coding = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}"
    head = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{coding}\r\n\r\n"
    async with serving(full_page()) as site:
        for _ in range(20):
            reader, writer = await site.connect()
            writer.write(head.encode() + body)
            assert (await reader.read(13)) == b"HTTP/1.1 413 "
            writer.transport.abort()


async def test_whoever_asks_ahead_gets_one_answer() -> None:
    """Requests behind a queued one are not kept: the connection ends with the present answer."""
    async with serving(full_page()) as site:
        assert (await _raw(site, HEALTHY.decode() * 500)).count(b"HTTP/1.1 200 OK") == 1
        reader, writer = await site.connect()
        writer.write(HEALTHY * 2)
        assert (await reader.read()).count(b"HTTP/1.1 200 OK") in (1, 2)
        writer.close()


@pytest.mark.parametrize("path", ["/-/healthy", "/nothing", "/metrics"])
async def test_a_client_that_takes_no_answer_is_cut_off(path: str) -> None:
    """Whatever it does not take, a probe's word or a 404, its connection ends after the time for sending."""
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    limits = ClientLimits(send_seconds=0.3, idle_seconds=600, silent_seconds=600)
    async with serving(full_page(), limits=limits) as site:
        loop = asyncio.get_running_loop()
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            lazy.setblocking(False)
            await loop.sock_connect(lazy, (site.address.host, site.address.port))
            with suppress(ConnectionError):
                while True:
                    await loop.sock_sendall(lazy, asked)
                    await asyncio.sleep(0)
        await until(lambda: not len(site.server._clients))


async def test_one_address_cannot_take_the_room_of_others() -> None:
    """Above its share it displaces its own connections only; another address has all that it had."""
    limits = ClientLimits(connections=6, connections_per_address=3)
    async with serving(full_page(), limits=limits) as site:
        other = [await _from("127.0.0.2", site) for _ in range(2)]
        greedy = [await _from("127.0.0.3", site) for _ in range(10)]
        assert all([await ended(reader) for reader, _ in greedy[:7]])
        for _, writer in other:
            writer.write(HEALTHY)
        for reader, _ in other:
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        for _, writer in (*other, *greedy):
            writer.transport.abort()


async def test_whoever_has_most_connections_gives_way_to_a_newcomer() -> None:
    """When all room is taken, the address that has most of it loses its oldest silent connection."""
    async with serving(full_page(), limits=ClientLimits(connections=5)) as site:
        modest = await _from("127.0.0.2", site)
        greedy = [await _from("127.0.0.3", site) for _ in range(4)]
        newcomer = await _from("127.0.0.4", site)
        assert await ended(greedy[0][0])
        for reader, writer in (modest, newcomer, greedy[1]):
            writer.write(HEALTHY)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        for _, writer in (modest, newcomer, *greedy):
            writer.transport.abort()


async def test_one_address_cannot_take_all_requests() -> None:
    """Above its share it is asked to come again; another address is answered."""
    async with serving(full_page(), limits=ClientLimits(requests=3, requests_per_address=2)) as site:
        site.encoder.gate.clear()
        greedy = [await _from("127.0.0.2", site) for _ in range(3)]
        for number, (_, writer) in enumerate(greedy):
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda number=number: len(site.collector.budgets) == min(number + 1, 2))  # type: ignore[misc]
        assert await greedy[2][0].readline() == b"HTTP/1.1 503 Service Unavailable\r\n"
        served = asyncio.create_task(site.client.get("/metrics"))
        await until(lambda: len(site.collector.budgets) == 3)
        site.encoder.gate.set()
        assert (await served).status == 200
        for _, writer in greedy:
            writer.transport.abort()


async def test_a_slow_reader_gives_way_to_the_next_request_of_its_address() -> None:
    """Who has left his page lying for a while loses his place, not the one who comes."""
    limits = ClientLimits(requests=1, patience_seconds=0.2, send_seconds=600)
    async with serving(full_page(), limits=limits) as site:
        site.encoder.page = b"# More than the kernel buffers between two sockets.\n" * 100_000
        reader, writer = await site.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: site.buffered > 0)
        await until_status(site.client, "/metrics", 200)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        with suppress(ConnectionError):
            assert len(await reader.read()) < len(site.encoder.page)
        writer.close()


async def test_a_request_without_end_is_cut_off() -> None:
    """However many headers a client sends, each as long as is allowed, they are not kept for ever."""
    async with serving(full_page()) as site:
        for beginning in (b"", HEALTHY):
            reader, writer = await site.connect()
            headers = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 7000) for number in range(1000))
            writer.write(beginning + b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + headers)
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(reader.read(), 20)
            writer.transport.abort()


async def test_a_request_waits_for_its_turn() -> None:
    """Where all are being answered, the next one is answered as soon as one of them is done."""
    async with serving(full_page(), limits=ClientLimits(requests=1, patience_seconds=20)) as site:
        site.encoder.gate.clear()
        first = asyncio.create_task(site.client.get("/metrics"))
        await until(lambda: len(site.collector.budgets) == 1)
        others = [asyncio.create_task(site.client.get("/metrics")) for _ in range(3)]
        site.encoder.gate.set()
        for reply in (first, *others):
            assert await (await reply).text()
            assert (await reply).status == 200


async def test_who_reads_is_served_where_nobody_else_reads() -> None:
    """Clients of many addresses that leave their replies lying give way to a newcomer of any address."""
    limits = ClientLimits(
        requests=2, connections=4, crowded_seconds=0.05, patience_seconds=20, send_seconds=600
    )
    async with serving(full_page(), limits=limits) as site:
        site.encoder.page = b"# More than the kernel buffers between two sockets.\n" * 100_000
        lazy = [await _from(f"127.0.0.{number}", site) for number in (2, 3, 4)]
        for _, writer in lazy:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: site.buffered > 0)
        reply = await site.client.get("/metrics")
        assert (reply.status, len(await reply.read())) == (200, len(site.encoder.page))
        for _, writer in lazy:
            writer.transport.abort()


async def test_a_client_that_has_said_all_is_answered() -> None:
    """Closing the sending side after the request is no reason to give no answer."""
    async with serving(full_page()) as site:
        for path in ("/-/healthy", "/metrics"):
            reader, writer = await site.connect()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            writer.write_eof()
            assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
            writer.close()


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("localhost:10177", True),
        ("LOCALHOST", True),
        ("hv1.localhost", True),
        ("127.0.0.1:10177", True),
        ("127.8.7.6", True),
        ("[::1]:10177", True),
        ("192.0.2.1", True),
        (socket.gethostname(), True),
        ("evil.example", False),
        ("evil.example:10177", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("a b", False),
    ],
)
async def test_a_page_of_a_others_cannot_read_through_a_browser_here(host: str, served: bool) -> None:  # noqa: FBT001
    """On the loopback address without a password only this machine's names are answered (DNS rebinding)."""
    async with serving(full_page()) as site:
        reply = await _raw(site, f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 200 ") is served
        assert (site.collector.budgets == []) is not served


async def test_an_error_of_our_own_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Clients that make one again and again fill no disk; each gets a 500 without a traceback."""
    async with serving(full_page()) as site:
        site.encoder.encode = lambda *_: 1 / 0  # type: ignore[method-assign, assignment]
        for number in range(20):
            reply = await site.client.get(f"/metrics?{number}")
            assert (reply.status, await reply.text()) == (
                500,
                "Internal error of the collector; its log has the cause.\n",
            )
        await until(lambda: bool(caplog.records))
    (line,) = caplog.records
    assert (line.levelname, line.exc_info is not None) == ("ERROR", True)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5, 0, 0), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 5, 0, 2), "fe80::/64"),
        (("::1", 5, 0, 0), "::1"),
        ("", ""),
        (b"\0abstract", ""),
    ],
)
def test_an_address_is_who_can_have_many_of_them(peer: object, address: str) -> None:
    """A network of IPv6 is one client, and an IPv4 address is the same over either."""
    assert address_of(peer) == address


async def _raw(site: ServedSite, request: str) -> bytes:
    reader, writer = await site.connect()
    writer.write(request.encode())
    reply = await reader.read()
    writer.close()
    return reply


async def _from(address: str, site: ServedSite) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect from another address of this machine, and wait until that is noticed."""
    server = (site.address.host, site.address.port)
    connected = await asyncio.open_connection(*server, local_addr=(address, 0))
    await asyncio.sleep(0.02)
    return connected
