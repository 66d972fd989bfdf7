"""The pages over real sockets: what scrapers, people and probes get, and what bad clients cannot do."""

import asyncio
import gzip
import logging
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

import aiohttp
import pytest

from hostcollector.config import Address, CollectionSettings, Settings, WebSettings
from hostcollector.errors import AddressInUseError, ListenError, SourceUnavailableError
from hostcollector.exposition import Encoder, Format
from hostcollector.model import Snapshot
from hostcollector.status_page import STYLE
from hostcollector.web import Limits, Server, build
from tests.fakes.collector import CountingEncoder, FakeCollector
from tests.fakes.snapshots import hypervisor, named
from tests.pages import full_page

SOURCES = ("definition", "procfs", "netlink")
LOCALHOST = Address("127.0.0.1", 0)
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


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

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection of one's own, for what no proper client would do."""
        return await asyncio.open_connection(self.address.host, self.address.port)


@asynccontextmanager
async def serving(
    answer: Snapshot | SourceUnavailableError | None = None,
    settings: Settings | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Site]:
    """Serve a collector with that answer on a free port, and close everything at the end."""
    collector, encoder = FakeCollector(answer), CountingEncoder()
    application = build(collector, encoder, settings or Settings(), SOURCES, limits=limits)
    server = Server(application, LOCALHOST, limits)
    await server.start()
    base = f"http://{server.addresses[0]}"
    async with aiohttp.ClientSession(base, auto_decompress=False) as client:
        yield Site(collector=collector, encoder=encoder, server=server, client=client)
    encoder.gate.set()
    await server.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has become true; the test's time-out is the limit."""
    while not condition():
        await asyncio.sleep(0.005)


async def test_a_scrape_gets_the_page_in_the_text_format() -> None:
    """Without preferences a client gets the plain text format with its length and what it varies by."""
    async with serving(full_page()) as site:
        reply = await site.client.get("/metrics", skip_auto_headers=["Accept-Encoding"])
        body = await reply.read()
        assert reply.status == 200
        assert body == Encoder().encode(full_page(), Format.TEXT)
        assert reply.headers["Content-Type"] == Format.TEXT.content_type
        assert reply.headers["Content-Length"] == str(len(body))
        assert reply.headers["Vary"] == "Accept, Accept-Encoding"
        assert "Content-Encoding" not in reply.headers


