"""Hosts of three releases: one from the image, one with virtqemud, one as most are."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostcollector import __version__
from hostcollector.guests.processes import UNLISTED_AFTER_SECONDS
from tests.fleet import artefact
from tests.fleet.fleet import PORT, TENANTS, Fleet, boot
from tests.fleet.host import Host
from tests.fleet.release import IMAGES, REACH
from tests.fleet.scraping import scrape
from tests.fleet.wheelhouse import wheelhouse
from tests.lab.modular import DAEMONS
from tests.lab.process import until
from tests.lab.served import Page

pytestmark = [pytest.mark.fleet, pytest.mark.full, pytest.mark.timeout(900)]

ACCESS = """polkit.addRule(function(action, subject) {
  if (action.id.indexOf("org.libvirt.api.domain.") == 0 && subject.user == "hostcollector")
    return action.lookup("domain_name").indexOf("acme") == 0 ? polkit.Result.YES : polkit.Result.NO;
});
"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Give the booted hosts, with the artefacts and the image made."""
    booted = boot(Path(os.environ["HOSTCOLLECTOR_FLEET"]), REACH)
    houses = [(release.codename, wheelhouse(release)) for release in REACH if not release.by_image]
    artefact.pack(__version__, houses, booted.artefacts)
    shutil.copytree(IMAGES, booted.artefacts, dirs_exist_ok=True)
    yield booted
    for host in booted.hosts:
        host.end()


@pytest.fixture(scope="module")
def deployed(fleet: Fleet) -> Fleet:
    """Give the fleet with the collector running on every host."""
    outcome = fleet.playbooks.run("deploy")
    assert outcome.succeeded, outcome.output[-6000:]
    return fleet


@pytest.fixture
def by_image(deployed: Fleet) -> Host:
    """Give the host that is installed from the image."""
    return next(host for host in deployed.hosts if host.release.by_image)


@pytest.fixture
def modular(deployed: Fleet) -> Host:
    """Give the host whose libvirt is virtqemud."""
    return next(host for host in deployed.hosts if host.release.modular)


def _of_guests(page: Page) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {key for key in page.series if key[0].startswith("libvirt_domain_") and "_event" not in key[0]}


def _tenants(page: Page) -> dict[str, str]:
    """Return the tenants of the guests on the page, by the guests' names."""
    states = map(dict, page.all("libvirt_domain_info_vstate"))
    return {labels["domain"]: labels["tenant"] for labels in states}


def test_every_host_shows_its_guests(deployed: Fleet) -> None:
    """Four guests with their tenants, whatever the release, the installation and libvirt's daemons are."""
    for host in deployed.hosts:
        page = scrape(deployed, host)
        assert page.one("libvirt_up") == 1, host.name
        assert _tenants(page) == TENANTS, host.name
        (built,) = page.all("hostcollector_build_info")
        assert dict(built)["version"] == __version__


def test_there_is_nothing_left_to_do(deployed: Fleet) -> None:
    """A second run changes nothing on any of them."""
    again = deployed.playbooks.run("deploy")
    assert again.succeeded, again.output[-4000:]
    assert set(again.changed.values()) == {0}, again.output[-6000:]


def test_the_container_has_no_privileges(by_image: Host) -> None:
    """Its process is of hostcollector's account, without capabilities, in the unit's control group."""
    pid = by_image.run("pgrep", "-f", "^/usr/bin/python3 -P /usr/bin/hostcollector serve")
    status = by_image.run("cat", f"/proc/{pid}/status")
    account = by_image.run("id", "-u", "hostcollector")
    assert f"Uid:\t{account}\t{account}" in status
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "/system.slice/hostcollector.service" in by_image.run("cat", f"/proc/{pid}/cgroup")


def test_the_commands_by_hand_are_those_of_a_package(by_image: Host) -> None:
    """The command on the PATH runs in a container too, and reads the daemon's page."""
    status, said = by_image.status("hostcollector diagnose")
    assert status == 0, said
    assert "4 guests of 3 tenants" in said
    assert __version__ in by_image.status("hostcollector --version")[1]


