"""Two racks of three simulated hosts under a real Prometheus and a real Alertmanager."""

import time
from collections.abc import Iterator

import pytest

from tests.bench.simulator import laboratory
from tests.bench.simulator.fleet import SimulatedFleet, Size
from tests.bench.simulator.grafana import Visitor
from tests.bench.simulator.pattern import pattern
from tests.bench.simulator.storms import RACK_WITHOUT_POWER
from tests.bench.simulator.weather import Weather, weather
from tests.dashboards.execution import rules
from tests.lab.process import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(90)]

# A minute until an alert fires is five seconds. A busy machine has 1.25 s for a scrape.
_PACE = 12.0


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weather]:
    """Give a fleet whose pages have the series of a real guest, under the shipped rules."""
    fleet = SimulatedFleet(Size(6, 2, racks=2), pattern(laboratory.captured()), time.time())
    with weather(fleet, tmp_path_factory.mktemp("fleet"), _PACE) as running:
        answering = 'count(up{job="hostcollector"} == 1)'
        until(lambda: running.server.value(answering) == len(fleet.hosts), 30.0, "a scrape of each host")
        yield running


def test_prometheus_has_every_series_of_every_page(sky: Weather) -> None:
    """Prometheus counts on each host what the simulator says that it put on the page."""

    def counted() -> dict[str, float]:
        name = "scrape_samples_post_metric_relabeling"
        return {
            host.name: sky.server.value(f'{name}{{job="hostcollector",instance="{host.name}"}}')
            for host in sky.fleet.hosts
        }

    until(lambda: min(counted().values()) > 0, 20.0, "a scrape of each host")
    assert counted() == {host.name: host.series for host in sky.fleet.hosts}
    assert min(counted().values()) > 400


def test_shipped_rules_are_evaluated(sky: Weather) -> None:
    """Every rule is evaluated without an error on the fleet's series."""

    def evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in rules(sky.server.url))

    until(evaluated, 20.0, "an evaluation of every rule")
    assert [rule for rule in rules(sky.server.url) if rule["health"] != "ok"] == []


def test_each_query_of_each_board_is_answered(sky: Weather) -> None:
    """Whatever a board asks when it is opened, Prometheus answers it, and says how many samples it read."""
    found = list(Visitor(sky.server, 60).visits())
    assert [(cost.board, cost.panel, cost.answer.error) for cost in found if cost.answer.error] == []
    assert sum(cost.answer.read for cost in found) > len(found)


def test_a_rack_without_power_is_reported_by_its_cause(sky: Weather) -> None:
    """Operators are notified of the rack, and of none of its hosts."""
    began = time.time()
    for step in RACK_WITHOUT_POWER.steps:
        step(sky.fleet)

    def reported() -> bool:
        return any(one.names & RACK_WITHOUT_POWER.causes for one in sky.sent(began))

    until(reported, 60.0, "a notification that names the cause")
    dark = {host.name for host in sky.fleet.rack(0)}
    alerts = [labels for one in sky.sent(began) for labels in one.alerts]
    assert [labels for labels in alerts if labels.get("instance") in dark] == []
    assert [labels["rack"] for labels in alerts if labels["alertname"] == "RackHostsDown"] == ["r0"]
