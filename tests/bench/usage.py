"""What usage records cost: two daemons on the same guests, one that records, scraped in turn.

``python -m tests.bench.usage``; BENCH_GUESTS and BENCH_PAIRS change the size. Each half of a pair is four
scrapes; the halves change places in every second pair, so that what else the machine does meets both. The
last line is what a VM's hour takes in the ledger.
"""

import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import yaml

from hostcollector.catalogue.usage import UsageRecord, parse_line
from hostcollector.outputs.usage.ledger import FOLDER, Ledger
from tests.bench.cost import PAUSE_SECONDS, cpu_seconds, get
from tests.bench.fleet import Fleet
from tests.lab import laboratory
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.served import Served, serving

GUESTS = int(os.environ.get("BENCH_GUESTS", "100"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "10"))
SCRAPES = 4
HOURS_PER_MONTH = 730


def main() -> int:
    """Boot the guests, measure the pairs, print them and their medians."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    with PrivateHypervisor.start() as hypervisor, tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        fleet = Fleet(hypervisor)
        fleet.grow(GUESTS)
        daemons = {
            records: stack.enter_context(
                serving(
                    hypervisor.uri_readonly,
                    Path(name),
                    f"--config.file={_configuration(Path(name), records=records)}",
                )
            )
            for records in (False, True)
        }
        for _ in range(2):
            for served in daemons.values():
                _half(served)  # caches are warm for both
        print(f"{GUESTS} guests, {PAIRS} pairs of {SCRAPES} scrapes", flush=True)
        ratios, costs = [], []
        for number in range(PAIRS):
            turn = (False, True) if number % 2 == 0 else (True, False)
            halves = {records: _half(daemons[records]) for records in turn}
            ratios.append(halves[True] / halves[False])
            costs.append((halves[True] - halves[False]) / SCRAPES)
            print(f"{number + 1:4d} {halves[False] * 1e3:7.1f} {halves[True] * 1e3:7.1f} ms", flush=True)
        stack.close()
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"CPU of the daemon, with usage records: {statistics.median(ratios):.3f} times ({spread})")
        print(f"{statistics.median(costs) * 1e3:.2f} ms for each collection")
        _size(Path(name))
    return 0


def _configuration(directory: Path, *, records: bool) -> Path:
    file = directory / f"config-{records}.yml"
    state = directory / f"state-{records}"
    settings = {
        "usage": {"records": records},
        "paths": {"state_directory": str(state), "runtime_directory": ""},
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def _half(served: Served) -> float:
    """Scrape, and return the CPU seconds that this took of the daemon."""
    before = cpu_seconds([served.child.pid])
    for _ in range(SCRAPES):
        time.sleep(PAUSE_SECONDS)
        get(f"{served.url}/metrics", timeout=120)
    time.sleep(0.2)  # the records are made after the answer
    return cpu_seconds([served.child.pid]) - before


def _size(directory: Path) -> None:
    """Print the bytes of a record, as the daemon's state would write it at the end of the hour."""
    state = directory / "state-True"
    account = (state / FOLDER / "open" / "lives.json").stat().st_size
    ledger = Ledger(state, writes=False)
    ledger.open()
    records = [line for line in ledger.read(0, 10_000) if isinstance(parse_line(line), UsageRecord)]
    if records:
        size = statistics.mean(len(line) + 10 for line in records)
        print(
            f"{size:.0f} bytes for each record, {size * HOURS_PER_MONTH / 1e3:.0f} kB for each VM and month"
        )
    print(f"{account / GUESTS:.0f} bytes of state for each VM, written at most every 30 s")


if __name__ == "__main__":
    sys.exit(main())
