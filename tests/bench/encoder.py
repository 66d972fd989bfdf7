"""The encoder against the Prometheus project's Python client on one snapshot, in one run.

``python -m tests.bench.encoder`` prints the median CPU time of both and the ratio. The snapshot is what a
hypervisor with 500 guests gives for rows with four labels: 15,000 series, whose counters move between pages.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import prometheus_client.exposition
import prometheus_client.openmetrics.exposition

from hostcollector import catalogue
from hostcollector.base.model import Family, Kind, Metric, Snapshot
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from tests.fakes.client_families import ClientCollector

GUESTS = 500
FAMILIES = 30
ROUNDS = 15
Identity = tuple[str, str, str]


def guests() -> list[Identity]:
    """Return tenant, name and UUID of the guests, which stay the same objects from page to page."""
    return [
        (f"{guest % 40:032x}", f"instance-{guest:08x}", f"5c0c3b1a-7d5e-4f1b-9d3a-{guest:012x}")
        for guest in range(GUESTS)
    ]


def snapshot(identities: list[Identity], page: int) -> Snapshot:
    """Return the snapshot of one scrape; counters grow with `page`."""
    rows = [row for row in catalogue.ALL if len(row.label_names) == 4 and row.kind is not Kind.HISTOGRAM]
    families = tuple(Family(row, dict(_series(row, identities, page))) for row in rows[:FAMILIES])
    return Snapshot(taken_at=float(page), families=families)


def _series(row: Metric, identities: list[Identity], page: int) -> Iterator[tuple[tuple[str, ...], float]]:
    for number, identity in enumerate(identities, start=1):
        yield (*identity, "vda"), _value(row, number, page)


def _value(row: Metric, guest: int, page: int) -> float:
    if row.kind is not Kind.COUNTER:
        return guest * 2**30 if row.unit == "bytes" else 1
    moved = guest * 1_000_003 * (page + 1)
    return moved * 977 / 1e9 if row.unit == "seconds" else moved


def _generate(form: Format, collector: ClientCollector) -> bytes:
    if form is Format.TEXT:
        return prometheus_client.exposition.generate_latest(collector)
    return bytes(prometheus_client.openmetrics.exposition.generate_latest(collector))  # type: ignore[no-untyped-call]


def _cost(encode: Callable[[], bytes]) -> float:
    """Return the CPU time of one call in milliseconds: a shared machine's wall clock measures others too."""
    gc.collect()
    start = time.thread_time()
    encode()
    return (time.thread_time() - start) * 1e3


def measure(form: Format) -> float:
    """Print both medians for `form` and return how many times as fast the encoder is."""
    encoder, identities = Encoder(), guests()
    first = _cost(partial(encoder.encode, snapshot(identities, 0), form))
    client, own = [], []
    for page in (snapshot(identities, number) for number in range(1, ROUNDS)):
        collector = ClientCollector(page)
        client.append(_cost(partial(_generate, form, collector)))
        own.append(_cost(partial(encoder.encode, page, form)))
        assert encoder.encode(page, form) == _generate(form, collector), "the two pages differ"
    theirs, ours = statistics.median(client), statistics.median(own)
    print(
        f"{form.name.lower()}, {len(identities) * FAMILIES:,} samples: client {theirs:.1f} ms, "
        f"encoder {ours:.1f} ms (its first page {first:.1f} ms), {theirs / ours:.1f} times as fast"
    )
    return theirs / ours


if __name__ == "__main__":
    for each in Format:
        measure(each)
