"""The fleet as fixtures: booted and deployed once; the tests' files follow its life in their order."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hostcollector import __version__
from tests.fleet import artefact
from tests.fleet.fleet import Fleet, boot
from tests.fleet.playbook import Outcome, Playbooks
from tests.fleet.release import RELEASES
from tests.fleet.wheelhouse import PROGRAMS, wheelhouse


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Give the booted hosts, on which there is no hostcollector yet; they end with the session."""
    booted = boot(Path(os.environ["HOSTCOLLECTOR_FLEET"]))
    yield booted
    for host in booted.hosts:
        host.end()


@pytest.fixture(scope="session")
def first_runs(fleet: Fleet) -> Mapping[str, Outcome]:
    """Deploy for the first time; give what each run of the playbook said, by its name."""
    houses = [
        (release.codename, wheelhouse(release, program)) for release in RELEASES for program in PROGRAMS
    ]
    artefact.pack(__version__, houses, fleet.artefacts)
    return {
        "check on fresh hosts": fleet.playbooks.run("deploy", "--check", "--diff"),
        "deploy": fleet.playbooks.run("deploy"),
        "deploy again": fleet.playbooks.run("deploy"),
        "check on deployed hosts": fleet.playbooks.run("deploy", "--check", "--diff"),
    }


@pytest.fixture(scope="session")
def deployed(fleet: Fleet, first_runs: Mapping[str, Outcome]) -> Fleet:
    """Give the fleet with the collector running on every host."""
    assert first_runs["deploy"].succeeded, first_runs["deploy"].output[-4000:]
    return fleet


@pytest.fixture(scope="session")
def tenant_stores(deployed: Fleet) -> Mapping[str, Outcome]:
    """Set up a store of the tenants' metrics on every host, twice; give what each run said."""
    inventory = json.loads(deployed.playbooks.inventory.read_text())
    pki = deployed.certificates
    files = {
        "front.crt": f"{pki}/{{{{ inventory_hostname }}}}.pem",
        "front.key": f"{pki}/{{{{ inventory_hostname }}}}.key",
        "agent.crt": f"{pki}/tenant-agent.pem",
        "agent.key": f"{pki}/tenant-agent.key",
        **dict.fromkeys(("clients.pem", "front-ca.pem", "hypervisors-ca.pem"), f"{pki}/authority.pem"),
    }
    hurried = {"tenant_store_scrape_interval": "5s", "tenant_store_scrape_timeout": "5s"}
    inventory["all"]["children"]["tenant_store"] = {
        "hosts": {host.name: {} for host in deployed.hosts},
        "vars": {
            "tenant_store_files": files,
            "tenant_store_clients": {
                "write": ["CN=tenant-agent"],
                "read": ["CN=tenant-gateway"],
                "delete": ["CN=tenant-eraser"],
            },
            **hurried,
        },
    }
    file = deployed.directory / "tenant-store.json"
    file.write_text(json.dumps(inventory))
    playbooks: Playbooks = replace(deployed.playbooks, inventory=file)
    return {name: playbooks.run("tenant_store") for name in ("first", "again")}
