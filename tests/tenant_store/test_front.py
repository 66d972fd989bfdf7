"""The front of the store: each client reaches the paths of its right, and a reader names one tenant."""

import time
from collections.abc import Iterator

import pytest

from tests.tenant_store.region import Region, rendered

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

LOCK = "extra_label=tenant=a"
MATCH = "match[]=vm_info"


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """Give a store with a series of two tenants behind its front."""
    with rendered(tmp_path_factory.mktemp("region"), {}) as region:
        region.start("tenant-store")
        region.start_front()
        stamp = int(time.time() - 60) * 1000
        region.write("".join(f'vm_info{{tenant="{tenant}",vm="{tenant}-1"}} 1 {stamp}\n' for tenant in "ab"))
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


@pytest.mark.parametrize("path", READS)
def test_the_reader_reads(region: Region, path: str) -> None:
    """With the lock in the URL, by GET and by POST."""
    assert region.ask("tenant-gateway", path).status == 200
    assert region.ask("tenant-gateway", path, b"", "POST").status == 200


def test_the_lock_of_the_store_holds_behind_the_front(region: Region) -> None:
    """A query without any tenant in it gives the series of the lock's tenant and no other."""
    body = region.ask("tenant-gateway", f'/api/v1/series?match[]={{__name__!=""}}&{LOCK}').body
    assert "a-1" in body
    assert "b-1" not in body


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
    assert "a-1" not in answer.body


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
