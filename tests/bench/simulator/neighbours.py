"""The other exporters on the same hosts: one whose names hostcollector shares, and one of the host itself."""

import re
from collections.abc import Mapping

from tests.bench.simulator.fleet import SimulatedFleet
from tests.bench.simulator.host import SimulatedHost
from tests.bench.simulator.pages import Page

# Every tenth host still runs the exporter that hostcollector replaces.
_SHARE = 10
_SHARED = re.compile(
    r"libvirt_up|libvirt_domain_(info_(?!meta|state)\w+|vcpu_time\w+|(block|interface)_stats_\w+(total|bytes))\b"
)
_NOT_THEIRS = re.compile(r',?\b(tenant|uuid)="[^"]*"')
_CPUS, _MODES = 16, ("user", "system", "iowait", "idle")


def pages(fleet: SimulatedFleet) -> Mapping[str, Page]:
    """Return their pages by path."""
    found: dict[str, Page] = {
        f"/node/{host.name}": _node(host, number) for number, host in enumerate(fleet.hosts)
    }
    for host in fleet.hosts[::_SHARE]:
        found[f"/libvirt/{host.name}"] = _old_exporter(host)
    return found


def _old_exporter(host: SimulatedHost) -> Page:
    """Return the shared names of the host's page, with the labels that other exporters have."""

    def page(now: float) -> str | None:
        text = host.page(now) if host.answers else None
        return text and "".join(
            f"{_NOT_THEIRS.sub('', line)}\n".replace("{,", "{")
            for line in text.splitlines()
            if _SHARED.match(line)
        )

    return page


def _node(host: SimulatedHost, number: int) -> Page:
    """Return some names of node_exporter, and those that every exporter has of its own process."""

    def page(now: float) -> str | None:
        if not host.answers:
            return None
        cpus = (
            f'node_cpu_seconds_total{{cpu="{cpu}",mode="{mode}"}} {now / (1 + number % 7 + cpu):.2f}\n'
            for cpu in range(_CPUS)
            for mode in _MODES
        )
        own = f"process_start_time_seconds {now - 1e5 - number % 99}\nprocess_cpu_seconds_total {now / 1e3}\n"
        return f"# TYPE node_cpu_seconds_total counter\n{''.join(cpus)}node_load1 {number % 5}\n{own}"

    return page
