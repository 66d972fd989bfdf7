"""What is lost when a part of the way from a host to the store is away. An interval of 1 s is one of 60 s.

The figures are in docs/tenant-store.md.
"""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.process import eventually, until
from tests.tenant_store.page import SERIES, Page, served
from tests.tenant_store.region import Region, rendered

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(300)]

OUTAGE_SCRAPES = 12
Way = tuple[Region, Page]


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    """Give a region that scrapes one hypervisor each second, and the hypervisor's page."""
    hurried = {"tenant_store_scrape_interval": "1s", "tenant_store_scrape_timeout": "1s"}
    with rendered(tmp_path, {"hv-1": "127.0.0.1"}, **hurried) as region, served(region.pki) as page:
        targets = tmp_path / "etc/targets.yml"
        targets.write_text(targets.read_text().replace(":10177", f":{page.port}"))
        region.start("tenant-store")
        region.start_front()
        region.start("tenant-agent")
        _wait_for(page, 3)
        yield region, page


def _wait_for(page: Page, scrapes: int) -> None:
    goal = page.scrapes + scrapes
    until(lambda: page.scrapes >= goal, 10.0 + 3 * scrapes, f"{scrapes} more scrapes")


def _stored(region: Region) -> set[int]:
    """Return the numbers of the scrapes whose sample the store has."""
    base = f"http://127.0.0.1:{region.store}"
    urllib.request.urlopen(f"{base}/internal/force_flush", timeout=30).close()
    address = f"{base}/api/v1/export?{urllib.parse.urlencode({'match[]': SERIES})}"
    with urllib.request.urlopen(address, timeout=30) as answer:
        return {int(value) for line in answer for value in json.loads(line)["values"]}


def _arrive(region: Region, numbers: Iterable[int]) -> bool:
    """Wait until the store has the samples of these scrapes; vmagent tries again at least once a minute."""
    wanted = set(numbers)
    return eventually(lambda: wanted <= _stored(region), 90.0, f"samples {min(wanted)} to {max(wanted)}")


def test_a_store_that_is_down_costs_nothing(way: Way) -> None:
    """What is scraped while the store, or the front, is away waits in the queue on disk."""
    region, page = way
    region.stop("tenant-store")
    _wait_for(page, OUTAGE_SCRAPES)
    region.start("tenant-store")
    region.stop("nginx")
    _wait_for(page, 3)
    region.start_front()
    _wait_for(page, 2)
    assert _arrive(region, range(1, page.scrapes + 1))


def test_an_agent_that_restarts_in_an_outage_costs_the_scrapes_it_was_away_for(way: Way) -> None:
    """What it had queued, on disk or in memory, is still sent after a clean stop."""
    region, page = way
    region.stop("tenant-store")
    _wait_for(page, 4)
    region.stop("tenant-agent", grace=60.0)
    before = page.scrapes
    region.start("tenant-agent")
    region.start("tenant-store")
    _wait_for(page, 2)
    assert _arrive(region, range(1, before + 1))


def test_an_agent_that_is_killed_costs_what_it_had_in_memory(way: Way) -> None:
    """What was queued is in the store afterwards; blocks on their way, one per connection, are not."""
    region, page = way
    region.stop("tenant-store")
    _wait_for(page, OUTAGE_SCRAPES)
    region.kill("tenant-agent")
    killed = page.scrapes
    region.start("tenant-store")
    region.start("tenant-agent")
    _wait_for(page, 2)
    assert _arrive(region, [page.scrapes])
    lost = set(range(1, killed + 1)) - _stored(region)
    print(f"lost by the kill: {len(lost)} of {killed} scrapes: {sorted(lost)}")
    assert len(lost) < killed - 3


def test_a_host_that_cannot_be_reached_is_a_gap(way: Way) -> None:
    """No sample is made up for it: the store has what was scraped before and after, nothing between."""
    region, page = way
    page.cut_off = True
    until(lambda: page.missed >= 3, 30.0, "three scrapes that fail")
    page.cut_off = False
    _wait_for(page, 2)
    assert _arrive(region, range(1, page.scrapes + 1))
    stamps = _stamps(region)
    assert max(later - earlier for earlier, later in pairwise(stamps)) >= 3.0


def _stamps(region: Region) -> list[float]:
    answer = region.raw("/api/v1/query", query=f"{SERIES}[1h]")
    (series,) = answer["data"]["result"]
    return [stamp for stamp, _ in series["values"]]
