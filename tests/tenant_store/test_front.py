"""The front of the store: each client reaches the paths of its right, and a reader names one tenant.

Alone, and with the gateway as the reader.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.served import PROMETHEUS, Gateway, Got, served
from tests.lab.process import eventually
from tests.tenant_store.region import Region, rendered

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

INTERVAL = 60
VM = {"a": "4be0c2a8-6d35-4b3f-8a53-0d1c9f5b0d11", "b": "9d1f7a52-9c35-4d0e-b3b5-5f4f0c7a2b22"}
BETWEEN_HOSTS = 2 * INTERVAL + 10
"""Seconds without a sample around the worst migration.

The last scrape of the source is just before the switch, which takes some seconds, and the first one of the
target an interval after it: each hypervisor has its own second of the minute.
"""

LOCK = "extra_label=tenant=a"
MATCH = "match[]=vm_info"


def _samples(left: int) -> Iterator[str]:
    """Yield an hour of two VMs; a's migrates at `left`, b's runs on."""
    hour = range(left - 3600, left + 1, INTERVAL)
    after = range(left + BETWEEN_HOSTS, left + 600, INTERVAL)
    for tenant, stamps in (("a", (*hour, *after)), ("b", range(left - 3600, left + 600, INTERVAL))):
        labels = f'tenant="{tenant}",vm="{VM[tenant]}"'
        for stamp in stamps:
            yield f"vm_info{{{labels}}} 1 {stamp * 1000}\n"
            yield f'vm_state{{{labels},state="running"}} 1 {stamp * 1000}\n'
            yield f'vm_cpu_seconds_total{{{labels},vcpu="0"}} {stamp - left + 3600} {stamp * 1000}\n'


@pytest.fixture(scope="module")
def left() -> int:
    """Give the time at which tenant a's VM leaves its first host: its last sample is then a minute old."""
    return int(time.time()) - 660


