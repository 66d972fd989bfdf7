"""What is put back: a failed change of the configuration, a rollback of a change, what left the inventory."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.fleet.fleet import PORT, Fleet
from tests.fleet.host import Host
from tests.fleet.scraping import scrape

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]

ETC, UNITS = "/etc/hostcollector", "/etc/systemd/system"
DROP_INS = f"{UNITS}/hostcollector.service.d"
CREDENTIALS = {"fleet": "/etc/hostname"}


def _state(host: Host) -> Mapping[str, str]:
    """Return the hash of each file of configuration and unit, and the release in use."""
    files = host.run("sh", "-c", f"find {ETC} {UNITS}/hostcollector.service* -type f | xargs sha256sum")
    found = {name: digest for digest, name in (line.split() for line in files.splitlines())}
    return {**found, "release": host.run("readlink", "/opt/hostcollector/current")}


def _more(fleet: Fleet, host: Host) -> dict[str, Any]:
    """Return variables that give a host another log format, drop-ins, a further file and tenants."""
    pki = fleet.certificates
    return {
        "hostcollector_config": {"web": {"listen_address": f":{PORT}"}, "log": {"format": "json"}},
        "hostcollector_service_override": "[Service]\nEnvironment=FLEET=1\n",
        "hostcollector_credentials": CREDENTIALS,
        "hostcollector_tenants": {"uuids": {}},
        "hostcollector_files": {
            "tls.crt": f"{pki}/{host.name}.pem",
            "tls.key": f"{pki}/{host.name}.key",
            "clients.pem": f"{pki}/authority.pem",
            "further.pem": f"{pki}/authority.pem",
        },
    }


def test_a_failed_change_of_the_configuration_is_put_back(deployed: Fleet) -> None:
    """An address in use passes every check but the start: files, unit and drop-ins are those of before."""
    host = deployed.hosts[0]
    before = _state(host)
    outcome = deployed.playbooks.run(
        "deploy",
        **_more(deployed, host) | {"hostcollector_config": {"web": {"listen_address": ":22"}}},
    )
    assert outcome.failed == set(outcome.changed) == {host.name}
    assert "as before, with the configuration of before" in outcome.output
    assert _state(host) == before
    assert scrape(deployed, host).one("libvirt_up") == 1


def test_a_rollback_takes_settings_unit_and_drop_ins_back(deployed: Fleet) -> None:
    """Of the same release; certificates and tenants stay; a second rollback changes nothing."""
    host = deployed.hosts[0]
    before = _state(host)
    changed = deployed.playbooks.run("deploy", f"--limit={host.name}", **_more(deployed, host))
    assert changed.succeeded, changed.output[-4000:]
    assert "json" in host.run("cat", f"{ETC}/hostcollector.yml")
    inside = (
        "nsenter",
        "--mount",
        "--target",
        host.run("systemctl", "show", "-P", "MainPID", "hostcollector"),
    )
    assert host.run(*inside, "ls", "/run/credentials/hostcollector.service") == "fleet"
    rolled = deployed.playbooks.run("rollback", f"--limit={host.name}")
    assert rolled.succeeded, rolled.output[-4000:]
    after = _state(host)
    assert {name: after[name] for name in before if name != f"{ETC}/.written"} == {
        name: digest for name, digest in before.items() if name != f"{ETC}/.written"
    }
    assert set(after) - set(before) == {f"{ETC}/further.pem", f"{ETC}/tenants.yml"}
    again = deployed.playbooks.run("rollback", f"--limit={host.name}")
    assert set(again.changed.values()) == {0}, again.output[-4000:]


def test_what_left_the_inventory_leaves_the_host(deployed: Fleet) -> None:
    """Drop-ins, files and tenants that are no longer in the inventory are gone after the next deployment."""
    host = deployed.hosts[0]
    deployed.playbooks.run("deploy", f"--limit={host.name}", **_more(deployed, host))
    assert host.run("ls", DROP_INS).split() == ["credentials.conf", "override.conf"]
    outcome = deployed.playbooks.run("deploy", f"--limit={host.name}")
    assert outcome.succeeded, outcome.output[-4000:]
    assert host.run("ls", DROP_INS) == ""
    left = set(host.run("ls", ETC).split())
    assert left == {"clients.pem", "hostcollector.yml", "tls.crt", "tls.key", "web-config.yml"}
