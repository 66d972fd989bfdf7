"""Gateways, operator's processes and intakes on real hosts: from a token to its tenant's VMs and usage.

They have one PostgreSQL, TLS everywhere, the store's front with its certificates, and systemd's credentials.
"""

import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hostcollector.catalogue.usage import SECONDS_PER_HOUR
from tests.dashboards.rule_files import alerts
from tests.fakes.authority import Authority
from tests.fleet import gateways
from tests.fleet.fleet import PORT as COLLECTOR
from tests.fleet.fleet import TENANTS, Fleet
from tests.fleet.gateways import ETC, HERE, INTAKE_METRICS, METRICS, PORT, USER, Databases
from tests.fleet.host import Host
from tests.fleet.monitoring import running
from tests.fleet.playbook import Outcome, Playbooks
from tests.fleet.serving_account import requests, statements
from tests.lab.process import until
from tests.unit.gateway.usage.records import START, closed, usage, vm_uuid
from tests.unit.gateway.usage.served_hosts import endpoint

pytestmark = [pytest.mark.fleet, pytest.mark.full, pytest.mark.timeout(1200)]

PROGRAM = "/usr/local/bin/hostcollector-gateway"
UNIT = "hostcollector-gateway"
BESIDE = (f"{UNIT}-admin", f"{UNIT}-intake")
SECRETS = {"credentials": UNIT, "operator": f"{UNIT}-admin", "intake": "hostcollector-intake"}
"""Directories of secrets, and the account that gets them from systemd alone."""

STATE = f"find {ETC} /etc/systemd/system/{UNIT}* -type f -exec sha256sum {{}} +"
HURRIED = {
    "fleet_prometheus_scrape_interval": "1s",
    "fleet_prometheus_scrape_timeout": "1s",
    "fleet_prometheus_evaluation_interval": "1s",
    "fleet_prometheus_alert_for": "3s",
}


@pytest.fixture(scope="module")
def databases(deployed: Fleet) -> Iterator[Databases]:
    """Give the PostgreSQL of accounts and usage."""
    with gateways.databases(deployed) as made:
        yield made


@pytest.fixture(scope="module")
def billed(deployed: Fleet) -> Iterator[int]:
    """Give an hour of the past of which a host of the list has a usage record; the others need an hour."""
    hour = (int(time.time()) - START) // SECONDS_PER_HOUR - 2
    authority = Authority(deployed.certificates)
    context = authority.server("hv-here", f"IP:{HERE}")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    with endpoint(context, (HERE, COLLECTOR)) as host:
        host.lines = [usage(1, tenant="acme", hour=hour), closed(2, hour=hour)]
        yield START + hour * SECONDS_PER_HOUR


@pytest.fixture(scope="module")
def playbooks(deployed: Fleet, databases: Databases) -> Playbooks:
    """Give the playbooks on an inventory with the gateways."""
    return gateways.playbooks(deployed, databases)


@pytest.fixture(scope="module")
def runs(
    playbooks: Playbooks, databases: Databases, billed: int, tenant_stores: Mapping[str, Outcome]
) -> Mapping[str, Outcome]:
    """Switch usage records on, and set up a gateway on every host, twice."""
    assert tenant_stores["first"].succeeded
    assert billed
    usage_is_on = playbooks.run("deploy")
    assert usage_is_on.succeeded, usage_is_on.output[-4000:]
    first = playbooks.run("gateway", tenant_gateway_serial=2)
    assert first.succeeded, first.output[-6000:]
    databases.after_it()
    return {"first": first, "again": playbooks.run("gateway", tenant_gateway_serial=2)}


@pytest.fixture(scope="module")
def token(deployed: Fleet, runs: Mapping[str, Outcome]) -> str:
    """Give a token of tenant acme, made by root's command on one of the hosts."""
    assert runs["first"].succeeded
    host = deployed.hosts[0]
    host.run(PROGRAM, "tenant", "add", "acme")
    scopes = [f"--scope={scope}" for scope in ("metrics:read", "promql", "usage:read")]
    issued = host.run(PROGRAM, "token", "issue", "acme", *scopes)
    at = time.monotonic()

    def known() -> bool:
        """Every worker has read the accounts since."""
        pages = [_metrics(deployed, one, port) for one in deployed.hosts for port in METRICS]
        ages = [
            re.search(r"^hostcollector_gateway_accounts_age_seconds (\S+)", page, re.MULTILINE)
            for page in pages
        ]
        return all(age is not None and float(age[1]) < time.monotonic() - at - 1 for age in ages)

    until(known, 60.0, "the token on every worker")
    return issued


