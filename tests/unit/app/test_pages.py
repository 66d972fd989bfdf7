"""The pages over real sockets: what scrapers, people and probes get."""

import asyncio
import gzip
from base64 import b64encode
from hashlib import sha256
from itertools import combinations

import pytest

from hostcollector.app.site import scrape_budget, scrape_patience
from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.model import Snapshot
from hostcollector.config.settings import CollectionSettings, Settings, WebSettings
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format, choose_format
from hostcollector.outputs.status_page import DaemonFacts
from hostcollector.outputs.status_style import STYLE
from tests.fakes.pages import full_page
from tests.fakes.site import SOURCES, serving, until
from tests.fakes.snapshots import hypervisor

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


async def test_a_scrape_gets_the_page_in_the_text_format() -> None:
    """Without preferences a client gets the plain text format with its length and what it varies by."""
    async with serving(full_page()) as site:
        reply = await site.client.get("/metrics")
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
        heads = []
        for _ in range(2):
            writer.write(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        health = await reader.read()
        assert all(head.startswith(b"HTTP/1.1 200 OK\r\n") for head in heads)
        assert health.endswith(b"\r\n\r\nok\n")
        page = await site.client.get(path)
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
        assert [only for _, only in site.encoder.encodings] == [
            frozenset({"collector"}),
            frozenset({"netlink"}),
        ]


@pytest.mark.parametrize(
    "query", ["collect[]=gpu", "collect[]=", "collect[]=netlink&collect[]=%0a%1b", "collect%5B%5D=x"]
)
async def test_an_unknown_source_in_the_filter_is_the_clients_error(query: str) -> None:
    """A name that no source has is 400 with the names that there are, and nothing is collected."""
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
        assert site.collector.budgets == [pytest.approx(budget, abs=0.05)]


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


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
async def test_filters_cost_one_encoding_for_each_source(accept: str) -> None:
    """Whatever is selected, the page is put together from pieces that exist, compressed or not."""
    known = (*SOURCES, "collector")
    chosen = [subset for size in range(1, 5) for subset in combinations(known, size)]
    async with serving(full_page()) as site:
        for subset in chosen:
            query = "&".join(f"collect[]={name}" for name in subset)
            plain = await (await site.client.get(f"/metrics?{query}", headers={"Accept": accept})).read()
            headers = {"Accept": accept, "Accept-Encoding": "gzip"}
            reply = await site.client.get(f"/metrics?{query}", headers=headers)
            assert gzip.decompress(await reply.read()) == plain
            whole = Encoder().encode(full_page(), choose_format(accept), frozenset(subset))
            assert sorted(plain.splitlines()) == sorted(whole.splitlines())
            assert (plain.count(b"# EOF"), plain.endswith(b"# EOF\n")) in ((0, False), (1, True))
        assert len(site.encoder.encodings) == len(known)


async def test_the_status_page_is_made_once_for_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """People who reload it, or a thousand clients, cost one page for each collection."""
    made = []

    def count(snapshot: Snapshot, daemon: DaemonFacts) -> str:
        made.append(snapshot)
        return "page"

    monkeypatch.setattr("tests.fakes.site.render", count)
    async with serving(hypervisor()) as site:
        for _ in range(5):
            assert await (await site.client.get("/")).text() == "page"
        assert len(made) == 1
        site.collector.answer = full_page()
        await site.client.get("/")
    assert len(made) == 2


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
    """When the collector misses the scraper's own timeout the answer says so."""
    async with serving(None) as site:
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.1"}
        reply = await asyncio.wait_for(site.client.get("/metrics", headers=headers), 5)
        assert reply.status == 503
        assert await reply.text() == "The collection did not end within 0.05 s.\n"


@pytest.mark.parametrize("path", ["/metrics", "/"])
async def test_a_scrape_before_the_first_listing_waits_for_it(path: str) -> None:
    """A page without guests would end all of their series, so the first one has them."""
    async with serving(full_page()) as site:
        site.collector.ready, site.collector.listing = False, True
        waiting = asyncio.create_task(site.client.get(path))
        await asyncio.sleep(0.2)
        assert (waiting.done(), site.collector.budgets) == (False, [])
        site.collector.ready, site.collector.listing = True, False
        assert (await waiting).status == 200
        assert len(site.collector.budgets) == 1


async def test_a_listing_that_does_not_end_is_503_with_the_reason() -> None:
    """When the scraper's time is over the answer says what it waited for, and nothing is collected."""
    async with serving(full_page()) as site:
        site.collector.ready, site.collector.listing = False, True
        reply = await site.client.get("/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "0.4"})
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
        assert await reply.text() == "The first listing of guests is not done yet.\n"
        assert site.collector.budgets == []


@pytest.mark.parametrize("timeout", ["0.001", "0.3", "1", "1.2", "4.9", "8.4", "8.5", "10", "15", "60"])
def test_the_reason_comes_before_the_scraper_hangs_up(timeout: str) -> None:
    """A collection that does not end is reported within the scraper's own timeout, after its page was due."""
    for margin in (0.0, 0.5, 2.0):
        budget = scrape_budget(timeout, 8.0, margin)
        patience = scrape_patience(timeout, 8.0, margin)
        assert 0 < budget <= patience <= float(timeout)
        assert patience < float(timeout) or margin == 0.0
        assert budget < patience or margin == 0.0


async def test_health_and_readiness() -> None:
    """Healthy is always said while the loop turns; ready only after the first listing; neither says more."""
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


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods_are_405(method: str) -> None:
    """Nothing can be changed over HTTP; the reply says what is allowed."""
    async with serving(full_page()) as site:
        for path in ("/metrics", "/", "/-/healthy"):
            reply = await site.client.request(method, path)
            assert (reply.status, reply.headers["Allow"]) == (405, "GET,HEAD")


async def test_the_path_of_the_page_is_configurable() -> None:
    """The page is where the configuration says, and nowhere else."""
    settings = Settings(
        web=WebSettings(telemetry_path="/probe"), collection=CollectionSettings(budget_seconds=2)
    )
    async with serving(full_page(), settings) as site:
        assert (await site.client.get("/probe")).status == 200
        assert (await site.client.get("/metrics")).status == 404
        assert 'href="/probe"' in await (await site.client.get("/")).text()
        assert site.collector.budgets == [pytest.approx(2, abs=0.2)] * 2
