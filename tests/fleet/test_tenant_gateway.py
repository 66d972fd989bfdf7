"""Gateways, operator's processes and intakes on real hosts: from a token to its tenant's VMs and usage.

They have one PostgreSQL, TLS everywhere, the store's front with its certificates, and systemd's credentials.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from hostcollector.catalogue.usage import SECONDS_PER_HOUR
from tests.dashboards.rule_files import alerts
from tests.fleet.fleet import PORT as COLLECTOR
from tests.fleet.fleet import TENANTS, Fleet
from tests.fleet.gateways import (
    BESIDE,
    ETC,
    HERE,
    INTAKE_METRICS,
    METRICS,
    PROGRAM,
    UNIT,
    Databases,
    asked,
    context_of,
    metrics,
)
from tests.fleet.monitoring import running
from tests.fleet.playbook import Outcome, Playbooks
from tests.fleet.serving_account import requests, statements
from tests.lab.process import until
from tests.unit.gateway.usage.records import vm_uuid

pytestmark = [pytest.mark.fleet, pytest.mark.full, pytest.mark.timeout(1200)]

SECRETS = {"credentials": UNIT, "operator": f"{UNIT}-admin", "intake": "hostcollector-intake"}
"""Directories of secrets, and the account that gets them from systemd alone."""

HURRIED = {
    "fleet_prometheus_scrape_interval": "1s",
    "fleet_prometheus_scrape_timeout": "1s",
    "fleet_prometheus_evaluation_interval": "1s",
    "fleet_prometheus_alert_for": "3s",
}


def test_the_gateway_is_set_up(deployed: Fleet, gateway_runs: Mapping[str, Outcome]) -> None:
    """It runs confined, with what it needs and nothing of a hypervisor's; a second run changes nothing."""
    assert gateway_runs["again"].succeeded, gateway_runs["again"].output[-4000:]
    assert set(gateway_runs["again"].changed.values()) == {0}, gateway_runs["again"].output[-6000:]
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
def test_a_token_leads_to_its_tenants_vms(deployed: Fleet, gateway_token: str, position: int) -> None:
    """From outside, by TLS: the tenant's VMs of all hosts, and no other; without a token none."""
    host = deployed.hosts[position]
    wanted = {
        one.run("virsh", "--readonly", "domuuid", name)
        for one in deployed.hosts
        for name, tenant in TENANTS.items()
        if tenant == "acme"
    }

    def arrived() -> bool:
        status, document = asked(deployed, host, "/api/v1/vms", gateway_token)
        return status == 200 and {vm["id"] for vm in document["vms"]} == wanted

    until(arrived, 60.0, f"the {len(wanted)} VMs of acme at {host.name}")
    query = "/prometheus/api/v1/query?query=count%20by%20(vm)%20(vm_state)"
    status, document = asked(deployed, host, query, gateway_token)
    assert status == 200, document
    assert {row["metric"]["vm"] for row in document["data"]["result"]} == wanted
    assert asked(deployed, host, "/api/v1/vms", "hc_0000000000000000_" + "0" * 64)[0] == 401


@pytest.mark.parametrize("position", [0, 1], ids=["bookworm", "trixie"])
def test_a_token_leads_to_its_tenants_usage(
    deployed: Fleet, gateway_token: str, billed_hour: int, position: int
) -> None:
    """The record that the intakes have pulled, once, with the ledger's two roles; the hosts were all read."""
    host = deployed.hosts[position]
    month = datetime.fromtimestamp(billed_hour, UTC).strftime("%Y-%m")
    status, document = asked(deployed, host, f"/api/v1/usage?month={month}&by=vm", gateway_token)
    assert status == 200, document
    rows = [(row["vm"], row["records"], row["meters"]["running_seconds"]) for row in document["rows"]]
    assert rows == [(vm_uuid(1), 1, SECONDS_PER_HOUR)]
    page = metrics(deployed, host, INTAKE_METRICS)
    assert "hostcollector_gateway_intake_failed_pulls_total 0\n" in page
    for address in (HERE, *(one.address for one in deployed.hosts)):
        assert f'hostcollector_gateway_intake_host_age_seconds{{host="{address}:{COLLECTOR}"}}' in page


