"""The demo's second half: the tenants' store, which vmagent fills, and the gateway with links for tenants."""

import json
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.accounts.changes import Changes
from hostcollector.gateway.accounts.database import connect, upgrade
from hostcollector.gateway.settings import AccountSettings
from tests.lab.process import until
from tests.lab.prometheus import free_port
from tests.places import REPOSITORY

ALLOW_LIST = REPOSITORY / "ansible/roles/tenant_store/files/allow-list.yml"
INTERVAL = "5s"
"""In place of a minute, so that a chart has points soon."""
TOKEN_SECONDS = 3600

Names = Mapping[str, str]
"""The display names of VMs by UUID."""

Serve = Callable[[str, Sequence[str], str], None]
"""Starts a server by its name, command and the address that answers when it is ready."""


@dataclass(frozen=True, slots=True)
class TenantSide:
    """The running store and gateway, with a token for each tenant."""

    gateway: str
    tokens: dict[str, str]

    def links(self) -> dict[str, str]:
        """Return an address for each tenant that opens the page; a browser sends no server what follows #."""
        return {tenant: f"{self.gateway}/#token={token}" for tenant, token in self.tokens.items()}

    def wait_for_vms(self, count: int, seconds: float) -> None:
        """Wait until each tenant sees so many VMs. Raises `TimeoutError`."""
        until(lambda: all(self._vms(token) == count for token in self.tokens.values()), seconds, "VMs")

    def wait_for_rates(self, seconds: float) -> None:
        """Wait until every tenant's CPU time has two samples, so that charts have lines."""
        query = urlencode({"query": "count(rate(vm_cpu_seconds_total[1m]) > 0)"})
        path = f"/prometheus/api/v1/query?{query}"

        def drawn() -> bool:
            return all(self._get(path, token).get("data", {}).get("result") for token in self.tokens.values())

        until(drawn, seconds, "two samples of every VM's CPU time")

    def _vms(self, token: str) -> int:
        return len(self._get("/api/v1/vms", token).get("vms", []))

    def _get(self, path: str, token: str) -> dict[str, Any]:
        """Return the document at a path; an empty one while there is none."""
        request = urllib.request.Request(
            f"{self.gateway}{path}", headers={"Authorization": f"Bearer {token}"}
        )
        with suppress(OSError), urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))
        return {}


def start(directory: Path, collector: str, tenants: Mapping[str, Names], serve: Serve) -> TenantSide:
    """Start store, vmagent and gateway for a collector's tenant page, and make the tokens.

    `tenants` have the names of their VMs, which a cloud's console would send.
    """
    store, agent = (f"127.0.0.1:{free_port(wanted)}" for wanted in (18428, 18429))
    data = directory / "store"
    serve(
        "store",
        ["victoria-metrics", f"-storageDataPath={data}", f"-httpListenAddr={store}", *_STORE_FLAGS],
        f"http://{store}/health",
    )
    scrape = directory / "tenants-scrape.yml"
    scrape.write_text(
        f"global: {{scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}}}\n"
        "scrape_configs:\n"
        "- job_name: tenants\n"
        "  metrics_path: /tenants/metrics\n"
        f"  static_configs: [{{targets: ['{collector}']}}]\n"
    )
    serve(
        "tenants' agent",
        [
            "vmagent",
            f"-httpListenAddr={agent}",
            f"-promscrape.config={scrape}",
            "-promscrape.noStaleMarkers",
            f"-remoteWrite.url=http://{store}/api/v1/write",
            f"-remoteWrite.urlRelabelConfig={ALLOW_LIST}",
            f"-remoteWrite.tmpDataPath={directory / 'agent'}",
        ],
        f"http://{agent}/health",
    )
    return _gateway(directory, store, tenants, serve)


_STORE_FLAGS = ("-retentionPeriod=1d", "-search.latencyOffset=0s", "-memory.allowedBytes=128MB")


def _gateway(directory: Path, store: str, tenants: Mapping[str, Names], serve: Serve) -> TenantSide:
    gateway, operator = (f"127.0.0.1:{free_port(wanted)}" for wanted in (10178, 10179))
    accounts = AccountSettings(database=f"sqlite:///{directory}/accounts.db")
    file = directory / "gateway.yml"
    plans = directory / "plans.yml"
    plans.write_text(f"plans: {{detailed: {{step_seconds: {INTERVAL.rstrip('s')}}}}}\n")
    file.write_text(
        f"web: {{listen_address: '{gateway}', workers: 1}}\n"
        f"operator: {{listen_address: '{operator}'}}\n"
        f"store: {{url: 'http://{store}'}}\n"
        f"accounts: {{database: '{accounts.database}', plans_file: {plans}}}\n"
        f"audit: {{directory: '{directory}/audit'}}\n"
    )
    engine = connect(accounts)
    upgrade(engine)
    changes, tokens = Changes(engine), {}
    for tenant, names in sorted(tenants.items()):
        changes.add_tenant(tenant, "detailed")
        for vm, name in names.items():
            changes.name_vm(tenant, vm, name)
        tokens[tenant] = changes.issue_token(tenant, [Scope.METRICS, Scope.PROMQL], TOKEN_SECONDS)
    engine.dispose()
    program = Path(sys.executable).with_name("hostcollector-gateway")
    serve("gateway", [str(program), "serve", f"--config.file={file}"], f"http://{operator}/-/ready")
    return TenantSide(f"http://{gateway}", tokens)
