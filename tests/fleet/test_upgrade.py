"""Upgrades: to a good release, to one that cannot start, back, and to nothing at all.

One host changes from the wheelhouse to the package; meanwhile systemd listens on both.
"""

import json

import pytest

from hostcollector import __version__
from tests.fleet import artefact
from tests.fleet.fleet import Fleet
from tests.fleet.host import Host
from tests.fleet.playbook import Playbooks
from tests.fleet.release import RELEASES
from tests.fleet.scraping import scrape
from tests.fleet.wheelhouse import wheelhouse

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]

NEXT, BROKEN = f"{__version__}.post1", f"{__version__}.post2"
PACKAGED = RELEASES[0]
"""The release of Debian whose host is upgraded by its package manager."""
INSTALL_FROM = {
    "hostcollector_install_from": (
        "{{ 'package' if inventory_hostname == 'hv-" + PACKAGED.codename + "' else 'wheelhouse' }}"
    )
}
LISTENING = {"web": {"listen_address": ":10177", "systemd_socket": True}}


@pytest.fixture(scope="module")
def fleet_with_artefacts(deployed: Fleet) -> Fleet:
    """Give the deployed fleet, with two further releases to deploy."""
    houses = [(release.codename, wheelhouse(release)) for release in RELEASES]
    artefact.pack(NEXT, houses, deployed.artefacts)
    artefact.pack(BROKEN, houses, deployed.artefacts, broken=True)
    for version in (NEXT, BROKEN):
        artefact.pack_deb(version, deployed.hosts[0], deployed.artefacts)
    return deployed


def _versions(fleet: Fleet) -> list[str]:
    """Return the version that each host's page names."""
    found = []
    for host in fleet.hosts:
        (labels,) = scrape(fleet, host).all("hostcollector_build_info")
        found.append(dict(labels)["version"])
    return found


def _package(host: Host) -> str:
    """Return the state and the version of the host's package; empty where there never was one."""
    return host.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "hostcollector", check=False)


def test_an_upgrade_reaches_every_host(fleet_with_artefacts: Fleet) -> None:
    """The new release runs, and the old one stays on the host."""
    outcome = fleet_with_artefacts.playbooks.run(
        "deploy", hostcollector_version=NEXT, hostcollector_config=LISTENING, **INSTALL_FROM
    )
    assert outcome.succeeded, outcome.output[-4000:]
    assert _versions(fleet_with_artefacts) == [NEXT, NEXT]
    for host in fleet_with_artefacts.hosts:
        assert host.run("readlink", "/opt/hostcollector/previous") == f"releases/{__version__}"
        assert host.run("systemctl", "is-active", "hostcollector.socket") == "active"
    assert _package(fleet_with_artefacts.hosts[0]).startswith(f"installed {NEXT}-1")
    assert _package(fleet_with_artefacts.hosts[1]) == ""


def test_a_release_that_cannot_start_stops_at_the_first_host(fleet_with_artefacts: Fleet) -> None:
    """That host runs what it ran before, with the configuration of then; the next one was not touched.

    The package manager has removed the release before, and still names the one that failed.
    """
    first, second = fleet_with_artefacts.hosts
    outcome = fleet_with_artefacts.playbooks.run(
        "deploy",
        hostcollector_version=BROKEN,
        hostcollector_ready_seconds=5,
        hostcollector_config={"web": {"listen_address": ":10177"}, "log": {"format": "json"}},
        **INSTALL_FROM,
    )
    assert not outcome.succeeded
    assert set(outcome.changed) == outcome.failed == {first.name}
    assert f"It runs {NEXT} as before" in outcome.output
    assert _versions(fleet_with_artefacts) == [NEXT, NEXT]
    assert "json" not in first.run("cat", "/etc/hostcollector/hostcollector.yml")
    assert BROKEN not in second.run("ls", "/opt/hostcollector/releases")
    assert first.run("systemctl", "is-active", "hostcollector.socket") == "active"
    assert _package(first).startswith(f"installed {BROKEN}-1")


