"""The long benchmark: figures against the number of guests, next to the peers, with and without a hung guest.

``make bench-scale``; BENCH_SIZES (25,50,100,200,300) and BENCH_SCRAPES (50) change it. The fleet grows in one
run. The sizes in BENCH_FULL (100) are measured with collectd and a stopped guest besides; at these and the
last size each exporter is scraped so often, at the others a quarter as often. The table goes into
docs/benchmarks.md, the charts into `scale.png`.

The collector is measured twice. "balloons due": each collection asks every balloon, as when the scrape
interval is longer than the balloons' period. "not due": no balloon can have news, as when several servers
scrape, or one scrapes often.
"""

import os
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial

from tests.bench import exporters, report
from tests.bench.cost import HEADINGS, PAUSE_SECONDS, Cost, get, measure
from tests.bench.fleet import SHORT_PERIOD, USUAL_PERIOD, Fleet
from tests.lab import laboratory
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import until

SIZES = [int(size) for size in os.environ.get("BENCH_SIZES", "25,50,100,200,300").split(",")]
FULL = {int(size) for size in os.environ.get("BENCH_FULL", "100").split(",")}
SCRAPES = int(os.environ.get("BENCH_SCRAPES", "50"))
# Where no page is kept and no balloon is due, nothing has to be waited for.
SHORT_PAUSE_SECONDS, SHORT_AGE_SECONDS = 0.3, 0.1
DUE, NOT_DUE, ONE_HUNG = "balloons due", "not due", "one guest stopped"
# A peer that does not answer with a guest stopped is asked so often, for so long.
TRIES, TRY_SECONDS = 3, 10.0
# How long one that reads by itself may take for its first read, and what it gets to notice a change.
READ_ONCE_SECONDS, SETTLED_SECONDS = 60.0, 5.0

Exporter = Callable[[str], AbstractContextManager[exporters.Running]]


def main() -> int:
    """Grow the fleet, measure at each size, and write what was found."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    costs: list[Cost] = []
    troubled: list[str] = []
    notes: list[str] = []
    with PrivateHypervisor.start() as hypervisor:
        fleet = Fleet(hypervisor)
        print(HEADINGS)
        for size in SIZES:
            fleet.grow(size)
            for cost in _at_size(fleet, SCRAPES if size in {*FULL, SIZES[-1]} else -(-SCRAPES // 4)):
                costs.append(cost)
                print(cost.row(), flush=True)
            if size in FULL:
                troubled += (_troubled(fleet, peer) for peer in (exporters.peer, exporters.collectd))
            notes = [*_ratios(costs), *troubled]
            report.write([cost for cost in costs if ONE_HUNG not in cost.name], notes)
    print(*notes, sep="\n")
    return 0


def _at_size(fleet: Fleet, scrapes: int) -> Iterator[Cost]:
    full = len(fleet.guests) in FULL
    yield _measured(fleet, exporters.peer, scrapes, SHORT_PAUSE_SECONDS)
    yield _measured(fleet, exporters.ours, scrapes, PAUSE_SECONDS, DUE)
    fleet.set_balloon_period(USUAL_PERIOD)
    quick = partial(exporters.ours, maximum_age=SHORT_AGE_SECONDS)
    yield _measured(fleet, quick, scrapes, SHORT_PAUSE_SECONDS, NOT_DUE)
    if full:
        yield _measured(fleet, exporters.collectd, scrapes, exporters.COLLECTD_INTERVAL)
        with _one_stopped(fleet):
            yield _measured(fleet, quick, scrapes, SHORT_PAUSE_SECONDS, f"{NOT_DUE}, {ONE_HUNG}")
    fleet.set_balloon_period(SHORT_PERIOD)


def _measured(fleet: Fleet, exporter: Exporter, scrapes: int, pause: float, what: str = "") -> Cost:
    with exporter(fleet.hypervisor.uri_readonly) as running:
        cost = measure(running.name, running.url, fleet.processes(running.pid), scrapes, pause)
    return replace(cost, name=f"{cost.name}, {what}" if what else cost.name)


@contextmanager
def _one_stopped(fleet: Fleet) -> Iterator[None]:
    """Stop the QEMU of a guest in the middle of the fleet for the block."""
    victim = fleet.guests[len(fleet.guests) // 2]
    victim.stop()
    try:
        yield
    finally:
        victim.cont()


def _troubled(fleet: Fleet, exporter: Exporter) -> str:
    """Return what a peer answers when a guest is stopped after it has read all of them once."""
    with exporter(fleet.hypervisor.uri_readonly) as running:
        until(lambda: len(_samples(running)) > len(fleet.guests), READ_ONCE_SECONDS, "the first full page")
        time.sleep(SETTLED_SECONDS)
        healthy = len(_samples(running))
        with _one_stopped(fleet):
            answers = []
            for _ in range(TRIES):
                time.sleep(SETTLED_SECONDS)
                try:
                    answers.append(f"{len(_samples(running)):,}")
                except (TimeoutError, urllib.error.URLError):
                    answers.append("no answer")
    return (
        f"{len(fleet.guests)} guests, one stopped: {TRIES} scrapes of {running.name}, which has {healthy:,} "
        f"samples otherwise, gave {', '.join(answers)} ({TRY_SECONDS:.0f} s of patience)."
    )


def _samples(running: exporters.Running) -> set[bytes]:
    lines = get(running.url, TRY_SECONDS).splitlines()
    return {line for line in lines if line and not line.startswith(b"#")}


def _ratios(costs: list[Cost]) -> Iterator[str]:
    """Yield the figures that compare."""
    found = {(cost.name, cost.guests): cost for cost in costs}
    for size in sorted({*FULL, SIZES[-1]} & {cost.guests for cost in costs}):
        theirs = found[exporters.PEER, size]
        for what in (DUE, NOT_DUE):
            ours = found[f"{exporters.OURS}, {what}", size]
            yield (
                f"{size} guests, {what}: {ours.median / theirs.median:.2f} of the scrape time of "
                f"{theirs.name} for {ours.samples / theirs.samples:.1f} times the samples, "
                f"{ours.cpu_per_sample / theirs.cpu_per_sample:.2f} of its CPU per sample, "
                f"peak memory {ours.peak_memory / 2**20:.0f} MiB."
            )
        hung = found.get((f"{exporters.OURS}, {NOT_DUE}, {ONE_HUNG}", size))
        if hung:
            healthy = found[f"{exporters.OURS}, {NOT_DUE}", size]
            ratio = hung.p99 / healthy.p99
            yield f"{size} guests, one stopped: p99 {ratio:.2f} of the healthy one."
    for what in (DUE, NOT_DUE):
        few, many = (found.get((f"{exporters.OURS}, {what}", size)) for size in (100, 300))
        if few and many:
            yield f"300 guests take {many.median / few.median:.2f} times as long as 100, {what}."


if __name__ == "__main__":
    sys.exit(main())
