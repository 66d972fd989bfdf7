"""The fleet as fixtures: booted and deployed once; the tests' files follow its life in their order."""

import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hostcollector import __version__
from hostcollector.catalogue.usage import SECONDS_PER_HOUR
from tests.fakes.authority import Authority
from tests.fleet import artefact, gateways
from tests.fleet.fleet import PORT, Fleet, boot
from tests.fleet.gateways import HERE, Databases
from tests.fleet.playbook import Outcome, Playbooks
from tests.fleet.release import RELEASES
from tests.fleet.wheelhouse import PROGRAMS, wheelhouse
from tests.lab.process import until
from tests.unit.gateway.usage.records import START, closed, usage
from tests.unit.gateway.usage.served_hosts import endpoint


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


@pytest.fixture(scope="session")
def gateway_databases(deployed: Fleet) -> Iterator[Databases]:
    """Give the PostgreSQL of accounts and usage."""
    with gateways.databases(deployed) as made:
        yield made


@pytest.fixture(scope="session")
def billed_hour(deployed: Fleet) -> Iterator[int]:
    """Give an hour of the past of which a host of the list has a usage record; the others need an hour."""
    hour = (int(time.time()) - START) // SECONDS_PER_HOUR - 2
    authority = Authority(deployed.certificates)
    context = authority.server("hv-here", f"IP:{HERE}")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    with endpoint(context, (HERE, PORT)) as host:
        host.lines = [usage(1, tenant="acme", hour=hour), closed(2, hour=hour)]
        yield START + hour * SECONDS_PER_HOUR


@pytest.fixture(scope="session")
def gateway_playbooks(deployed: Fleet, gateway_databases: Databases) -> Playbooks:
    """Give the playbooks on an inventory with the gateways."""
    return gateways.playbooks(deployed, gateway_databases)


@pytest.fixture(scope="session")
def gateway_runs(
    gateway_playbooks: Playbooks,
    gateway_databases: Databases,
    billed_hour: int,
    tenant_stores: Mapping[str, Outcome],
) -> Mapping[str, Outcome]:
    """Switch usage records on, and set up a gateway on every host, twice."""
    assert tenant_stores["first"].succeeded
    assert billed_hour
    usage_is_on = gateway_playbooks.run("deploy")
    assert usage_is_on.succeeded, usage_is_on.output[-4000:]
    first = gateway_playbooks.run("gateway", tenant_gateway_serial=2)
    assert first.succeeded, first.output[-6000:]
    gateway_databases.after_it()
    return {"first": first, "again": gateway_playbooks.run("gateway", tenant_gateway_serial=2)}


@pytest.fixture(scope="session")
def gateway_token(deployed: Fleet, gateway_runs: Mapping[str, Outcome]) -> str:
    """Give a token of tenant acme, made by root's command on one of the hosts, that every worker knows."""
    assert gateway_runs["first"].succeeded
    host = deployed.hosts[0]
    host.run(gateways.PROGRAM, "tenant", "add", "acme")
    scopes = [f"--scope={scope}" for scope in ("metrics:read", "promql", "usage:read")]
    issued = host.run(gateways.PROGRAM, "token", "issue", "acme", *scopes)
    at = time.monotonic()
    until(lambda: gateways.accounts_are_newer(deployed, at), 60.0, "the token on every worker")
    return issued
