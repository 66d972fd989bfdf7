"""What changes on a gateway's host: a wrong configuration, a broken release, an upgrade, no more intake."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from hostcollector import __version__
from tests.fleet import artefact
from tests.fleet.fleet import Fleet
from tests.fleet.gateways import BESIDE, ETC, PROGRAM, UNIT, asked, ready
from tests.fleet.playbook import Outcome, Playbooks
from tests.fleet.release import RELEASES
from tests.fleet.wheelhouse import PROGRAMS, wheelhouse
from tests.lab.process import until

pytestmark = [pytest.mark.fleet, pytest.mark.full, pytest.mark.timeout(1200)]

NEXT, BROKEN = f"{__version__}.post11", f"{__version__}.post12"
STATE = (
    f"find {ETC} /etc/systemd/system/{UNIT}* -type f -exec sha256sum {{}} +;"
    " readlink /opt/hostcollector-gateway/current"
)


@pytest.mark.parametrize("whose", ["the gateway's certificate", "the intake's password"])
def test_a_change_that_cannot_be_used_is_put_back(
    deployed: Fleet, gateway_playbooks: Playbooks, gateway_runs: Mapping[str, Outcome], whose: str
) -> None:
    """A certificate that the front does not know, a password that the ledger refuses: all is as before."""
    assert gateway_runs["first"].succeeded
    host = deployed.hosts[1]
    _, before = host.status(STATE)
    pki = deployed.certificates
    of_all = json.loads(gateway_playbooks.inventory.read_text())["all"]["children"]["tenant_gateway"]["vars"]
    name, wrong = {
        "the gateway's certificate": (
            "tenant_gateway_credentials",
            {"store-client.crt": f"{pki}/prometheus.pem", "store-client.key": f"{pki}/prometheus.key"},
        ),
        "the intake's password": (
            "tenant_gateway_intake_credentials",
            {"ledger-password": str(deployed.directory / "admin-token")},
        ),
    }[whose]
    outcome = gateway_playbooks.run(
        "gateway",
        f"--limit={host.name}",
        **{name: of_all[name] | wrong},
        tenant_gateway_ready_seconds=8,
        tenant_gateway_intake_ready_seconds=8,
        tenant_gateway_migrate=False,
        tenant_gateway_plans={"other": {}},
    )
    assert not outcome.succeeded
    assert "It runs as before" in outcome.output, outcome.output[-4000:]
    assert sorted(host.status(STATE)[1].splitlines()) == sorted(before.splitlines())
    for unit in (UNIT, *BESIDE):
        assert host.run("systemctl", "is-active", unit) == "active"
    until(lambda: ready(deployed, host), 30.0, f"gateway and intake of before at {host.name}")


def test_an_intake_that_the_inventory_no_longer_has_is_removed(
    deployed: Fleet, gateway_playbooks: Playbooks, gateway_runs: Mapping[str, Outcome]
) -> None:
    """Service, configuration and secrets go; the gateway stays, and a second run changes nothing."""
    assert gateway_runs["first"].succeeded
    host = deployed.hosts[0]
    without: dict[str, Any] = {"tenant_gateway_intake_config": {}, "tenant_gateway_intake_credentials": {}}
    outcomes = [gateway_playbooks.run("gateway", f"--limit={host.name}", **without) for _ in range(2)]
    assert all(outcome.succeeded for outcome in outcomes), outcomes[0].output[-4000:]
    assert outcomes[0].changed[host.name] > 0
    assert outcomes[1].changed == {host.name: 0}, outcomes[1].output[-4000:]
    left = host.run("find", ETC, "/etc/systemd/system", "-name", "*intake*", "-o", "-name", "hosts.yml")
    assert left.split() == [f"{ETC}/intake"]
    assert host.run("find", f"{ETC}/intake", "-type", "f") == ""
    assert host.run("systemctl", "is-active", BESIDE[1], check=False) != "active"
    assert host.run("systemctl", "is-active", UNIT) == "active"


@pytest.fixture(scope="module")
def releases(deployed: Fleet) -> Fleet:
    """Give the fleet with the next release's artefacts, and those of a release that cannot serve."""
    houses = [(release.codename, wheelhouse(release, PROGRAMS[1])) for release in RELEASES]
    artefact.pack(NEXT, houses, deployed.artefacts)
    artefact.pack(BROKEN, houses, deployed.artefacts, broken=True)
    return deployed


def test_a_release_that_cannot_serve_is_put_back(
    releases: Fleet, gateway_playbooks: Playbooks, gateway_runs: Mapping[str, Outcome]
) -> None:
    """It passes check-config, and the gateway of before serves again."""
    assert gateway_runs["first"].succeeded
    host = releases.hosts[1]
    _, before = host.status(STATE)
    outcome = gateway_playbooks.run("gateway", f"--limit={host.name}", tenant_gateway_version=BROKEN)
    assert not outcome.succeeded
    assert "It runs as before" in outcome.output, outcome.output[-4000:]
    assert sorted(host.status(STATE)[1].splitlines()) == sorted(before.splitlines())
    until(lambda: ready(releases, host), 30.0, f"gateway and intake of before at {host.name}")


def test_an_upgrade_of_one_gateway_leaves_the_other(
    releases: Fleet, gateway_playbooks: Playbooks, gateway_token: str
) -> None:
    """The next release on one host, this one on the other; both answer from one database."""
    upgraded, other = releases.hosts[1], releases.hosts[0]
    runs = [
        gateway_playbooks.run("gateway", f"--limit={upgraded.name}", tenant_gateway_version=NEXT)
        for _ in range(2)
    ]
    assert all(outcome.succeeded for outcome in runs), runs[0].output[-4000:]
    assert runs[1].changed == {upgraded.name: 0}, runs[1].output[-4000:]
    for host, version in ((upgraded, NEXT), (other, __version__)):
        assert host.run(PROGRAM, "--version") == f"hostcollector-gateway {version}"
        assert asked(releases, host, "/api/v1/vms", gateway_token)[0] == 200