async def test_prometheus_gets_compressed_openmetrics() -> None:
    """With Prometheus' own headers the reply is OpenMetrics in gzip, and its length is that of the gzip."""
    async with serving(full_page()) as site:
        reply = await site.client.get("/metrics", headers={"Accept": OPENMETRICS, "Accept-Encoding": "gzip"})
        body = await reply.read()
        assert reply.headers["Content-Type"] == Format.OPENMETRICS.content_type
        assert reply.headers["Content-Encoding"] == "gzip"
        assert reply.headers["Content-Length"] == str(len(body))
        assert gzip.decompress(body) == Encoder().encode(full_page(), Format.OPENMETRICS)


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready"])
async def test_head_is_get_without_the_body(path: str) -> None:
    """HEAD answers with the headers of GET, the length included, and the connection stays usable."""
    async with serving(full_page()) as site:
        reader, writer = await site.connect()
        request = f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        writer.write(request + request + b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        *heads, health = (await reader.read()).split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert len(heads) == 2
        assert all(head.endswith(b"\r\n\r\n") for head in heads)
        assert health.endswith(b"\r\n\r\nok\n")
        page = await site.client.get(path, skip_auto_headers=["Accept-Encoding"])
        length = page.headers["Content-Length"]
        assert f"\r\nContent-Length: {length}\r\n" in heads[0].decode()
        writer.close()


async def test_the_filter_names_sources() -> None:
    """`collect[]` keeps the families of the sources that it names, as often as it is given."""
    async with serving(full_page()) as site:
        reply = await site.client.get("/metrics?collect[]=netlink&collect[]=collector&collect[]=netlink")
        page = await reply.text()
        assert "libvirt_domain_interface_stats_receive_bytes_total{" in page
        assert "hostcollector_source_up{" in page
        assert "libvirt_domain_vcpu_time_seconds_total" not in page
        assert site.encoder.encodings == [(Format.TEXT, frozenset({"netlink", "collector"}))]


@pytest.mark.parametrize(
    "query", ["collect[]=gpu", "collect[]=", "collect[]=netlink&collect[]=%0a%1b", "collect%5B%5D=x"]
)
async def test_an_unknown_source_in_the_filter_is_the_clients_error(query: str) -> None:
    """A name that no source has, also the empty one, is 400 with the names that there are; nothing is collected."""
    async with serving(full_page()) as site:
        reply = await site.client.get(f"/metrics?{query}")
        text = await reply.text()
        assert reply.status == 400
        assert text.startswith("unknown in collect[]: ")
        assert text.endswith("known: collector, definition, netlink, procfs\n")
        assert text.removesuffix("\n").isprintable()
        assert site.collector.budgets == []


@pytest.mark.parametrize(
    ("header", "budget"),
    [
        (None, 8.0),
        ("10", 8.0),
        ("10.000000", 8.0),
        ("5", 4.5),
        ("0.6", 0.3),
        ("999999999", 8.0),
        ("0", 8.0),
        ("-3", 8.0),
        ("nan", 8.0),
        ("inf", 8.0),
        ("1e1", 8.0),
        ("٣", 8.0),
        ("9" * 400, 8.0),
        ("", 8.0),
        ("soon", 8.0),
    ],
)
async def test_the_scrapers_timeout_limits_the_collection(header: str | None, budget: float) -> None:
    """The budget is the scraper's timeout less the margin where that is less; nonsense is ignored."""
    async with serving(full_page()) as site:
        headers = {} if header is None else {"X-Prometheus-Scrape-Timeout-Seconds": header}
        reply = await site.client.get("/metrics", headers=headers)
        assert reply.status == 200
        assert site.collector.budgets == [budget]


async def test_ten_scrapers_at_once_cost_one_encoding() -> None:
    """Requests for the same page of the same snapshot wait for one encoding, whether gzip or not."""
    async with serving(full_page()) as site:
        site.encoder.gate.clear()
        headers = [{"Accept-Encoding": encoding} for encoding in ("gzip", "identity") * 5]
        scrapes = [asyncio.create_task(site.client.get("/metrics", headers=each)) for each in headers]
        await until(lambda: len(site.collector.budgets) == 10)
        site.encoder.gate.set()
        replies = await asyncio.gather(*scrapes)
        bodies = {await reply.read() for reply in replies}
        assert site.encoder.encodings == [(Format.TEXT, None)]
        assert len(bodies) == 2


async def test_a_new_snapshot_is_a_new_page() -> None:
    """What was encoded for one collection is never served for the next."""
    async with serving(full_page()) as site:
        first = await (await site.client.get("/metrics")).read()
        again = await (await site.client.get("/metrics")).read()
        site.collector.answer = hypervisor()
        other = await (await site.client.get("/metrics")).read()
        assert first == again != other
        assert len(site.encoder.encodings) == 2


async def test_many_filters_do_not_fill_the_memory() -> None:
    """Only a few variants of a page are kept; the one that was dropped is encoded again."""
    async with serving(full_page()) as site:
        filters = [
            f"collect[]={one}&collect[]={other}" for one in (*SOURCES, "collector") for other in SOURCES
        ]
        for query in filters:
            assert (await site.client.get(f"/metrics?{query}")).status == 200
        before = len(site.encoder.encodings)
        await site.client.get(f"/metrics?{filters[-1]}")
        assert len(site.encoder.encodings) == before
        await site.client.get(f"/metrics?{filters[0]}")
        assert len(site.encoder.encodings) == before + 1


async def test_a_collection_that_fails_is_503_with_the_cause() -> None:
    """A typed error of the collector becomes one sentence, for scrapers and for people."""
    async with serving(SourceUnavailableError("libvirt\nis not there")) as site:
        for path in ("/metrics", "/"):
            reply = await site.client.get(path)
            assert (reply.status, await reply.text()) == (
                503,
                "There is no collection: libvirt\\nis not there.\n",
            )


async def test_a_collection_that_does_not_end_is_503_in_time() -> None:
    """When the collector misses the scraper's own timeout the client is told so and the collection goes on."""
    async with serving(None) as site:
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.1"}
        settings = await site.client.get("/metrics", headers=headers)
        assert settings.status == 503
        assert await settings.text() == "The collection did not end within 0.05 s.\n"


async def test_a_client_that_leaves_does_not_cancel_the_collection_of_others() -> None:
    """Two clients share a collection; one goes away, the other one gets its page."""
    async with serving(full_page()) as site:
        site.encoder.gate.clear()
        _, writer = await site.connect()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: len(site.collector.budgets) == 1)
        other = asyncio.create_task(site.client.get("/metrics"))
        await until(lambda: len(site.collector.budgets) == 2)
        writer.transport.abort()
        await asyncio.sleep(0)
        site.encoder.gate.set()
        assert (await other).status == 200


