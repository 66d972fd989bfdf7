"""Many alerts with one cause are one notification, and the right person gets it: in a real Alertmanager."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from tests.bench.simulator.paging import Inbox, Notification, alertmanager, inbox
from tests.dashboards.rule_files import DASHBOARDS, alerts
from tests.lab.process import until

FRAGMENT = DASHBOARDS / "alertmanager.yml"
PACE = 30.0
"""Waits of minutes take seconds."""
SHIPPED = {alert.name: alert.labels for alert in alerts()}
LAST = ("PowerSupplyFailed", "GPULost")
"""A ticket and a page."""
PLACE = {"job": "hostcollector", "region": "west"}

pytestmark = pytest.mark.lab


@pytest.fixture
def routed(tmp_path: Path) -> Iterator[tuple[str, Inbox]]:
    """Give the address of an Alertmanager with the fragment, and what its receivers get."""
    configuration = yaml.safe_load(FRAGMENT.read_text())
    with inbox() as kept, alertmanager(tmp_path, configuration, kept, PACE) as address:
        yield address, kept


def test_amtool_accepts_the_fragment() -> None:
    """It is a whole configuration as it is."""
    subprocess.run(["amtool", "check-config", FRAGMENT], check=True, capture_output=True)


def test_names_in_the_fragment_are_alerts() -> None:
    """A renamed alert is not left behind in an inhibition or a route."""
    text = FRAGMENT.read_text()
    named = {
        name
        for line in text.splitlines()
        if "alertname" in line and "group_by" not in line and "equal" not in line
        for quoted in line.split('"')[1::2]
        for name in quoted.split("|")
    } - {"critical", "warning|info"}
    assert {name for name in named if name[0].isupper()} <= set(SHIPPED)


def test_a_rack_without_power_is_one_notification(routed: tuple[str, Inbox]) -> None:
    """Forty silent hosts and what fired on them are behind the alert about the rack."""
    address, kept = routed
    hosts = [_alert("HostcollectorDown", instance=f"hv{number}", rack="r1") for number in range(40)]
    _send(
        address, [*hosts, _alert("RackHostsDown", rack="r1"), _alert("UplinkDown", instance="hv9", rack="r1")]
    )
    elsewhere = _alert("UplinkDown", instance="hv77", rack="r2")
    _send(address, [elsewhere])
    got = _notified(address, kept, 2)
    assert sorted((one.receiver, *sorted(one.names)) for one in got) == [
        ("operator-page", "RackHostsDown"),
        ("operator-page", "UplinkDown"),
    ]
    (uplinks,) = [one.alerts for one in got if "UplinkDown" in one.names]
    assert [labels["instance"] for labels in uplinks] == ["hv77"]


def test_a_storage_that_stalls_is_one_notification(routed: tuple[str, Inbox]) -> None:
    """Hundreds of hanging guests and slow disks are behind the alert that names the storage.

    A guest whose disks are elsewhere is notified, also on such a host; so is another storage.
    """
    address, kept = routed
    singles = [
        _alert(name, instance=f"hv{host}", domain=f"g{guest}", uuid=f"u-{host}-{guest}", tenant="acme")
        for name in ("GuestMonitorBlocked", "GuestDiskLatencyHigh", "GuestSystemCheckFailed")
        for host in range(20)
        for guest in range(10)
    ]
    many = [_alert("HostGuestsBlocked", instance=f"hv{host}") for host in range(19)]
    many += [_alert("ManyGuestsSlowOnStorage", instance=f"hv{host}", storage="rbd:vms") for host in range(19)]
    marks = [
        _alert("GuestOnStalledStorage", storage="rbd:vms", **_of(one, "instance", "domain", "uuid", "tenant"))
        for one in singles
    ]
    elsewhere = [
        _alert("GuestMonitorBlocked", instance="hv19", domain="local", uuid="u-local", tenant="acme"),
        _alert("HostGuestsBlocked", instance="hv77"),
        _alert("ManyGuestsSlowOnStorage", instance="hv3", storage="/srv/local"),
    ]
    _send(address, [*marks, *singles, *many, *elsewhere, _alert("StorageStalled", storage="rbd:vms")])
    got = _notified(address, kept, 4)
    assert sorted((one.receiver, *sorted(one.names), len(one.alerts)) for one in got) == [
        ("operator-page", "GuestMonitorBlocked", 1),
        ("operator-page", "HostGuestsBlocked", 1),
        ("operator-page", "ManyGuestsSlowOnStorage", 1),
        ("operator-page", "StorageStalled", 1),
    ]
    assert {
        one.alerts[0].get("uuid") or one.alerts[0].get("storage") or one.alerts[0]["instance"] for one in got
    } == {*("u-local", "hv77", "/srv/local", "rbd:vms")}


def test_each_receives_what_is_theirs(routed: tuple[str, Inbox]) -> None:
    """Pages, tickets, tenants and the watchdog have routes of their own; each tenant is notified apart."""
    address, kept = routed
    guests = [
        _alert("GuestSwapping", instance="hv1", domain=f"g-{tenant}", uuid=f"u-{tenant}", tenant=tenant)
        for tenant in ("acme", "globex")
    ]
    others = [_alert("LeakDetected", instance="hv1"), _alert("BMCSilent", instance="hv2"), _alert("Watchdog")]
    _send(address, [*guests, *others])
    got = {(one.receiver, *sorted(one.names), *_tenants(one)) for one in _notified(address, kept, 5)}
    assert got >= {
        ("operator-page", "LeakDetected"),
        ("operator-ticket", "BMCSilent"),
        ("watchdog", "Watchdog"),
        ("tenant", "GuestSwapping", "acme"),
        ("tenant", "GuestSwapping", "globex"),
    }


def _of(alert: dict[str, dict[str, str]], *names: str) -> dict[str, str]:
    return {name: alert["labels"][name] for name in names}


def _tenants(notification: Notification) -> list[str]:
    return sorted({labels["tenant"] for labels in notification.alerts if "tenant" in labels})


def _alert(name: str, **labels: str) -> dict[str, dict[str, str]]:
    return {"labels": {"alertname": name, **SHIPPED[name], **PLACE, **labels}}


def _send(address: str, firing: Sequence[dict[str, dict[str, str]]]) -> None:
    request = urllib.request.Request(
        f"http://{address}/api/v2/alerts",
        json.dumps(firing).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=30).close()


def _notified(address: str, kept: Inbox, number: int) -> list[Notification]:
    """Wait for so many groups to be notified, and return them all.

    What is inhibited never comes. An alert of another region that is sent last, and waits as long, shows that
    nothing is still on its way.
    """
    until(lambda: len(_groups(kept)) >= number, 60.0, f"{number} notifications")
    for last in LAST:
        _send(address, [{"labels": {**_alert(last)["labels"], "region": "last"}}])
    until(lambda: len(_last(kept)) == len(LAST), 60.0, "the notifications of what was sent last")
    return _groups(kept)


def _last(kept: Inbox) -> set[str]:
    return {name for one in kept.firing(0.0) if one.alerts[0]["region"] == "last" for name in one.names}


def _groups(kept: Inbox) -> list[Notification]:
    """Return the first notification of each group."""
    first = {
        (one.receiver, one.names, *_tenants(one)): one
        for one in reversed(kept.firing(0.0))
        if one.alerts[0]["region"] != "last"
    }
    return list(first.values())
