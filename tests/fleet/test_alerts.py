"""Faults on a host set off the alerts that are meant for them in the fleet's Prometheus, and no others."""

import re
import time
from collections.abc import Iterator, Mapping

import pytest

from tests.dashboards.rule_files import alerts
from tests.fleet.faults import Fault, faults
from tests.fleet.fleet import TENANTS, Fleet
from tests.fleet.host import Host
from tests.fleet.monitoring import URL, Labels, Monitoring, running
from tests.lab.process import until

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]

# Short, so that the tests do not wait; the rules themselves are those that are shipped.
HURRIED = {
    "fleet_prometheus_scrape_interval": "1s",
    "fleet_prometheus_scrape_timeout": "1s",
    "fleet_prometheus_evaluation_interval": "1s",
    "fleet_prometheus_alert_for": "3s",
    "fleet_prometheus_rules_interval": "1s",
}


SHIPPED = {alert.name: alert for alert in alerts()}
PATIENT = {
    "Watchdog",
    *(name for name, alert in SHIPPED.items() if re.fullmatch(r"(1[5-9]|[2-9]\d)m|\d+[hd]", alert.lasts)),
}
"""Alerts that always fire, or that wait so long that no fault of this test would set them off unhurried."""


@pytest.fixture(scope="module")
def monitoring(deployed: Fleet) -> Iterator[Monitoring]:
    """Give the Prometheus that Ansible has configured, with every host scraped."""
    deployed.prometheus.mkdir()
    deployed.grafana.mkdir()
    outcome = deployed.playbooks.run("monitoring", **HURRIED)
    assert outcome.succeeded, outcome.output[-4000:]
    with running(deployed.prometheus, deployed.directory / "prometheus-data") as prometheus:
        until(
            lambda: sum(prometheus.query('up{job="hostcollector"}').values()) == len(deployed.hosts),
            30.0,
            "the first scrapes",
        )
        yield prometheus


def _labels(host: Host, fault: Fault) -> Mapping[str, str]:
    """Return the labels that the fault's alert must have."""
    place = {
        "instance": host.name,
        "host": host.name,
        "rack": host.rack,
        "region": "lab",
        "job": "hostcollector",
    }
    labels = {**place, "alertname": fault.alert, **SHIPPED[fault.alert].labels, **dict(fault.labels)}
    if fault.guest is not None:
        uuid = host.run("virsh", "--readonly", "domuuid", fault.guest)
        labels |= {"domain": fault.guest, "tenant": TENANTS[fault.guest], "uuid": uuid}
    return labels


def _firing(monitoring: Monitoring, fault: Fault) -> set[Labels]:
    """Return the alerts that fire and that the fault could set off in a fleet that is not hurried."""
    waiting = PATIENT - {fault.alert}
    return {labels for labels in monitoring.firing() if dict(labels)["alertname"] not in waiting}


def test_every_series_says_where_its_host_is(deployed: Fleet, monitoring: Monitoring) -> None:
    """Scraped over mutual TLS, with host, rack and region from the inventory."""
    for host in deployed.hosts:
        place = f'instance="{host.name}",host="{host.name}",rack="{host.rack}",region="lab"'
        (guests,) = monitoring.query(f"count(libvirt_domain_info_vstate{{{place}}})").values()
        assert guests == len(TENANTS)


def test_a_configured_prometheus_is_left_alone(deployed: Fleet, monitoring: Monitoring) -> None:
    """The second run changes nothing; another interval is taken over by the running server."""
    again = deployed.playbooks.run("monitoring", **HURRIED)
    assert again.succeeded
    assert set(again.changed.values()) == {0}, again.output[-4000:]
    changed = deployed.playbooks.run(
        "monitoring",
        **{**HURRIED, "fleet_prometheus_alert_for": "2s"},
        fleet_prometheus_reload_url=f"{URL}/-/reload",
    )
    assert changed.succeeded, changed.output[-4000:]
    assert changed.changed["monitor"] > 0
    assert {fault.alert for fault in faults()} <= monitoring.rules()


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.alert)
@pytest.mark.parametrize("position", [0, 1], ids=["bookworm", "trixie"])
def test_a_fault_fires_its_alert_and_no_other(
    deployed: Fleet, monitoring: Monitoring, fault: Fault, position: int
) -> None:
    """With tenant, guest, host, rack and region; nothing fires before, and nothing after it is fixed."""
    host = deployed.hosts[position]
    until(lambda: not _firing(monitoring, fault), 60.0, "a fleet without alerts")
    expected = frozenset(_labels(host, fault).items())
    seen: set[Labels] = set()

    def fires() -> bool:
        seen.update(_firing(monitoring, fault))
        return expected in seen

    started = time.monotonic()
    fault.inject(host)
    try:
        until(fires, 60.0, f"{fault.alert} with {dict(expected)} among {[dict(labels) for labels in seen]}")
        seconds = time.monotonic() - started
    finally:
        fault.repair(host)

    def silent() -> bool:
        firing = _firing(monitoring, fault)
        seen.update(firing)
        return not firing

    until(silent, 60.0, f"the end of {fault.alert}")
    print(f"\n{fault.alert} | {fault.name} | {seconds:.0f} s | {dict(sorted(expected))}")
    assert seen == {expected}
