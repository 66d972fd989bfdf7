"""This checkout's collector against that of another revision, in pairs on the same guests in the same run.

``make bench-pairs BASE=revision``; BENCH_GUESTS, BENCH_PAIRS and BENCH_SCRAPES change the size. Each pair is
a fresh daemon of either; in every second pair the other one comes first, so that what else the machine does
meets both. With 100 guests, 10 pairs and 10 scrapes each it takes nine minutes.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench import exporters
from tests.bench.cost import Cost, measure
from tests.bench.fleet import Fleet
from tests.lab import laboratory
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.trees import OWN, inside

GUESTS = int(os.environ.get("BENCH_GUESTS", "100"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "10"))
SCRAPES = int(os.environ.get("BENCH_SCRAPES", "10"))

HEADINGS = (
    f"{'pair':>6} {'CPU ms per scrape':>24} {'scrape ms (median)':>24} {'samples':>16} {'peak MiB':>16}\n"
    f"{'':6} {'base':>8} {'own':>8} {'':7} {'base':>8} {'own':>8} {'':7} {'base':>8} {'own':>8} "
    f"{'base':>7} {'own':>7}"
)


def main(revision: str) -> int:
    """Boot the guests, measure the pairs, and print them, their medians and their spread."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    with checked_out(revision) as base, PrivateHypervisor.start() as hypervisor:
        fleet = Fleet(hypervisor)
        fleet.grow(GUESTS)
        print(f"{revision} and {OWN}: {PAIRS} pairs of {SCRAPES} scrapes each\n{HEADINGS}", flush=True)
        pairs = []
        for number in range(PAIRS):
            turn = (base, OWN) if number % 2 == 0 else (OWN, base)
            costs = {tree: _cost(fleet, tree) for tree in turn}
            pairs.append((costs[base], costs[OWN]))
            print(_row(number + 1, *pairs[-1]), flush=True)
    print(_summary("CPU per scrape", [(old.exporter_cpu, new.exporter_cpu) for old, new in pairs]))
    print(_summary("libvirtd's CPU per scrape", [(old.libvirtd_cpu, new.libvirtd_cpu) for old, new in pairs]))
    print(_summary("scrape time", [(old.median, new.median) for old, new in pairs]))
    return 0


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Give a directory with the files of a revision for the block."""
    git = ("git", "-C", str(OWN), "worktree")
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name).resolve() / "base"
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def _cost(fleet: Fleet, tree: Path) -> Cost:
    with exporters.ours(fleet.hypervisor.uri_readonly, within=inside(tree)) as running:
        return measure(str(tree), running.url, fleet.processes(running.pid), SCRAPES)


def _row(number: int, old: Cost, new: Cost) -> str:
    def both(before: float, after: float) -> str:
        return f"{before * 1e3:8.1f} {after * 1e3:8.1f} {after / before:6.2f}x"

    return (
        f"{number:6d} {both(old.exporter_cpu, new.exporter_cpu)} {both(old.median, new.median)} "
        f"{old.samples:8d} {new.samples:8d} {old.peak_memory / 2**20:7.1f} {new.peak_memory / 2**20:7.1f}"
    )


def _summary(what: str, pairs: Sequence[tuple[float, float]]) -> str:
    """Return medians in milliseconds, and the median and the middle half of the pairs' ratios."""
    old, new = (statistics.median(side) * 1e3 for side in zip(*pairs, strict=True))
    ratios = sorted(after / before for before, after in pairs)
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return (
        f"{what}: {old:.1f} ms before, {new:.1f} ms now; ratio {middle:.3f} (middle half {low:.3f} to "
        f"{high:.3f}, all {ratios[0]:.3f} to {ratios[-1]:.3f})"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("which revision? make bench-pairs BASE=revision")
    sys.exit(main(sys.argv[1]))
