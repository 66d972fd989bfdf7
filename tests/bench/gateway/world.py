"""A store with many tenants, each with ten VMs that have an hour of samples, one a minute."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.gateway.stores import victoria_metrics

MINUTES = 60
STEP = 60
FAMILIES = (
    "vm_cpu_seconds_total",
    "vm_cpu_wait_seconds_total",
    "vm_memory_available_bytes",
    "vm_disk_read_bytes_total",
    "vm_network_receive_bytes_total",
    "vm_state",
)
BATCH = 5000
FLAGS = (
    "-search.maxConcurrentRequests=64",
    "-search.maxQueueDuration=1m",
    "-memory.allowedBytes=2GB",
)
"""What is measured is not the store's own limits."""


def tenant_name(number: int) -> str:
    """Return a tenant's id; the first two are those that `served` makes."""
    return ("a", "b")[number] if number < 2 else f"t{number}"


def lines(tenant: str, vms: int, end: int) -> Iterator[str]:
    """Yield a tenant's series in VictoriaMetrics' JSON, one a line."""
    times = [(end - minute * STEP) * 1000 for minute in range(MINUTES, -1, -1)]
    for vm in range(vms):
        for number, name in enumerate(FAMILIES):
            metric = {"__name__": name, "tenant": tenant, "vm": f"00000000-0000-4000-8000-{vm:012d}"}
            if name == "vm_state":
                metric["state"] = "running"
            values = [minute * 1_000_003.5 + number + vm for minute in range(len(times))]
            yield json.dumps({"metric": metric, "values": values, "timestamps": times})


@contextmanager
def store(tenants: int, end: int, *, largest: int = 10) -> Iterator[str]:
    """Give the address of a store; tenant a has `largest` VMs, the others ten."""
    with victoria_metrics([], *FLAGS) as url:
        batch: list[str] = []
        for number in range(tenants):
            batch += lines(tenant_name(number), 10 if number else largest, end)
            if len(batch) >= BATCH or number == tenants - 1:
                body = "\n".join(batch).encode()
                urllib.request.urlopen(f"{url}/api/v1/import", body, timeout=120).close()
                batch = []
        urllib.request.urlopen(f"{url}/internal/force_flush", timeout=120).close()
        yield url
