"""What the check of values costs: the join of a page with it, and of rows that allow every number.

``python -m tests.bench.plausibility`` prints the median CPU time of both and the difference per sample. The
page is that of a hypervisor with 100 guests and 22,000 samples, of which most are counters that move.
"""

import gc
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

from hostcollector import catalogue
from hostcollector.base.definition import Domain
from hostcollector.base.model import Guest, Kind, Metric, Report, Sample, Scope, SourceState, Tenant
from hostcollector.catalogue.possible import unbounded
from hostcollector.collection.assemble import Assembler

GUESTS, ROUNDS, INTERVAL = 100, 40, 15.0
ANYTHING = unbounded("for comparison")


def guests() -> dict[str, Guest]:
    """Return guests by UUID."""
    domains = [
        Domain(
            uuid=f"5c0c3b1a-7d5e-4f1b-9d3a-{number:012x}",
            name=f"instance-{number:08x}",
            id=number + 1,
            vcpus=4,
            vcpus_maximum=4,
            memory_bytes=2**33,
        )
        for number in range(GUESTS)
    ]
    return {it.uuid: Guest(domain=it, tenant=Tenant(id=f"{it.id % 40:032x}")) for it in domains}


def rows(*, checked: bool) -> list[Metric]:
    """Return rows of guests: 60 counters, 40 gauges, 10 that describe."""
    own = [row for row in catalogue.ALL if row.scope is Scope.DOMAIN]
    counts = ((Kind.COUNTER, 60), (Kind.GAUGE, 40), (Kind.INFO, 10))
    chosen = [row for kind, most in counts for row in [it for it in own if it.kind is kind][:most]]
    return chosen if checked else [replace(row, can_be=ANYTHING) for row in chosen]


def samples(rows: Sequence[Metric], uuids: Sequence[str], page: int) -> tuple[Sample, ...]:
    """Return the samples of a page; a row with labels has three series of each guest, and counters move."""
    labels = {
        row: [tuple(f"{name}{n}" for name in row.labels) for n in range(3 if row.labels else 1)]
        for row in rows
    }
    return tuple(
        Sample(row, 0.7 * page if row.kind is Kind.COUNTER else 1, each, uuid)
        for uuid in uuids
        for row in rows
        for each in labels[row]
    )


def cost(*, checked: bool) -> tuple[float, int]:
    """Return the median CPU time of a join in seconds, and its samples."""
    known, assembler, chosen = guests(), Assembler(), rows(checked=checked)
    pages = [samples(chosen, tuple(known), page) for page in range(1, ROUNDS)]
    taken = []
    for page, given in enumerate(pages, 1):
        report = Report(source="bench", state=SourceState.OK, samples=given)
        gc.collect()
        started = time.process_time()
        assembler.assemble(taken_at=INTERVAL * page, guests=known, reports=[report], own=(), facts={})
        taken.append(time.process_time() - started)
    return statistics.median(taken[1:]), len(pages[0])


def main() -> None:
    """Measure both and print what they took."""
    plain, count = cost(checked=False)
    checked, _ = cost(checked=True)
    print(f"{count} samples: {plain * 1e3:.1f} ms unchecked, {checked * 1e3:.1f} ms checked")
    print(f"the check: {(checked - plain) / count * 1e9:.0f} ns a sample")


if __name__ == "__main__":
    main()