def test_the_gateway_is_set_up(deployed: Fleet, runs: Mapping[str, Outcome]) -> None:
    """It runs confined, with what it needs and nothing of a hypervisor's; a second run changes nothing."""
    assert runs["again"].succeeded, runs["again"].output[-4000:]
    assert set(runs["again"].changed.values()) == {0}, runs["again"].output[-6000:]
    for host in deployed.hosts:
        for unit in (UNIT, *BESIDE):
            assert host.run("systemctl", "is-active", unit) == "active"
            assert host.run("systemctl", "is-enabled", unit) == "enabled"
            score = host.run("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1]
            level = re.search(r"([0-9.]+) [A-Z]+", score)
            assert level is not None
            assert float(level[1]) < 1.5
            print(f"\n{host.name}: {unit}: {score}")
        command = ("/opt/hostcollector-gateway/current/bin/python", "-m", "pip", "list", "--format=freeze")
        installed = host.run(*command).splitlines()
        print(", ".join(installed))
        names = {line.partition("==")[0].lower() for line in installed}
        assert {"hostcollector", "promql-parser", "sqlalchemy"} <= names
        assert not names & {"libvirt-python", "nvidia-ml-py", "pyroute2"}


@pytest.mark.parametrize("position", [0, 1], ids=["bookworm", "trixie"])
def test_a_token_leads_to_its_tenants_vms(deployed: Fleet, token: str, position: int) -> None:
    """From outside, by TLS: the tenant's VMs of all hosts, and no other; without a token none."""
    host = deployed.hosts[position]
    wanted = {
        one.run("virsh", "--readonly", "domuuid", name)
        for one in deployed.hosts
        for name, tenant in TENANTS.items()
        if tenant == "acme"
    }

    def arrived() -> bool:
        status, document = _asked(deployed, host, "/api/v1/vms", token)
        return status == 200 and {vm["id"] for vm in document["vms"]} == wanted

    until(arrived, 60.0, f"the {len(wanted)} VMs of acme at {host.name}")
    query = "/prometheus/api/v1/query?query=count%20by%20(vm)%20(vm_state)"
    status, document = _asked(deployed, host, query, token)
    assert status == 200, document
    assert {row["metric"]["vm"] for row in document["data"]["result"]} == wanted
    assert _asked(deployed, host, "/api/v1/vms", "hc_0000000000000000_" + "0" * 64)[0] == 401


@pytest.mark.parametrize("position", [0, 1], ids=["bookworm", "trixie"])
def test_a_token_leads_to_its_tenants_usage(deployed: Fleet, token: str, billed: int, position: int) -> None:
    """The record that the intakes have pulled, once, with the ledger's two roles; the hosts were all read."""
    host = deployed.hosts[position]
    month = datetime.fromtimestamp(billed, UTC).strftime("%Y-%m")
    status, document = _asked(deployed, host, f"/api/v1/usage?month={month}&by=vm", token)
    assert status == 200, document
    rows = [(row["vm"], row["records"], row["meters"]["running_seconds"]) for row in document["rows"]]
    assert rows == [(vm_uuid(1), 1, SECONDS_PER_HOUR)]
    page = _metrics(deployed, host, INTAKE_METRICS)
    assert "hostcollector_gateway_intake_failed_pulls_total 0\n" in page
    for address in (HERE, *(one.address for one in deployed.hosts)):
        assert f'hostcollector_gateway_intake_host_age_seconds{{host="{address}:{COLLECTOR}"}}' in page


def test_secrets_are_readable_by_root_and_the_service_only(
    deployed: Fleet, runs: Mapping[str, Outcome]
) -> None:
    """Neither the accounts nor others read root's files; no process has one of them in its arguments."""
    assert runs["first"].succeeded
    for host in deployed.hosts:
        for folder in SECRETS:
            for secret in host.run("find", f"{ETC}/{folder}", "-type", "f").splitlines():
                assert host.run("stat", "-c", "%a %U", secret) == "600 root"
                for account in (*SECRETS.values(), "daemon"):
                    assert host.status(f"runuser -u {account} -- cat {secret}")[0] != 0
        for unit, (folder, account) in zip((UNIT, *BESIDE), SECRETS.items(), strict=True):
            pid = host.run("systemctl", "show", "--property=MainPID", "--value", unit)
            assert host.run("stat", "-c", "%U", f"/proc/{pid}") == account
            given = host.run("cat", f"/proc/{pid}/cmdline", f"/proc/{pid}/environ")
            for secret in host.run("find", f"{ETC}/{folder}", "-name", "*-password").splitlines():
                assert host.run("cat", secret) not in given
            assert "PRIVATE" not in given
            assert host.run("stat", "-c", "%U", f"/var/lib/{account}") == account


def test_the_serving_account_reaches_no_hypervisor_and_deletes_nothing(
    deployed: Fleet, runs: Mapping[str, Outcome]
) -> None:
    """With its own credentials, as its account: hosts refuse it, and so do the store and its front."""
    assert runs["first"].succeeded
    pages = ("/metrics", "/tenants/metrics", "/tenants/usage?after=0")
    series = "delete_series?match[]=vm_info"
    for host in deployed.hosts:
        front = f"https://{host.address}:8443/api/v1"
        refused = {
            **{f"https://{one.address}:{COLLECTOR}{page}": "GET" for one in deployed.hosts for page in pages},
            f"{front}/admin/tsdb/{series}": "POST",
            f"{front}/query?query=vm_info": "POST",
        }
        found = requests(host, refused)
        assert dict(zip(refused, found, strict=True)) == dict.fromkeys(refused, "403")
        allowed = f"{front}/query?query=vm_info&extra_label=tenant=acme"
        assert requests(host, {allowed: "POST"}) == ["200"]
        beside = f"http://127.0.0.1:18428/api/v1/admin/tsdb/{series}"  # this host's store, without its front
        assert set(requests(host, {beside: "POST"})) <= {"400", "401"}
    for page, client in zip(pages, ("prometheus", "tenant-agent", "usage-intake"), strict=True):
        context = _context(deployed)
        pki = deployed.certificates
        context.load_cert_chain(pki / f"{client}.pem", pki / f"{client}.key")
        url = f"https://{deployed.hosts[0].address}:{COLLECTOR}{page}"
        assert urllib.request.urlopen(url, timeout=20, context=context).status == 200


def test_the_serving_account_reads_the_databases_and_changes_nothing(
    deployed: Fleet, databases: Databases, runs: Mapping[str, Outcome]
) -> None:
    """With its own passwords, as its account: PostgreSQL refuses each statement that would change a table."""
    assert runs["first"].succeeded
    refused = "InsufficientPrivilege"
    ledger = {
        "SELECT count(*) FROM usage_records": "done",
        "INSERT INTO usage_records DEFAULT VALUES": refused,
        "UPDATE usage_records SET observed_seconds = 0": refused,
        "DELETE FROM usage_records": refused,
        "TRUNCATE usage_records": refused,
        "DROP TABLE usage_records": refused,
        "DELETE FROM usage_final_hours": refused,
        "CREATE TABLE own (id integer)": refused,
        "SET ROLE ledger_intake": refused,
    }
    accounts = {
        "SELECT count(*) FROM tenants": "done",
        "UPDATE tenants SET plan = 'other'": refused,
        "INSERT INTO tokens DEFAULT VALUES": refused,
        "UPDATE tokens SET tenant = 'globex'": refused,
        "DELETE FROM tokens": refused,
        "CREATE TABLE own (id integer)": refused,
        "SET ROLE gateway_owner": refused,
    }
    for host in deployed.hosts:
        for role, secret, wanted in (
            ("ledger_reader", "ledger-password", ledger),
            ("gateway_reader", "database-password", accounts),
        ):
            url = databases.url(role).replace("+psycopg", "")
            found = statements(host, url, secret, wanted)
            assert dict(zip(wanted, found, strict=True)) == wanted


def test_prometheus_has_every_metric_that_the_alerts_ask_for(
    deployed: Fleet, playbooks: Playbooks, token: str
) -> None:
    """By the role's jobs, under TLS with a password: each worker and intake; one that ends is an alert."""
    assert token
    deployed.prometheus.mkdir()
    outcome = playbooks.run("monitoring", "--limit=prometheus", **HURRIED)
    assert outcome.succeeded, outcome.output[-4000:]
    host = deployed.hosts[0]
    with running(deployed.prometheus, deployed.directory / "gateways-data") as prometheus:

        def up(job: str) -> float:
            return sum(prometheus.query(f'up{{job="{job}"}}').values())

        workers, intakes = len(METRICS) * len(deployed.hosts), len(deployed.hosts)
        until(lambda: up(UNIT) == workers and up(f"{UNIT}-intake") == intakes, 30.0, "the scrapes")
        assert {"GatewayDown", "UsageHostSilent"} & prometheus.rules()
        asked = {name for alert in alerts() for name in re.findall(r"hostcollector_gateway_\w+", alert.query)}
        assert len(asked) > 10
        jobs = f'job=~"{UNIT}(-intake)?"'
        until(lambda: all(prometheus.query(f"{name}{{{jobs}}}") for name in asked), 30.0, f"all of {asked}")
        host.run("systemctl", "stop", UNIT)
        try:
            down = {("alertname", "GatewayDown"), ("instance", f"{host.name}:{METRICS[0]}")}
            until(lambda: any(down <= alert for alert in prometheus.firing()), 60.0, "the alert")
        finally:
            host.run("systemctl", "start", UNIT)


def test_an_operator_erases_a_tenant(deployed: Fleet, runs: Mapping[str, Outcome]) -> None:
    """Root's command has the right to delete, and leaves a record."""
    assert runs["first"].succeeded
    host = deployed.hosts[1]
    host.run(PROGRAM, "tenant", "add", "initech-7")
    record = json.loads(host.run(PROGRAM, "tenant", "erase", "initech-7", "--confirm=initech-7"))
    assert record["complete"]
    assert "initech-7" not in host.run(PROGRAM, "tenant", "list")


@pytest.mark.parametrize("whose", ["the gateway's certificate", "the intake's password"])
def test_a_change_that_cannot_be_used_is_put_back(
    deployed: Fleet, playbooks: Playbooks, runs: Mapping[str, Outcome], whose: str
) -> None:
    """A certificate that the front does not know, a password that the ledger refuses: all is as before."""
    assert runs["first"].succeeded
    host = deployed.hosts[1]
    _, before = host.status(STATE)
    pki = deployed.certificates
    of_all = json.loads(playbooks.inventory.read_text())["all"]["children"]["tenant_gateway"]["vars"]
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
    outcome = playbooks.run(
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
    until(lambda: _ready(deployed, host), 30.0, f"gateway and intake of before at {host.name}")


def test_an_intake_that_the_inventory_no_longer_has_is_removed(
    deployed: Fleet, playbooks: Playbooks, runs: Mapping[str, Outcome]
) -> None:
    """Service, configuration and secrets go; the gateway stays, and a second run changes nothing."""
    assert runs["first"].succeeded
    host = deployed.hosts[0]
    without: dict[str, Any] = {"tenant_gateway_intake_config": {}, "tenant_gateway_intake_credentials": {}}
    outcomes = [playbooks.run("gateway", f"--limit={host.name}", **without) for _ in range(2)]
    assert all(outcome.succeeded for outcome in outcomes), outcomes[0].output[-4000:]
    assert outcomes[0].changed[host.name] > 0
    assert outcomes[1].changed == {host.name: 0}, outcomes[1].output[-4000:]
    left = host.run("find", ETC, "/etc/systemd/system", "-name", "*intake*", "-o", "-name", "hosts.yml")
    assert left.split() == [f"{ETC}/intake"]
    assert host.run("find", f"{ETC}/intake", "-type", "f") == ""
    assert host.run("systemctl", "is-active", BESIDE[1], check=False) != "active"
    assert host.run("systemctl", "is-active", UNIT) == "active"


def _context(fleet: Fleet) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=fleet.certificates / "authority.pem")


def _asked(fleet: Fleet, host: Host, path: str, token: str) -> tuple[int, Any]:
    """Return status and document of a request to a host's gateway, which must have a valid certificate."""
    request = urllib.request.Request(
        f"https://{host.address}:{PORT}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20, context=_context(fleet)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def _metrics(fleet: Fleet, host: Host, port: int, path: str = "/metrics") -> str:
    """Return a page of a listener for the operator's Prometheus; a client without password gets none."""
    url = f"https://{host.address}:{port}{path}"
    if path == "/metrics":
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url, timeout=20, context=_context(fleet))
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, USER, Path(fleet.directory / "monitor.password").read_text())
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=_context(fleet)),
        urllib.request.HTTPBasicAuthHandler(passwords),
    )
    with opener.open(url, timeout=20) as answer:
        return str(answer.read().decode())


def _ready(fleet: Fleet, host: Host) -> bool:
    """Tell whether a host's gateway and intake are ready."""
    try:
        return all(_metrics(fleet, host, port, "/-/ready") for port in (METRICS[0], INTAKE_METRICS))
    except OSError:
        return False
