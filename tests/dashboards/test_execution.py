"""Every query and rule runs on a real Prometheus, over real guests and over recorded hardware."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.dashboards.community import QUERIES
from tests.dashboards.coverage import Line, hardware, lines
from tests.dashboards.execution import result, rules
from tests.dashboards.live import live
from tests.dashboards.reasons import RECORDINGS
from tests.dashboards.rule_files import alerts, recordings
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.process import eventually, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def live_url(
    hypervisor: PrivateHypervisor, guest_image: GuestImage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Give a Prometheus that scrapes a collector with real guests."""
    with live(hypervisor, guest_image, tmp_path_factory.mktemp("live")) as url:
        yield url


@pytest.fixture(scope="module")
def recorded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give a Prometheus over the recorded pages."""
    with hardware(tmp_path_factory.mktemp("recorded")) as url:
        yield url


def test_every_query_has_data_or_a_reason(live_url: str, recorded_url: str) -> None:
    """No query is refused, and none is empty on both sides without a reason that is written down.

    A guest without a processor answers late, and its series are absent meanwhile: it is asked again.
    """
    recorded_at, found = time.time(), list[Line]()

    def explained() -> bool:
        found[:] = lines(live_url, recorded_url, recorded_at)
        return all(line.where for line in found)

    with suppress(TimeoutError):
        until(explained, 30.0, "data for every query")
    assert [line.errors for line in found if line.errors] == []
    assert [str(line.live.question) for line in found if not line.where] == []


def test_every_rule_runs(live_url: str, recorded_url: str) -> None:
    """Prometheus has evaluated every rule on both sides without an error."""
    shipped = sorted([*(rule.name for rule in alerts()), *(rule.name for rule in recordings())])
    for url in (live_url, recorded_url):

        def evaluated(url: str = url) -> bool:
            return all(rule["health"] != "unknown" for rule in rules(url))

        until(evaluated, 30.0, "an evaluation of every rule")
        loaded = list(rules(url))
        assert sorted(rule["name"] for rule in loaded) == shipped
        assert [rule["lastError"] for rule in loaded if rule["health"] != "ok"] == []


def test_recordings_have_series(live_url: str) -> None:
    """Every recording makes series from real guests, except those with a reason; no reason is left over."""
    made = {rule.name for rule in recordings() if result(live_url, rule.name)}
    assert {rule.name for rule in recordings()} - made <= RECORDINGS.keys()
    assert {rule.name for rule in recordings()} >= RECORDINGS.keys()


def test_recorded_faults_fire(recorded_url: str) -> None:
    """What is wrong on the simulated hosts fires its alerts, with guest and tenant."""

    def firing() -> set[tuple[str, str, str]]:
        return {
            (
                series["metric"]["alertname"],
                series["metric"].get("tenant", ""),
                series["metric"].get("domain", ""),
            )
            for series in result(recorded_url, "ALERTS")
        }

    expected = {
        ("VFPolicyDrift", "globex", "router"),
        ("VFDrops", "acme", "edge"),
        ("BondMemberDown", "", ""),
        ("PCIeUncorrectedErrors", "acme", "train"),
        ("NVLinkErrors", "globex", "render"),
        ("GPUXidReset", "", ""),
    }
    assert eventually(lambda: expected <= firing(), 30.0, "the alerts of the simulated hosts")


@pytest.mark.parametrize(
    ("dashboard", "query"), [(name, query) for name, queries in QUERIES.items() for query in queries]
)
def test_community_dashboards_keep_working(live_url: str, dashboard: str, query: str) -> None:
    """What the common dashboards ask on the shared names has data from real guests.

    A guest without a processor answers late, and its series are absent meanwhile: the next scrapes have them.
    """
    assert eventually(lambda: bool(result(live_url, query)), 60.0, f"data for {dashboard}")
