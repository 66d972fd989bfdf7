"""The gateway as what is attacked: by a tenant, beside another one that scrapes its own samples."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.attacks.daemon import Daemon
from tests.attacks.group import limited
from tests.attacks.victim import Victim
from tests.bench.gateway.processes import children
from tests.bench.gateway.world import store
from tests.fakes.authority import Authority
from tests.gateway.served import PROMETHEUS, served

PATHS = {
    "/metrics": "/api/v1/scrape",
    "/-/healthy": f"{PROMETHEUS}status/buildinfo",
    "/-/ready": f"{PROMETHEUS}status/buildinfo",
}
PLANS = "plans: {detailed: {requests_per_minute: 100000}}\n"
TENANTS = 20
VMS = 100


@contextmanager
def attacked_gateway(page: str, directory: Path) -> Iterator[Daemon]:
    """Run a gateway of one worker for the block, ``plain`` or under TLS, in the daemon's limits.

    The good client is tenant a with a hundred VMs, the attacker tenant b. Memory is the worker's.
    """
    authority = _web_config(page, directory)
    (directory / "plans.yml").write_text(PLANS)
    with (
        limited() as group,
        store(TENANTS, int(time.time()) // 60 * 60, largest=VMS) as url,
        served(
            url,
            directory / "gateway",
            workers=1,
            plans=f"{directory}/plans.yml",
            prepare=f"[open(file, 'w').write('0') for file in {group.entries!r}]",
            web=directory / "web.yml",
            authority=authority,
        ) as gateway,
    ):
        (worker,) = children(gateway.process.pid)
        known = str(authority or "")
        victim = Victim(gateway.port, worker, known, token=gateway.token, paths=PATHS)
        attacker = replace(victim, token=gateway.other)
        yield Daemon(victim, group, gateway.directory / "log", attacker)


def _web_config(page: str, directory: Path) -> Path | None:
    """Write the web-config, and return what its certificate is checked against."""
    if page == "plain":
        (directory / "web.yml").write_text("{}")
        return None
    authority = Authority.new(directory)
    server = authority.issue("server", "IP:127.0.0.1")
    tls = {"cert_file": str(server.file), "key_file": str(server.key)}
    (directory / "web.yml").write_text(json.dumps({"tls_server_config": tls}))
    return authority.file