@pytest.fixture(scope="module")
def region(left: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """Give a store with a VM of two tenants behind its front."""
    with rendered(tmp_path_factory.mktemp("region"), {}) as region:
        region.start("tenant-store")
        region.start_front()
        region.write("".join(_samples(left)))
        yield region


READS = (
    f"/api/v1/query?query=vm_info&{LOCK}",
    f"/api/v1/query_range?query=vm_info&start=1&end=2&step=1&{LOCK}",
    f"/api/v1/series?{MATCH}&{LOCK}",
    f"/api/v1/labels?{MATCH}&{LOCK}",
    f"/api/v1/label/vm/values?{MATCH}&{LOCK}",
)
ERASE = "/api/v1/admin/tsdb/delete_series?match[]=vm_nothing"
WRITE = "/api/v1/write"
EVERYTHING = {"match[]": '{__name__!=""}', "start": "1"}


@pytest.mark.parametrize("path", READS)
def test_the_reader_reads(region: Region, path: str) -> None:
    """With the lock in the URL, by GET and by POST."""
    assert region.ask("tenant-gateway", path).status == 200
    assert region.ask("tenant-gateway", path, b"", "POST").status == 200


def test_the_lock_of_the_store_holds_behind_the_front(region: Region) -> None:
    """A query without any tenant in it gives the series of the lock's tenant and no other."""
    body = region.ask("tenant-gateway", f'/api/v1/series?match[]={{__name__!=""}}&{LOCK}').body
    assert VM["a"] in body
    assert VM["b"] not in body


@pytest.mark.parametrize(
    "query",
    [
        "",
        "&extra_label=",
        "&extra_label=tenant",
        "&extra_label=tenant=",
        "&extra_label=tenant%3D",
        "&extra_label=tenants=a",
        "&extra_label=vm=a",
        "&extra_labels=tenant=a",
        "&Extra-label=tenant=a",
        "&extra_label=tenant=.a",
        "&extra_label=tenant=a%00",
        "&extra_label=tenant=a%0a",
        "&extra_filters[]={tenant='a'}",
        f"&extra_label=&{LOCK}",
    ],
)
def test_a_reader_that_names_no_tenant_is_refused(region: Region, query: str) -> None:
    """Whatever is misspelt, empty or in place of the lock: the store would answer with all tenants."""
    answer = region.ask("tenant-gateway", f"/api/v1/query?query=vm_info{query}")
    assert answer.status == 403
    assert VM["a"] not in answer.body


def test_a_tenant_in_the_body_is_no_lock(region: Region) -> None:
    """The lock is in the URL, where the front sees it."""
    body = LOCK.encode()
    assert region.ask("tenant-gateway", "/api/v1/query?query=vm_info", body).status == 403


@pytest.mark.parametrize("client", ["tenant-agent", "tenant-eraser", "stranger"])
@pytest.mark.parametrize("path", READS)
def test_nobody_else_reads(region: Region, client: str, path: str) -> None:
    """A certificate of the same authority is not enough."""
    assert region.ask(client, path).status == 403


@pytest.mark.parametrize(
    ("client", "path", "status"),
    [
        ("tenant-agent", WRITE, 400),  # the store's own answer: an empty body is no write
        ("tenant-gateway", WRITE, 403),
        ("tenant-eraser", WRITE, 403),
        ("stranger", WRITE, 403),
        ("tenant-eraser", ERASE, 204),
        ("tenant-agent", ERASE, 403),
        ("tenant-gateway", ERASE, 403),
        ("stranger", ERASE, 403),
    ],
)
def test_writing_and_erasing_are_rights_of_their_own(
    region: Region, client: str, path: str, status: int
) -> None:
    """Who reads can neither write nor erase, and so on."""
    assert region.ask(client, path, b"").status == status


@pytest.mark.parametrize("key", [{}, {"authKey": ""}, {"authKey": "0" * 64}], ids=["none", "empty", "wrong"])
@pytest.mark.parametrize("path", [ERASE.partition("?")[0], "/tags/delSeries"])
def test_an_account_of_the_machine_deletes_nothing(region: Region, path: str, key: dict[str, str]) -> None:
    """It reaches the store without the front, and does not have the front's key."""
    assert region.post(path, **{"match[]": "vm_info", "path": "vm_info"}, **key) in {400, 401}
    assert {row["vm"] for row in region.raw("/api/v1/series", **EVERYTHING)["data"]} >= set(VM.values())


def test_who_may_erase_does(region: Region) -> None:
    """With the selector in the URL or in the body; the key is readable by root only and in no arguments."""
    for number, selector in enumerate(("URL", "body")):
        region.write(f'vm_erased{{tenant="c",vm="{number}"}} 1\n')
        assert region.raw("/api/v1/series", **{"match[]": "vm_erased", "start": "1"})["data"]
        given = "match%5B%5D=vm_erased"
        path = ERASE.partition("?")[0] + (f"?{given}" if selector == "URL" else "")
        body = given.encode() if selector == "body" else b""
        assert region.ask("tenant-eraser", path, body).status == 204
        assert region.raw("/api/v1/series", **{"match[]": "vm_erased", "start": "1"})["data"] == []
    key = (region.directory / "etc/delete-key.env").read_text().strip().partition("=")[2]
    assert len(key) == 64
    for name in ("delete-key.env", "delete-key.conf"):
        assert (region.directory / "etc" / name).stat().st_mode & 0o777 == 0o600
    arguments = Path(f"/proc/{region.running['tenant-store'].pid}/cmdline").read_bytes()
    logs = "".join(file.read_text() for file in region.directory.glob("*.log"))
    assert key not in arguments.decode() + logs


@pytest.mark.parametrize("path", [*READS, WRITE, ERASE])
def test_without_a_certificate_there_is_nothing(region: Region, path: str) -> None:
    """Nginx answers 400 before any of the rights."""
    assert region.ask(None, path, b"").status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/vmui/",
        "/api/v1/export",
        "/api/v1/import/prometheus",
        "/api/v1/status/tsdb",
        "/api/v1/status/top_queries",
        "/api/v1/status/active_queries",
        "/api/v1/series/count",
        "/api/v1/query_exemplars",
        "/api/v1/metadata",
        "/graphite/render",
        "/metrics/find",
        "/tags/delSeries",
        "/federate",
        "/flags",
        "/debug/pprof/",
        "/snapshot/create",
        "/internal/force_flush",
        "/internal/resetRollupResultCache",
        "/prometheus/api/v1/query",
        "/api/v1/label/vm/values/..",
        "/api/v1/query/",
        "/api/v1/QUERY",
        "/api/v1/query%3fx",
        "/api/v1/admin/tsdb/delete_series/",
    ],
)
@pytest.mark.parametrize("client", ["tenant-agent", "tenant-gateway", "tenant-eraser"])
def test_every_other_path_is_unknown(region: Region, client: str, path: str) -> None:
    """Some of the store's endpoints ignore its lock: none is behind the front."""
    assert region.ask(client, f"{path}?{LOCK}").status == 404


@pytest.mark.parametrize(
    "path", ["/api/v1//query", "/api/v1/./query", "/x/../api/v1/query", "/api/v1/%71uery"]
)
def test_other_spellings_are_the_same_path(region: Region, path: str) -> None:
    """Nginx decides on the path that it sends on, so another spelling opens nothing."""
    assert region.ask("tenant-gateway", f"{path}?query=vm_info").status == 403
    assert region.ask("stranger", f"{path}?query=vm_info&{LOCK}").status == 403


@dataclass(frozen=True, slots=True)
class Way:
    """A gateway that reaches the store with its certificate, and when tenant a's VM left its first host."""

    region: Region
    gateway: Gateway
    left: int

    def query(self, token: str, query: str) -> Got:
        """Return what a tenant's query is answered for a time at which both VMs have samples."""
        return self.gateway.ask(f"{PROMETHEUS}query", token, query=query, time=str(self.left))