async def test_a_client_that_leaves_in_mid_reply_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that is reset while its page is sent is nothing to log, and the next client is served."""
    big = replace(named("x" * 100_000), families=full_page().families * 2000)
    async with serving(big) as site:
        reader, writer = await site.connect()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(1000)
        writer.transport.abort()
        assert (await site.client.get("/-/healthy")).status == 200
        assert (await site.client.head("/metrics")).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    """A client that takes nothing of its page pins a few buffers only, and for a limited time."""
    big = replace(full_page(), families=full_page().families * 2000)
    async with serving(big, limits=Limits(requests=1, send_seconds=0.3)) as site:
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(lazy, (site.address.host, site.address.port))
            await loop.sock_sendall(lazy, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: len(site.collector.budgets) == 1)
            assert (await site.client.get("/metrics")).status == 503
            while (await site.client.head("/metrics")).status == 503:
                await asyncio.sleep(0.01)
            with pytest.raises(ConnectionResetError):
                while await loop.sock_recv(lazy, 65536):
                    pass


async def test_a_client_that_does_not_finish_its_request_is_cut_off() -> None:
    """A connection without a complete request, in its headers or before, is closed after the idle time."""
    async with serving(full_page(), limits=Limits(idle_seconds=0.2)) as site:
        for beginning in (b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "):
            reader, writer = await site.connect()
            writer.write(beginning)
            assert await reader.read() == b""
            writer.close()


async def test_connections_are_limited() -> None:
    """Beyond the limit a new connection is closed at once; when one goes away there is room again."""
    async with serving(full_page(), limits=Limits(connections=2)) as site:
        first, second = await site.connect(), await site.connect()
        second[1].write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await second[0].readline()).startswith(b"HTTP/1.1 200")
        reader, writer = await site.connect()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        first[1].close()
        second[1].close()
        await first[1].wait_closed()
        while True:
            try:
                assert (await site.client.get("/-/healthy")).status == 200
                break
            except aiohttp.ClientError:
                await asyncio.sleep(0.01)


async def test_requests_in_flight_are_limited_but_probes_are_answered() -> None:
    """The request over the limit is told to come again; health is answered all the same."""
    async with serving(full_page(), limits=Limits(requests=3)) as site:
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


async def test_health_and_readiness() -> None:
    """Healthy is always said while the loop turns; ready only after the first listing; neither tells more."""
    async with serving(None) as site:
        site.collector.ready = False
        healthy, ready = await site.client.get("/-/healthy"), await site.client.get("/-/ready")
        assert (healthy.status, await healthy.text()) == (200, "ok\n")
        assert (ready.status, await ready.text()) == (503, "The first listing of guests is not done yet.\n")
        site.collector.ready = True
        ready = await site.client.get("/-/ready")
        assert (ready.status, await ready.text()) == (200, "ready\n")
        assert site.collector.budgets == []


async def test_the_status_page_is_html_under_a_strict_policy() -> None:
    """`/` shows the guests; the policy allows nothing but the page's own style sheet."""
    async with serving(hypervisor()) as site:
        reply = await site.client.get("/")
        page = await reply.text()
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "database" in page
        style = page.partition("<style>")[2].partition("</style>")[0]
        digest = b64encode(sha256(style.encode()).digest()).decode()
        assert style == STYLE
        assert f"default-src 'none'; style-src 'sha256-{digest}';" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/metrics", "/metrics?collect[]=x", "/-/healthy", "/nowhere"])