def test_secrets_are_readable_by_root_and_the_service_only(
    deployed: Fleet, gateway_runs: Mapping[str, Outcome]
) -> None:
    """Neither the accounts nor others read root's files; no process has one of them in its arguments."""
    assert gateway_runs["first"].succeeded
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
    deployed: Fleet, gateway_runs: Mapping[str, Outcome]
) -> None:
    """With its own credentials, as its account: hosts refuse it, and so do the store and its front."""
    assert gateway_runs["first"].succeeded
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
        context = context_of(deployed)
        pki = deployed.certificates
        context.load_cert_chain(pki / f"{client}.pem", pki / f"{client}.key")
        url = f"https://{deployed.hosts[0].address}:{COLLECTOR}{page}"
        assert urllib.request.urlopen(url, timeout=20, context=context).status == 200


def test_the_serving_account_reads_the_databases_and_changes_nothing(
    deployed: Fleet, gateway_databases: Databases, gateway_runs: Mapping[str, Outcome]
) -> None:
    """With its own passwords, as its account: PostgreSQL refuses each statement that would change a table."""
    assert gateway_runs["first"].succeeded
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
            url = gateway_databases.url(role).replace("+psycopg", "")
            found = statements(host, url, secret, wanted)
            assert dict(zip(wanted, found, strict=True)) == wanted


def test_prometheus_has_every_metric_that_the_alerts_ask_for(
    deployed: Fleet, gateway_playbooks: Playbooks, gateway_token: str
) -> None:
    """By the role's jobs, under TLS with a password: each worker and intake; one that ends is an alert."""
    assert gateway_token
    deployed.prometheus.mkdir()
    outcome = gateway_playbooks.run("monitoring", "--limit=prometheus", **HURRIED)
    assert outcome.succeeded, outcome.output[-4000:]
    host = deployed.hosts[0]
    with running(deployed.prometheus, deployed.directory / "gateways-data") as prometheus:

        def up(job: str) -> float:
            return sum(prometheus.query(f'up{{job="{job}"}}').values())

        workers, intakes = len(METRICS) * len(deployed.hosts), len(deployed.hosts)
        until(lambda: up(UNIT) == workers and up(f"{UNIT}-intake") == intakes, 30.0, "the scrapes")
        assert {"GatewayDown", "UsageHostSilent"} & prometheus.rules()
        wanted = {
            name for alert in alerts() for name in re.findall(r"hostcollector_gateway_\w+", alert.query)
        }
        assert len(wanted) > 10
        jobs = f'job=~"{UNIT}(-intake)?"'
        until(lambda: all(prometheus.query(f"{name}{{{jobs}}}") for name in wanted), 30.0, f"all of {wanted}")
        host.run("systemctl", "stop", UNIT)
        try:
            down = {("alertname", "GatewayDown"), ("instance", f"{host.name}:{METRICS[0]}")}
            until(lambda: any(down <= alert for alert in prometheus.firing()), 60.0, "the alert")
        finally:
            host.run("systemctl", "start", UNIT)


def test_an_operator_erases_a_tenant(deployed: Fleet, gateway_runs: Mapping[str, Outcome]) -> None:
    """Root's command has the right to delete, and leaves a record."""
    assert gateway_runs["first"].succeeded
    host = deployed.hosts[1]
    host.run(PROGRAM, "tenant", "add", "initech-7")
    record = json.loads(host.run(PROGRAM, "tenant", "erase", "initech-7", "--confirm=initech-7"))
    assert record["complete"]
    assert "initech-7" not in host.run(PROGRAM, "tenant", "list")