def test_a_rollback_flips_the_link_on_every_host(fleet_with_artefacts: Fleet) -> None:
    """Every host runs the release before, and a second rollback changes nothing."""
    outcome = fleet_with_artefacts.playbooks.run("rollback", hostcollector_rollback_version=__version__)
    assert outcome.succeeded, outcome.output[-4000:]
    assert _versions(fleet_with_artefacts) == [__version__, __version__]
    for host in fleet_with_artefacts.hosts:
        assert host.run("systemctl", "is-active", "hostcollector.socket", check=False) == "inactive"
    verified = fleet_with_artefacts.playbooks.run("verify")
    assert verified.succeeded, verified.output[-4000:]
    assert set(verified.changed.values()) == {0}


def test_the_old_exporter_goes_only_when_asked(fleet_with_artefacts: Fleet) -> None:
    """Both run side by side and are compared; with the switch the old one is removed, where there is one."""
    (host,) = (host for host in fleet_with_artefacts.hosts if host.release.old_exporter)
    package = ("dpkg-query", "-W", "-f", "${db:Status-Status}", host.release.old_exporter)
    compared = fleet_with_artefacts.playbooks.run("retire")
    assert compared.succeeded, compared.output[-4000:]
    assert set(compared.changed.values()) == {0}
    assert "hostcollector sees every guest that the old exporter sees" in compared.output
    assert host.run(*package) == "installed"
    removed = fleet_with_artefacts.playbooks.run("retire", hostcollector_remove_old_exporter=True)
    assert removed.succeeded, removed.output[-4000:]
    assert host.run(*package, check=False) in {"", "not-installed", "config-files"}


def test_a_host_that_left_the_inventory_is_removed(fleet_with_artefacts: Fleet) -> None:
    """The collector is gone from it, and its target from Prometheus; the other host is not touched."""
    fleet, (stays, leaves) = fleet_with_artefacts, fleet_with_artefacts.hosts
    scraped = fleet.playbooks.run("monitoring", "--limit=prometheus")
    assert scraped.succeeded, scraped.output[-4000:]
    inventory = json.loads(fleet.playbooks.inventory.read_text())
    del inventory["all"]["children"]["hypervisors"]["hosts"][leaves.name]
    smaller = fleet.directory / "smaller.json"
    smaller.write_text(json.dumps(inventory))
    outcome = Playbooks(fleet.directory, smaller).run("departed")
    assert outcome.succeeded, outcome.output[-4000:]
    assert not (leaves.root / "opt/hostcollector").exists()
    assert stays.name not in outcome.changed
    targets = (fleet.prometheus / "file_sd/hostcollector.yml").read_text()
    assert stays.name in targets
    assert leaves.name not in targets


def test_removal_leaves_the_state_unless_it_is_to_go(fleet_with_artefacts: Fleet) -> None:
    """Service, releases, configuration and account are gone; the baselines wait for a return."""
    outcome = fleet_with_artefacts.playbooks.run("remove")
    assert outcome.succeeded, outcome.output[-4000:]
    for host in fleet_with_artefacts.hosts:
        for gone in ("/opt/hostcollector", "/etc/hostcollector", "/etc/systemd/system/hostcollector.service"):
            assert not (host.root / gone.lstrip("/")).exists()
        assert (host.root / "var/lib/hostcollector").is_dir()
        assert host.run("id", "hostcollector", check=False) == ""
        assert host.run("systemctl", "is-active", "hostcollector", check=False) == "inactive"
        assert not _package(host).startswith("installed")
    again = fleet_with_artefacts.playbooks.run("remove", hostcollector_remove_state=True)
    assert again.succeeded
    for host in fleet_with_artefacts.hosts:
        assert not (host.root / "var/lib/hostcollector").exists()