async def test_every_reply_has_the_common_headers(path: str) -> None:
    """Errors or not, a reply is not sniffed, not cached, sends no referrer and names no versions."""
    async with serving(full_page()) as site:
        headers = (await site.client.get(path)).headers
        assert headers["Server"] == "hostcollector"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_other_methods_are_405(method: str) -> None:
    """Nothing can be changed over HTTP; the reply says what is allowed."""
    async with serving(full_page()) as site:
        for path in ("/metrics", "/", "/-/healthy"):
            reply = await site.client.request(method, path, data=b"x" * 100)
            assert (reply.status, reply.headers["Allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"z" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_bad_requests_are_answered_and_not_logged(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not HTTP is 400 without versions or a traceback, and is the client's business, not the log's."""
    async with serving(full_page()) as site:
        reader, writer = await site.connect()
        writer.write(request_bytes)
        reply = await reader.read()
        writer.close()
        assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")
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


async def test_the_path_of_the_page_is_configurable() -> None:
    """The page is where the configuration says, and nowhere else."""
    settings = Settings(
        web=WebSettings(telemetry_path="/probe"), collection=CollectionSettings(budget_seconds=2)
    )
    async with serving(full_page(), settings) as site:
        assert (await site.client.get("/probe")).status == 200
        assert (await site.client.get("/metrics")).status == 404
        assert 'href="/probe"' in await (await site.client.get("/")).text()
        assert set(site.collector.budgets) == {2}


async def test_a_port_in_use_is_one_sentence() -> None:
    """The second server on a port gets a typed error that says what to do."""
    async with serving(full_page()) as site:
        collector = FakeCollector(None)
        second = Server(build(collector, Encoder(), Settings(), SOURCES), site.address)
        with pytest.raises(
            AddressInUseError, match=f"cannot listen on {site.address}: the port is in use; .*ss -ltnp"
        ):
            await second.start()
        await second.close()


@pytest.mark.parametrize("address", [Address("192.0.2.1", 0), Address("does-not-exist.invalid", 0)])
async def test_an_address_of_another_machine_is_one_sentence(address: Address) -> None:
    """An address that is not this machine's is a typed error with the cause."""
    server = Server(build(FakeCollector(None), Encoder(), Settings(), SOURCES), address)
    with pytest.raises(ListenError, match="cannot listen on .*: .*"):
        await server.start()


async def test_an_ipv6_address_works() -> None:
    """The server listens on IPv6 and says where."""
    server = Server(build(FakeCollector(None), Encoder(), Settings(), SOURCES), Address("::1", 0))
    await server.start()
    (address,) = server.addresses
    async with aiohttp.ClientSession() as client:
        assert (await client.get(f"http://{address}/-/healthy")).status == 200
    await server.close()
    assert server.addresses == ()


async def test_an_application_is_replaced_without_a_gap() -> None:
    """After a replacement new requests get the new application; one in flight still gets its old answer."""
    async with serving(full_page()) as site:
        site.encoder.gate.clear()
        old = asyncio.create_task(site.client.get("/metrics"))
        await until(lambda: len(site.collector.budgets) == 1)
        settings = Settings(web=WebSettings(telemetry_path="/new"))
        successor = build(FakeCollector(hypervisor()), Encoder(), settings, SOURCES)
        replacing = asyncio.create_task(site.server.replace(successor))
        async with aiohttp.ClientSession(f"http://{site.address}") as client:
            await until(lambda: True)
            while (await client.get("/new")).status != 200:
                await asyncio.sleep(0.005)
        site.encoder.gate.set()
        assert (await old).status == 200
        await replacing


async def test_closing_does_not_wait_for_what_hangs() -> None:
    """A request whose collection never ends is cut off when the server closes; closing twice is allowed."""
    async with serving(None, limits=Limits(shutdown_seconds=0.1)) as site:
        hanging = asyncio.create_task(site.client.get("/metrics"))
        await until(lambda: len(site.collector.budgets) == 1)
        await site.server.close()
        with pytest.raises(aiohttp.ClientError):
            await hanging
        await site.server.close()
        assert site.server.addresses == ()
