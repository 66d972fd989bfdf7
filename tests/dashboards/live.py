"""Real guests of two tenants at work, the collector on them, and a Prometheus that scrapes it."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.dashboards import server
from tests.dashboards.execution import result
from tests.dashboards.reasons import RECORDINGS
from tests.dashboards.rule_files import recordings
from tests.lab.guest import AGENT_CHANNEL, MIB, Disk, Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.image import GuestImage
from tests.lab.metadata import nova, own_tenant
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import serving
from tests.lab.workload import Workload

INTERVAL = "20s"
"""Grafana's rate interval in these tests: many scrapes of one second."""
_WORK = Workload(
    read_bytes=MIB,
    write_bytes=MIB,
    flushes=2,
    cpu_seconds=0.1,
    memory_bytes=8 * MIB,
    packets=20,
    period_seconds=1,
)
_TOTAL = {"total_bytes_sec": 1 << 30, "total_iops_sec": 100_000}
_EACH = {f"{way}_{what}_sec": 1 << 30 for way in ("read", "write") for what in ("bytes", "iops")}


def guests() -> list[Guest]:
    """Return a guest of each tenant, with limits of both kinds on their disks and an I/O thread."""
    return [
        Guest(
            name="boards-web",
            metadata=own_tenant("acme", "Acme Corp"),
            vcpus=2,
            disks=(Disk(iotune=_TOTAL),),
            elements="<iothreads>1</iothreads>",
            devices=AGENT_CHANNEL,
            workload=_WORK,
        ),
        Guest(
            name="boards-db",
            metadata=nova(project_id="p1", project_name="globex", instance_name="db", flavor="m1.small"),
            disks=(Disk(iotune=_EACH),),
            workload=_WORK,
        ),
        Guest.idle("boards-unowned"),
    ]


# Both have read for some scrapes, and Prometheus has seen how fast their packets and vCPUs go.
_AT_WORK = (
    f"count(count by (uuid) (rate(libvirt_domain_block_stats_read_bytes_total[{INTERVAL}]) > 0)) >= 2"
    f" and on () count_over_time(up[{INTERVAL}]) >= 8"
)


@contextmanager
def live(hypervisor: Hypervisor, image: GuestImage, directory: Path) -> Iterator[str]:
    """Yield a Prometheus with guests at work for most of a rate interval, and all recordings."""
    with ExitStack() as stack:
        booted = hypervisor.boot_all(guests(), image)
        for guest in booted:
            stack.callback(RunningGuest.destroy, guest)
        # With room for a burst of everything: nothing is held back.
        limit = ["tbf", "rate", "1gbit", "burst", "1mb", "latency", "50ms"]
        subprocess.run(["tc", "qdisc", "add", "dev", *booted[0].taps(), "root", *limit], check=True)
        served = stack.enter_context(serving(hypervisor.uri_readonly, directory))
        url = stack.enter_context(server.serving(directory, served.url.removeprefix("http://")))
        until(lambda: bool(result(url, _AT_WORK)), 120.0, "some scrapes of two guests at work")
        # Boards ask recordings, some of which are made of others.
        names = {rule.name for rule in recordings()} - RECORDINGS.keys()
        until(lambda: all(result(url, name) for name in names), 120.0, "a series of every recording")
        yield url
