"""The gateway on real hosts: a token leads through it and the store's front to its tenant's VMs."""

import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.fleet.fleet import TENANTS, Fleet
from tests.fleet.host import Host
from tests.fleet.playbook import Outcome, Playbooks
from tests.lab.process import until

pytestmark = [pytest.mark.fleet, pytest.mark.full, pytest.mark.timeout(900)]

PORT = 10178
PROGRAM = "/usr/local/bin/hostcollector-gateway"
UNIT = "hostcollector-gateway"
ETC = "/etc/hostcollector-gateway"
PAGES = ("/metrics", "/tenants/metrics")
AS_THE_SERVICE = """
import os, ssl, sys, urllib.error, urllib.request
own = os.environ["CREDENTIALS_DIRECTORY"]
context = ssl.create_default_context(cafile=f"{own}/store-ca.pem")
context.load_cert_chain(f"{own}/store-client.crt", f"{own}/store-client.key")
try:
    request = urllib.request.Request(sys.argv[1], b"" if sys.argv[2] == "POST" else None)
    print(urllib.request.urlopen(request, timeout=20, context=context).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
STATE = f"find {ETC} /etc/systemd/system/hostcollector-gateway.* -type f -exec sha256sum {{}} +"


@pytest.fixture(scope="module")
def playbooks(deployed: Fleet) -> Playbooks:
    """Give the playbooks on an inventory in which every host has a gateway on its own store."""
    inventory = json.loads(deployed.playbooks.inventory.read_text())
    pki = deployed.certificates
    server = {
        "cert_file": f"{ETC}/tls.crt",
        "key_file": f"{ETC}/tls.key",
    }
    secret = deployed.directory / "admin-token"
    secret.write_text("0123456789abcdef" * 4)
    inventory["all"]["children"]["tenant_gateway"] = {
        "hosts": {host.name: {} for host in deployed.hosts},
        "vars": {
            "tenant_gateway_artifact_directory": str(deployed.artefacts),
            "tenant_gateway_config": {
                "web": {"listen_address": f":{PORT}"},
                "store": {
                    "url": "https://{{ ansible_host }}:8443",
                },
            },
            "tenant_gateway_plans": {"detailed": {"history_days": 20}},
            "tenant_gateway_web_config": {"tls_server_config": server},
            "tenant_gateway_files": {
                "tls.crt": f"{pki}/{{{{ inventory_hostname }}}}.pem",
                "tls.key": f"{pki}/{{{{ inventory_hostname }}}}.key",
            },
            "tenant_gateway_credentials": {
                "store-ca.pem": f"{pki}/authority.pem",
                "store-client.crt": f"{pki}/tenant-gateway.pem",
                "store-client.key": f"{pki}/tenant-gateway.key",
            },
            "tenant_gateway_operator_config": {
                "store": {"url": "https://{{ ansible_host }}:8443"},
                "admin": {"store_retention_days": 35},
            },
            "tenant_gateway_operator_credentials": {
                "store-ca.pem": f"{pki}/authority.pem",
                "store-client.crt": f"{pki}/tenant-eraser.pem",
                "store-client.key": f"{pki}/tenant-eraser.key",
                "admin-token": str(secret),
            },
        },
    }
    file = deployed.directory / "tenant-gateway.json"
    file.write_text(json.dumps(inventory))
    return replace(deployed.playbooks, inventory=file)


@pytest.fixture(scope="module")
def runs(playbooks: Playbooks, tenant_stores: Mapping[str, Outcome]) -> Mapping[str, Outcome]:
    """Set up a gateway on every host, twice."""
    assert tenant_stores["first"].succeeded
    return {name: playbooks.run("gateway", tenant_gateway_serial=2) for name in ("first", "again")}


def test_the_gateway_is_set_up(deployed: Fleet, runs: Mapping[str, Outcome]) -> None:
    """It runs confined, with what it needs and nothing of a hypervisor's; a second run changes nothing."""
    assert runs["first"].succeeded, runs["first"].output[-4000:]
    assert runs["again"].succeeded, runs["again"].output[-4000:]
    assert set(runs["again"].changed.values()) == {0}, runs["again"].output[-6000:]
    for host in deployed.hosts:
        scores = []
        for unit in (UNIT, f"{UNIT}-admin"):
            assert host.run("systemctl", "is-active", unit) == "active"
            score = host.run("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1]
            level = re.search(r"([0-9.]+) [A-Z]+", score)
            assert level is not None
            assert float(level[1]) < 1.5
            scores.append(score)
        installed = host.run(
            "/opt/hostcollector-gateway/current/bin/python", "-m", "pip", "list", "--format=freeze"
        ).splitlines()
        print(f"\n{host.name}: {scores}\n{', '.join(installed)}")
        names = {line.partition("==")[0].lower() for line in installed}
        assert {"hostcollector", "promql-parser", "sqlalchemy"} <= names
        assert not names & {"libvirt-python", "nvidia-ml-py", "pyroute2"}


@pytest.mark.parametrize("position", [0, 1], ids=["bookworm", "trixie"])
def test_a_token_leads_to_its_tenants_vms(
    deployed: Fleet, runs: Mapping[str, Outcome], position: int
) -> None:
    """From outside, by TLS: the tenant's VMs of all hosts, and no other; without a token none."""
    assert runs["first"].succeeded
    host = deployed.hosts[position]
    host.run(PROGRAM, "tenant", "add", "acme")
    token = host.run(PROGRAM, "token", "issue", "acme", "--scope=metrics:read", "--scope=promql")
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
    _, document = _asked(deployed, host, query, token)
    assert {row["metric"]["vm"] for row in document["data"]["result"]} == wanted
    assert _asked(deployed, host, "/api/v1/vms", "hc_0000000000000000_" + "0" * 64)[0] == 401


def test_secrets_are_readable_by_root_and_the_service_only(
    deployed: Fleet, runs: Mapping[str, Outcome]
) -> None:
    """Neither the account nor others read root's files; no process has one of them in its arguments."""
    assert runs["first"].succeeded
    for host in deployed.hosts:
        secret = f"{ETC}/credentials/store-client.key"
        assert host.run("stat", "-c", "%a %U", secret) == "600 root"
        for account in (UNIT, "daemon"):
            status, _ = host.status(f"runuser -u {account} -- cat {secret}")
            assert status != 0
        pid = host.run("systemctl", "show", "--property=MainPID", "--value", UNIT)
        assert "PRIVATE" not in host.run("cat", f"/proc/{pid}/cmdline", f"/proc/{pid}/environ")
        assert host.run("stat", "-c", "%U %a", "/var/lib/hostcollector-gateway") == f"{UNIT} 700"


def test_the_serving_account_reaches_no_hypervisor_and_deletes_nothing(
    deployed: Fleet, runs: Mapping[str, Outcome]
) -> None:
    """With its own credentials, as its account: hosts refuse it, and the store's front its deletion."""
    assert runs["first"].succeeded
    host = deployed.hosts[0]
    credentials = [
        f"--property=LoadCredential={name}:{ETC}/credentials/{name}"
        for name in ("store-ca.pem", "store-client.crt", "store-client.key")
    ]
    for url, method in (
        *((f"https://{one.address}:10177{path}", "GET") for one in deployed.hosts for path in PAGES),
        (f"https://{host.address}:8443/api/v1/admin/tsdb/delete_series?match[]=vm_info", "POST"),
        (f"https://{host.address}:8443/api/v1/query?query=vm_info", "POST"),
    ):
        status = host.run(
            *("systemd-run", "--wait", "--pipe", "--quiet", f"--uid={UNIT}", *credentials),
            *("/usr/bin/python3", "-c", AS_THE_SERVICE, url, method),
        )
        assert (url, status) == (url, "403")


def test_an_operator_erases_a_tenant(deployed: Fleet, runs: Mapping[str, Outcome]) -> None:
    """Root's command has the right to delete, and leaves a record."""
    assert runs["first"].succeeded
    host = deployed.hosts[1]
    host.run(PROGRAM, "tenant", "add", "initech-7")
    record = json.loads(host.run(PROGRAM, "tenant", "erase", "initech-7", "--confirm=initech-7"))
    assert record["complete"]
    assert "initech-7" not in host.run(PROGRAM, "tenant", "list")


def test_a_change_that_cannot_be_used_is_put_back(
    deployed: Fleet, playbooks: Playbooks, runs: Mapping[str, Outcome]
) -> None:
    """The gateway has no right at a front that does not know its certificate: all files are as before."""
    assert runs["first"].succeeded
    host = deployed.hosts[0]
    _, before = host.status(STATE)
    pki = deployed.certificates
    wrong = {"store-client.crt": f"{pki}/prometheus.pem", "store-client.key": f"{pki}/prometheus.key"}
    outcome = playbooks.run(
        "gateway",
        "--limit",
        host.name,
        tenant_gateway_credentials=wrong,
        tenant_gateway_ready_seconds=4,
        tenant_gateway_plans={"other": {}},
    )
    assert not outcome.succeeded
    assert "It runs as before" in outcome.output
    assert sorted(host.status(STATE)[1].splitlines()) == sorted(before.splitlines())
    assert host.run("systemctl", "is-active", UNIT) == "active"


def _asked(fleet: Fleet, host: Host, path: str, token: str) -> tuple[int, Any]:
    """Return status and document of a request to a host's gateway, which must have a valid certificate."""
    context = ssl.create_default_context(cafile=fleet.certificates / "authority.pem")
    request = urllib.request.Request(
        f"https://{host.address}:{PORT}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
