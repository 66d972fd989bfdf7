"""The pages that the simulator makes: their counters, guests and number of series."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.simulator.captured import Capture
from tests.bench.simulator.fleet import SimulatedFleet, Size
from tests.bench.simulator.host import Effect
from tests.bench.simulator.pattern import Token, pattern

NOW = 1_800_000_000.0
_GUEST = f'domain="{Token.DOMAIN}",tenant="{Token.TENANT}",uuid="{Token.UUID}"'


def _page(seconds: float) -> str:
    """Return a page as it was so many seconds ago."""
    return f"""# TYPE libvirt_domain_vcpu_time_seconds_total counter
libvirt_domain_vcpu_time_seconds_total{{{_GUEST}}} {100 - seconds / 2}
# TYPE libvirt_domain_start_timestamp_seconds gauge
libvirt_domain_start_timestamp_seconds{{{_GUEST}}} 1.7e+09
# TYPE hostcollector_source_last_success_timestamp_seconds gauge
hostcollector_source_last_success_timestamp_seconds{{source="procfs"}} {NOW - seconds}
# TYPE hostcollector_host_tenant_incidents_total counter
hostcollector_host_tenant_incidents_total{{tenant="{Token.TENANT}"}} 0.0
# TYPE libvirt_up gauge
libvirt_up 1.0
# TYPE libvirt_domains gauge
libvirt_domains 1.0
"""


PATTERN = pattern(Capture(_page(10), _page(0), 10.0, NOW))


def _series(page: str) -> dict[tuple[str, str], float]:
    """Return the values of a page by metric and guest, tenant or source; no series is there twice."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(page):
        for name, labels, value, *_ in family.samples:
            key = name, labels.get("uuid") or labels.get("tenant") or labels.get("source", "")
            assert key not in found, key
            found[key] = value
    return found


def test_each_page_has_the_series_of_its_guests_and_tenants() -> None:
    """The number of series is known without the page: by host, tenant and guest."""
    fleet = SimulatedFleet(Size(3, 4), PATTERN, NOW)
    for host in fleet.hosts:
        tenants = {guest.tenant for guest in host.guests}
        assert len(_series(host.page(NOW))) == PATTERN.series(len(tenants), 4) == host.series


def test_counters_go_on_and_begin_at_zero_for_a_new_guest() -> None:
    """Through churn and restarts the counters of guests that stay never fall; those of others begin at 0."""
    fleet = SimulatedFleet(Size(3, 4), PATTERN, NOW)
    name = "libvirt_domain_vcpu_time_seconds_total"
    before: dict[tuple[str, str], float] = {}
    for minute in range(1, 200):
        now = NOW + 60 * minute
        fleet.pass_time(now)
        pages = {host.name: _series(host.page(now)) for host in fleet.hosts}
        after = {(host, key[1]): page[key] for host, page in pages.items() for key in page if key[0] == name}
        assert len(after) == 12
        assert all(value >= before.get(key, 0) for key, value in after.items())
        assert all(value <= 60 * 0.5 for key, value in after.items() if key not in before and before)
        before = after


def test_a_page_says_when_it_is_made() -> None:
    """A time that went on between the captured pages is that of the page; a start is that of its guest."""
    host = SimulatedFleet(Size(1, 1), PATTERN, NOW).hosts[0]
    page = _series(host.page(NOW + 99))
    assert page["hostcollector_source_last_success_timestamp_seconds", "procfs"] == NOW + 99
    assert page["libvirt_domain_start_timestamp_seconds", host.guests[0].uuid] == host.guests[0].started


def test_a_storm_changes_values_and_takes_series_away() -> None:
    """What an effect names has its value or rate, or is not on the page; after the storm all is as before."""
    host = SimulatedFleet(Size(1, 1), PATTERN, NOW).hosts[0]
    guest, time = host.guests[0].uuid, "libvirt_domain_vcpu_time_seconds_total"
    calm = _series(host.page(NOW))
    host.effect = Effect(
        values={"libvirt_up": 0.0}, rates={time: 100.0}, missing=("hostcollector_source_last_success",)
    )
    host.page(NOW)
    stormy = _series(host.page(NOW + 10))
    assert stormy["libvirt_up", ""] == 0
    assert stormy[time, guest] - calm[time, guest] == pytest.approx(1000 * host.guests[0].pace)
    assert set(calm) - set(stormy) == {("hostcollector_source_last_success_timestamp_seconds", "procfs")}
    host.effect = Effect()
    assert set(_series(host.page(NOW + 20))) == set(calm)
