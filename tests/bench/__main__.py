"""Speed and memory against Debian's prometheus-libvirt-exporter, on the same guests in the same run.

``make bench``; BENCH_GUESTS and BENCH_SCRAPES change the size. See `scale` for the long run.
"""

import os
import sys
import time

from hostcollector.outputs.exposition.formats import Format
from tests.bench import encoder, exporters
from tests.bench.cost import HEADINGS, Cost, cpu_seconds, get, idle_cpu, measure
from tests.bench.fleet import Fleet
from tests.lab import laboratory
from tests.lab.hypervisor import PrivateHypervisor

GUESTS = int(os.environ.get("BENCH_GUESTS", "100"))
SCRAPES = int(os.environ.get("BENCH_SCRAPES", "20"))
# A usual scrape interval, and how many of them are watched.
INTERVAL_SECONDS, INTERVALS = 15, 3
IDLE_SECONDS = 20


def main() -> int:
    """Boot the guests, measure both exporters, print the table and the ratios."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    with PrivateHypervisor.start() as hypervisor:
        fleet = Fleet(hypervisor)
        fleet.grow(GUESTS)
        uri = hypervisor.uri_readonly
        print(f"{SCRAPES} scrapes of each exporter ...", flush=True)
        with exporters.peer(uri) as peer:
            theirs = measure(peer.name, peer.url, fleet.processes(peer.pid), SCRAPES)
        with exporters.ours(uri) as own:
            ours = measure(own.name, own.url, fleet.processes(own.pid), SCRAPES)
            print(HEADINGS, theirs.row(), ours.row(), sep="\n")
            print(ratios(theirs, ours))
            print(at_rest(own), flush=True)
    for form in Format:
        encoder.measure(form)
    return 0


def ratios(theirs: Cost, ours: Cost) -> str:
    """Return how the two compare, with the targets."""
    rows = (
        ("scrape time (median)", ours.median / theirs.median, "at most 0.5"),
        ("samples", ours.samples / theirs.samples, "at least 4"),
        ("CPU per sample, with libvirtd", ours.cpu_per_sample / theirs.cpu_per_sample, "at most 0.15"),
        ("samples per second of CPU", theirs.cpu_per_sample / ours.cpu_per_sample, "at least 6.7"),
        ("peak memory of ours in MiB", ours.peak_memory / 2**20, "under 80"),
    )
    return "\n".join(f"{name:32} {value:8.2f}   target: {target}" for name, value, target in rows)


def at_rest(running: exporters.Running) -> str:
    """Return which part of a core the collector uses when it is scraped now and then, and when it is not."""
    idle = idle_cpu([running.pid], IDLE_SECONDS)
    before = cpu_seconds([running.pid])
    for _ in range(INTERVALS):
        get(running.url)
        time.sleep(INTERVAL_SECONDS)
    used = (cpu_seconds([running.pid]) - before) / (INTERVALS * INTERVAL_SECONDS)
    return (
        f"{f'a scrape every {INTERVAL_SECONDS} s, % of a core':32} {used * 100:8.2f}   target: under 1\n"
        f"{'no scrapes, % of a core':32} {idle * 100:8.3f}   target: under 0.1"
    )


if __name__ == "__main__":
    sys.exit(main())
