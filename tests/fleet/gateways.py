"""The fleet's gateways: their PostgreSQL with the roles of the documentation, and their inventory."""

import json
import re
import secrets
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bcrypt
import psycopg
import pytest

from tests.fleet import network
from tests.fleet.fleet import Fleet
from tests.fleet.host import Host
from tests.fleet.playbook import Playbooks
from tests.fleet.wheelhouse import REPOSITORY
from tests.gateway.postgres import Postgres, postgres

ETC = "/etc/hostcollector-gateway"
PROGRAM = "/usr/local/bin/hostcollector-gateway"
UNIT = "hostcollector-gateway"
BESIDE = (f"{UNIT}-admin", f"{UNIT}-intake")
PORT = 10178
METRICS = (10179, 10180)
"""The ports of the workers' metrics."""
INTAKE_METRICS = 10189
ROLES = ("gateway_owner", "gateway_reader", "ledger_intake", "ledger_reader")
HERE = network.address(1)
"""Where PostgreSQL is, and a host that has usage records already."""
USER = "monitor"


@dataclass(frozen=True, slots=True)
class Databases:
    """A PostgreSQL that the hosts reach, with a password for each role in a file of its own."""

    server: Postgres
    directory: Path

    def url(self, role: str) -> str:
        """Return the URL of SQLAlchemy that a role has."""
        return f"postgresql+psycopg://{role}@{HERE}:{self.server.port}/hostcollector"

    def password(self, role: str) -> Path:
        """Return the file with a role's password."""
        return self.directory / f"{role}.password"

    def execute(self, *statements: str, database: str = "hostcollector") -> None:
        """Execute statements as the server's administrator."""
        password = (self.server.directory / "password").read_text().strip()
        place: dict[str, Any] = {"host": HERE, "port": self.server.port, "dbname": database}
        with psycopg.connect(user="postgres", password=password, autocommit=True, **place) as connection:
            for statement in statements:
                connection.execute(statement)

    def before_the_first_run(self) -> None:
        """Make roles and databases as docs/gateway.md and docs/billing.md have it."""
        for role in ROLES:
            self.password(role).write_text(f"{secrets.token_hex(16)}\n")
        gateway = [f"CREATE ROLE {role} LOGIN PASSWORD '...'" for role in ROLES[:2]]
        self.execute(
            *map(self._with_password, gateway),
            "CREATE DATABASE hostcollector OWNER gateway_owner",
            database="postgres",
        )
        self.execute(*_statements("gateway.md")[0])
        self.execute(*map(self._with_password, _statements("billing.md")[0]))

    def after_it(self) -> None:
        """Grant what needs tables, as docs/gateway.md has it."""
        self.execute(*_statements("gateway.md")[1])

    def _with_password(self, statement: str) -> str:
        found = re.match(r"CREATE ROLE (\w+)", statement)
        if found is None:
            return statement
        return statement.replace("'...'", f"'{self.password(found[1]).read_text().strip()}'")


def _statements(document: str) -> list[list[str]]:
    """Return the SQL of a document: what is before the line "after it", and what is behind."""
    text = (REPOSITORY / "docs" / document).read_text()
    parts = "\n".join(re.findall(r"```sql\n(.*?)```", text, re.DOTALL)).split("-- after it\n")
    bare = [re.sub(r"--.*", "", part) for part in parts]
    return [[one.strip() for one in part.split(";") if one.strip()] for part in bare]


@contextmanager
def databases(fleet: Fleet) -> Iterator[Databases]:
    """Give the server, with everything that the gateways' first run needs."""
    directory = fleet.directory / "passwords"
    directory.mkdir()
    with postgres(address=HERE, clients=f"{network.PREFIX}.0/24") as server:
        made = Databases(server, directory)
        made.before_the_first_run()
        yield made


def playbooks(fleet: Fleet, server: Databases) -> Playbooks:
    """Return the playbooks on an inventory in which every host has a gateway, and writes usage records."""
    inventory = json.loads(fleet.playbooks.inventory.read_text())
    children = inventory["all"]["children"]
    hypervisors = children["hypervisors"]["vars"]
    hypervisors["hostcollector_config"]["usage"] = {"records": True}
    hypervisors["hostcollector_web_config"]["access"]["readers"].append(
        {"path": "/tenants/usage", "certificates": ["usage-intake"]}
    )
    children["with_usage_already"] = {"hosts": {"hv-here": {"ansible_host": HERE}}}
    children["tenant_gateway"] = {
        "hosts": {host.name: {} for host in fleet.hosts},
        "vars": _variables(fleet, server),
    }
    children["prometheus"]["hosts"]["monitor"]["fleet_prometheus_gateway_job"] = {
        "basic_auth": {"username": USER, "password_file": str(fleet.directory / "monitor.password")}
    }
    file = fleet.directory / "tenant-gateway.json"
    file.write_text(json.dumps(inventory))
    return replace(fleet.playbooks, inventory=file)


