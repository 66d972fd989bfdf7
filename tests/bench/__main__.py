"""Speed and memory against Debian's prometheus-libvirt-exporter, on the same guests in the same run.

``make bench``; BENCH_GUESTS and BENCH_SCRAPES change the size.
"""

import os
import sys
import tempfile
from pathlib import Path

from hostcollector.exposition import Format
from tests.bench import encoder
from tests.bench.cost import HEADINGS, Cost, measure
from tests.bench.peer import unpack
from tests.lab import laboratory
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import CACHE
from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers, free_port
from tests.lab.served import serving

GUESTS = int(os.environ.get("BENCH_GUESTS", "100"))
SCRAPES = int(os.environ.get("BENCH_SCRAPES", "20"))


def main() -> int:
    """Boot the guests, measure both exporters, print the table and the ratios."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    program = unpack(CACHE)
    with PrivateHypervisor.start() as hypervisor:
        print(f"booting {GUESTS} kernel-less guests ...", flush=True)
        hypervisor.boot_all(Guest.idle(f"bench-{number}", vcpus=2) for number in range(GUESTS))
        print(f"{SCRAPES} scrapes of each exporter ...", flush=True)
        peer = _peer(hypervisor, program)
        ours = _ours(hypervisor)
    print(HEADINGS, peer.row(), ours.row(), sep="\n")
    print(_ratios(peer, ours))
    for form in Format:
        encoder.measure(form)
    return 0


def _peer(hypervisor: PrivateHypervisor, program: Path) -> Cost:
    port = free_port(0)
    command = [
        str(program),
        f"--web.listen-address=127.0.0.1:{port}",
        f"--libvirt.uri={hypervisor.uri_readonly}",
    ]
    with tempfile.TemporaryDirectory() as directory:
        child = spawn(command, Path(directory) / "peer.log")
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/"), 20, "the peer")
            return measure(
                program.name, f"http://127.0.0.1:{port}/metrics", child.pid, hypervisor.pid, SCRAPES
            )
        finally:
            end(child)


def _ours(hypervisor: PrivateHypervisor) -> Cost:
    with (
        tempfile.TemporaryDirectory() as directory,
        serving(hypervisor.uri_readonly, Path(directory)) as served,
    ):
        return measure("hostcollector", f"{served.url}/metrics", served.child.pid, hypervisor.pid, SCRAPES)


def _ratios(peer: Cost, ours: Cost) -> str:
    rows = (
        ("scrape time (median)", ours.median / peer.median, "at most 0.7"),
        ("samples", ours.samples / peer.samples, "at least 4"),
        ("CPU per sample, with libvirtd", ours.cpu_per_sample / peer.cpu_per_sample, "at most 0.25"),
        ("samples per second of CPU", peer.cpu_per_sample / ours.cpu_per_sample, "at least 4"),
        ("peak memory of ours in MiB", ours.peak_memory / 2**20, "under 80"),
    )
    return "\n".join(f"{name:32} {value:8.2f}   target: {target}" for name, value, target in rows)


if __name__ == "__main__":
    sys.exit(main())
