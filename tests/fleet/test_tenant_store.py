"""Real guests of three tenants, through vmagent and front, into VictoriaMetrics of two Debian releases."""

import json
import re
from collections.abc import Mapping

import pytest

from hostcollector import catalogue
from tests.fleet.fleet import TENANTS, Fleet
from tests.fleet.host import Host
from tests.fleet.playbook import Outcome
from tests.lab.process import until

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(900)]

EVERYTHING = "http://127.0.0.1:18428/api/v1/series?match[]=%7B__name__%21%3D%22%22%7D&start=1"
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"


def _journals(fleet: Fleet) -> str:
    """Return what the services of each host have logged last."""
    command = ("journalctl", "--no-pager", "-n", "25", "-u", "hostcollector-tenant-*")
    return "\n".join(f"{host.name}: {host.run(*command)}" for host in fleet.hosts)


def _series(host: Host) -> list[dict[str, str]]:
    """Return every series that the host's store has, of any tenant or none."""
    return list(json.loads(host.run("python3", "-c", FETCH, EVERYTHING))["data"])


def _vms(series: list[dict[str, str]]) -> dict[str, str]:
    return {one["vm"]: one["tenant"] for one in series}


def test_the_store_is_set_up(deployed: Fleet, tenant_stores: Mapping[str, Outcome]) -> None:
    """Three services run, confined; a second run changes nothing."""
    assert tenant_stores["first"].succeeded, tenant_stores["first"].output[-4000:] + _journals(deployed)
    assert tenant_stores["again"].succeeded, tenant_stores["again"].output[-4000:]
    assert set(tenant_stores["again"].changed.values()) == {0}, tenant_stores["again"].output[-6000:]
    for host in deployed.hosts:
        for unit in ("hostcollector-tenant-store", "hostcollector-tenant-agent"):
            assert host.run("systemctl", "is-active", unit) == "active"
            score = host.run("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1]
            print(f"\n{host.name}: {unit}: {score}")
            level = re.search(r"([0-9.]+) [A-Z]+", score)
            assert level is not None
            assert float(level[1]) < 2.5


@pytest.mark.parametrize("position", [0, 1], ids=["bookworm", "trixie"])
def test_the_store_has_every_tenants_series_and_no_other(
    deployed: Fleet, tenant_stores: Mapping[str, Outcome], position: int
) -> None:
    """All VMs with a tenant on all hosts; names and labels of the catalogue; nothing about a host."""
    assert tenant_stores["first"].succeeded
    store = deployed.hosts[position]
    wanted = {
        host.run("virsh", "--readonly", "domuuid", name): tenant
        for host in deployed.hosts
        for name, tenant in TENANTS.items()
    }
    found: list[dict[str, str]] = []

    def arrived() -> bool:
        found[:] = _series(store)
        return _vms(found) == wanted and len({one["__name__"] for one in found}) > 10

    until(arrived, 90.0, f"series of {len(wanted)} VMs in the store of {store.name}")
    version = store.run("dpkg-query", "-W", "-f", "${Version}", "victoria-metrics")
    print(f"\n{store.name}: VictoriaMetrics {version}: {len(found)} series, {len(_vms(found))} VMs")
    rows = {row.name: row for row in catalogue.OF_TENANTS}
    for one in found:
        assert one.keys() - {"__name__"} <= set(rows[one["__name__"]].label_names)
        assert one["tenant"] == wanted[one["vm"]]
    text = json.dumps(found)
    for host in deployed.hosts:
        for word in (host.name, host.address, "acme-", "globex-"):
            assert word not in text