def _variables(fleet: Fleet, server: Databases) -> Mapping[str, Any]:
    pki, own = fleet.certificates, f"{fleet.certificates}/{{{{ inventory_hostname }}}}"
    front = {"url": "https://{{ ansible_host }}:8443"}
    return {
        "tenant_gateway_artifact_directory": str(fleet.artefacts),
        "tenant_gateway_config": {
            "web": {"listen_address": f":{PORT}"},
            "operator": {"listen_address": f":{METRICS[0]}", "config_file": f"{ETC}/metrics.yml"},
            "store": front,
            "accounts": {"database": server.url("gateway_reader")},
            "ledger": {"database": server.url("ledger_reader")},
        },
        "tenant_gateway_plans": {"detailed": {"history_days": 20}},
        "tenant_gateway_web_config": {
            "tls_server_config": {"cert_file": f"{ETC}/tls.crt", "key_file": f"{ETC}/tls.key"}
        },
        "tenant_gateway_files": {
            "tls.crt": f"{own}.pem",
            "tls.key": f"{own}.key",
            "metrics.yml": str(_metrics_rules(fleet)),
        },
        "tenant_gateway_credentials": {
            **_front_client(pki, "tenant-gateway"),
            "database-password": str(server.password("gateway_reader")),
            "ledger-password": str(server.password("ledger_reader")),
        },
        "tenant_gateway_ready_url": f"https://{{{{ ansible_host }}}}:{METRICS[0]}/-/ready",
        "tenant_gateway_ready_ca": f"{ETC}/credentials/store-ca.pem",
        "tenant_gateway_operator_config": {
            "store": front,
            "accounts": {"database": server.url("gateway_owner")},
            "ledger": {"database": server.url("ledger_intake")},
            "admin": {"store_retention_days": 35},
        },
        "tenant_gateway_operator_credentials": {
            **_front_client(pki, "tenant-eraser"),
            "database-password": str(server.password("gateway_owner")),
            "ledger-password": str(server.password("ledger_intake")),
            "admin-token": str(_secret(fleet, "admin-token")),
        },
        "tenant_gateway_intake_config": {
            "intake": {"listen_address": f":{INTAKE_METRICS}", "interval_seconds": 5},
            "ledger": {"database": server.url("ledger_intake")},
        },
        "tenant_gateway_intake_credentials": {
            "hosts-ca.pem": f"{pki}/authority.pem",
            "intake.crt": f"{pki}/usage-intake.pem",
            "intake.key": f"{pki}/usage-intake.key",
            "ledger-password": str(server.password("ledger_intake")),
            "web-config.yml": str(_metrics_rules(fleet)),
            "tls.crt": f"{own}.pem",
            "tls.key": f"{own}.key",
        },
        "tenant_gateway_intake_hypervisors": "hypervisors:with_usage_already",
        "tenant_gateway_intake_ready_url": f"https://{{{{ ansible_host }}}}:{INTAKE_METRICS}/-/ready",
    }


def _front_client(pki: Path, name: str) -> Mapping[str, str]:
    """Return the files with which a program is a client of the store's front."""
    return {
        "store-ca.pem": f"{pki}/authority.pem",
        "store-client.crt": f"{pki}/{name}.pem",
        "store-client.key": f"{pki}/{name}.key",
    }


def _metrics_rules(fleet: Fleet) -> Path:
    """Return the web-config file of the metrics of gateway and intake: certificate and key are beside it."""
    file = fleet.directory / "metrics.yml"
    if not file.exists():
        password = _secret(fleet, "monitor.password").read_bytes().strip()
        known = bcrypt.hashpw(password, bcrypt.gensalt(8)).decode()
        tls = {"cert_file": "tls.crt", "key_file": "tls.key"}
        file.write_text(json.dumps({"tls_server_config": tls, "basic_auth_users": {USER: known}}))
    return file


def _secret(fleet: Fleet, name: str) -> Path:
    file = fleet.directory / name
    if not file.exists():
        file.write_text(secrets.token_hex(32))
    return file


def context_of(fleet: Fleet) -> ssl.SSLContext:
    """Return what a client checks the fleet's certificates with."""
    return ssl.create_default_context(cafile=fleet.certificates / "authority.pem")


def asked(fleet: Fleet, host: Host, path: str, token: str) -> tuple[int, Any]:
    """Return status and document of a request to a host's gateway, which must have a valid certificate."""
    request = urllib.request.Request(
        f"https://{host.address}:{PORT}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20, context=context_of(fleet)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def metrics(fleet: Fleet, host: Host, port: int, path: str = "/metrics") -> str:
    """Return a page of a listener for the operator's Prometheus; a client without password gets none."""
    url = f"https://{host.address}:{port}{path}"
    if path == "/metrics":
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url, timeout=20, context=context_of(fleet))
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, USER, Path(fleet.directory / "monitor.password").read_text())
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context_of(fleet)),
        urllib.request.HTTPBasicAuthHandler(passwords),
    )
    with opener.open(url, timeout=20) as answer:
        return str(answer.read().decode())


def ready(fleet: Fleet, host: Host) -> bool:
    """Tell whether a host's gateway and intake are ready."""
    try:
        return all(metrics(fleet, host, port, "/-/ready") for port in (METRICS[0], INTAKE_METRICS))
    except OSError:
        return False


def accounts_are_newer(fleet: Fleet, moment: float) -> bool:
    """Tell whether every worker has read the accounts after a moment of the monotonic clock."""
    pages = [metrics(fleet, host, port) for host in fleet.hosts for port in METRICS]
    name = "hostcollector_gateway_accounts_age_seconds"
    ages = [re.search(rf"^{name} (\S+)", page, re.MULTILINE) for page in pages]
    return all(age is not None and float(age[1]) < time.monotonic() - moment - 1 for age in ages)