def test_an_image_goes_back_to_the_configuration_of_before(deployed: Fleet, by_image: Host) -> None:
    """A change that cannot start is put back, and a rollback takes back one that could."""
    limit = f"--limit={by_image.name}"
    web = {"listen_address": f":{PORT}"}
    failed = deployed.playbooks.run("deploy", limit, hostcollector_config={"web": {"listen_address": ":22"}})
    assert failed.failed == {by_image.name}
    assert "as before, with the configuration of before" in failed.output, failed.output[-4000:]
    assert scrape(deployed, by_image).one("libvirt_up") == 1
    changed = deployed.playbooks.run(
        "deploy", limit, hostcollector_config={"web": web, "log": {"format": "json"}}
    )
    assert changed.succeeded, changed.output[-4000:]
    rolled = deployed.playbooks.run("rollback", limit)
    assert rolled.succeeded, rolled.output[-4000:]
    assert "json" not in by_image.run("cat", "/etc/hostcollector/hostcollector.yml")
    assert scrape(deployed, by_image).one("libvirt_up") == 1


def test_polkits_rules_hide_guests_and_the_page_counts_them(deployed: Fleet, modular: Host) -> None:
    """The collector sees what the rules allow; of the others it says that their QEMUs run."""
    (modular.root / "etc/polkit-1/rules.d/10-hostcollector.rules").write_text(ACCESS)
    configuration = modular.root / "etc/libvirt/virtqemud.conf"
    configuration.write_text('access_drivers = [ "polkit" ]\n')
    modular.run("systemctl", "restart", "virtqemud")
    try:
        until(
            lambda: scrape(deployed, modular).all("hostcollector_host_unlisted_qemus") == {frozenset(): 2.0},
            UNLISTED_AFTER_SECONDS + 60,
            "the count of hidden guests",
        )
        assert _tenants(scrape(deployed, modular)).keys() == {"acme-web", "acme-db"}
        assert "access rules" in modular.status("hostcollector diagnose")[1]
    finally:
        configuration.unlink()
        modular.run("systemctl", "restart", "virtqemud")
    until(lambda: _tenants(scrape(deployed, modular)) == TENANTS, 60, "all guests")


def test_a_change_from_virtqemud_to_libvirtd_changes_no_series(deployed: Fleet, modular: Host) -> None:
    """The guests run on, and each has the same series under both daemons."""
    before = scrape(deployed, modular)
    assert modular.run("systemctl", "is-active", "virtqemud") == "active"
    sockets = [f"{name}{kind}.socket" for name in DAEMONS for kind in ("", "-ro", "-admin")]
    modular.run("systemctl", "stop", *sockets, "virtqemud.service", "virtproxyd.service")
    for name in ("libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket"):
        (modular.root / "etc/systemd/system" / name).unlink(missing_ok=True)
    modular.run("systemctl", "daemon-reload")
    modular.run("systemctl", "start", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd.service")

    def whole() -> bool:
        page = scrape(deployed, modular)
        return page.one("libvirt_up") == 1 and _of_guests(page) == _of_guests(before)

    try:
        until(whole, 60, "the same series from libvirtd")
    except TimeoutError as error:
        after = scrape(deployed, modular)
        raise AssertionError(_of_guests(after) ^ _of_guests(before)) from error
    assert not modular.status("systemctl is-active virtqemud")[1].startswith("active")


def test_what_is_removed_leaves_no_image(deployed: Fleet, by_image: Host) -> None:
    """Unit, releases, account and the image in podman's storage are gone."""
    outcome = deployed.playbooks.run("remove", f"--limit={by_image.name}")
    assert outcome.succeeded, outcome.output[-4000:]
    assert by_image.run("podman", "images", "--quiet") == ""
    assert by_image.status("ls /opt/hostcollector")[0] != 0