@pytest.fixture(scope="module")
def way(region: Region, left: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """Give a gateway that reaches the store through the front, with its certificate."""
    directory = tmp_path_factory.mktemp("gateway")
    with served(_front(region), directory, workers=1, certificates=_files(region)) as gateway:
        yield Way(region, gateway, left)


def _front(region: Region) -> str:
    return f"https://127.0.0.1:{region.front}"


def _files(region: Region) -> dict[str, Path]:
    pki = region.pki
    return {
        "ca_file": pki / "authority.pem",
        "certificate_file": pki / "tenant-gateway.pem",
        "private_key_file": pki / "tenant-gateway.key",
    }


def test_each_tenant_gets_its_own_series_through_both(way: Way) -> None:
    """By PromQL, by the typed API and by the scrape endpoint; without a token there is nothing."""
    for token, own, other in (
        (way.gateway.token, VM["a"], VM["b"]),
        (way.gateway.other, VM["b"], VM["a"]),
    ):
        found = way.query(token, '{__name__!=""}').document["data"]["result"]
        assert {series["metric"]["vm"] for series in found} == {own}
        everything: dict[str, Any] = {"match[]": '{__name__!=""}', "start": "1"}
        series = way.gateway.ask(f"{PROMETHEUS}series", token, **everything)
        assert {one["vm"] for one in series.document["data"]} == {own}
        for path in ("/api/v1/vms", f"/api/v1/vms/{own}", f"{PROMETHEUS}labels", "/api/v1/scrape"):
            answer = way.gateway.ask(path, token)
            assert answer.status == 200, path
            assert other not in answer.body.decode(), path
        assert way.gateway.ask(f"/api/v1/vms/{other}", token).status == 404
    assert way.gateway.ask(f"{PROMETHEUS}query", "", query="vm_info").status == 401


@pytest.mark.parametrize(
    "query",
    ['vm_info{tenant="b"}', 'vm_info{tenant=~".+"}', 'count({__name__!=""} offset 1s) by (tenant)'],
)
def test_a_query_for_another_tenant_finds_none_of_it(way: Way, query: str) -> None:
    """Tenant a names tenant b, or everything."""
    assert VM["b"] not in way.query(way.gateway.token, query).body.decode()
    assert '"b"' not in way.query(way.gateway.token, query).body.decode()


def test_the_stores_lock_alone_keeps_tenants_apart_behind_the_front(way: Way) -> None:
    """Sent as it is, without any rewriting: the lock in the URL is enough, and the front requires it."""
    query = "/api/v1/query?query=vm_info%7Btenant%3D%22b%22%7D"
    at = f"&time={way.left}"
    assert way.region.ask("tenant-gateway", f"{query}{at}&extra_label=tenant=b").body.count(VM["b"]) == 1
    locked = way.region.ask("tenant-gateway", f"{query}{at}&extra_label=tenant=a")
    assert (locked.status, json.loads(locked.body)["data"]["result"]) == (200, [])
    assert way.region.ask("tenant-gateway", query + at).status == 403


def test_a_gateway_without_the_certificate_answers_nothing(way: Way, tmp_path: Path) -> None:
    """It starts, cannot verify that the store keeps tenants apart, and refuses all queries with 503."""
    files = {"ca_file": way.region.pki / "authority.pem"}
    with served(_front(way.region), tmp_path / "none", workers=1, certificates=files) as gateway:
        for path in (f"{PROMETHEUS}query?query=vm_info", "/api/v1/vms", "/api/v1/scrape"):
            answer = gateway.ask(path)
            assert answer.status == 503, (path, answer.body)
            assert VM["a"] not in answer.body.decode()


def _absent(way: Way) -> list[float]:
    """Return at which times of a chart around the migration a's VM would be called absent."""
    chart: dict[str, Any] = {"start": str(way.left - 300), "end": str(way.left + 300), "step": "5"}
    query = f'absent(vm_info{{vm="{VM["a"]}"}})'
    answer = way.gateway.ask(f"{PROMETHEUS}query_range", query=query, nocache="1", **chart)
    return [stamp for series in answer.document["data"]["result"] for stamp, _ in series["values"]]


def test_a_vm_that_migrates_is_never_absent(way: Way) -> None:
    """In a chart and at each moment, although no host had it for two intervals.

    The control: without the role's flag VictoriaMetrics ends the series after little more than an interval.
    """
    assert _absent(way) == []
    for second in range(way.left, way.left + 300, 30):
        query = f'absent(vm_info{{vm="{VM["a"]}"}})'
        answer = way.gateway.ask(f"{PROMETHEUS}query", query=query, time=str(second))
        assert answer.document["data"]["result"] == [], second
    way.region.stop("tenant-store")
    way.region.start("tenant-store", "-search.minStalenessInterval=0")
    assert eventually(lambda: bool(_absent(way)), 30.0, "the gap without the flag")
