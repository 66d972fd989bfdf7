"""What usage records cost: the processor time of their thread beside that of everything else, in one process.

``python -m tests.bench.usage``; BENCH_GUESTS and BENCH_SCRAPES change the size. Scrapes come every second
instead of every 15 s, and the account is saved at every second one, as with real intervals. Both parts are
measured in the same collections, so what else the machine does meets both.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hostcollector.app import metering as module
from hostcollector.app.metering import Metering
from hostcollector.app.wiring import Hypervisor
from hostcollector.config.settings import LibvirtSettings, PathSettings, Settings
from hostcollector.config.tenancy import UsageSettings
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from hostcollector.outputs.usage.keeper import FILE_NAME
from tests.bench.cost import PAUSE_SECONDS
from tests.bench.fleet import Fleet
from tests.lab import laboratory
from tests.lab.hypervisor import PrivateHypervisor

GUESTS = int(os.environ.get("BENCH_GUESTS", "100"))
SCRAPES = int(os.environ.get("BENCH_SCRAPES", "40"))
WARM = 4


class _Timed:
    """Adds up the processor time of the thread that a metering handles its items in."""

    def __init__(self, metering: Metering) -> None:
        self.seconds, self.handled = 0.0, 0
        self._handle: Callable[..., None] = metering._handle
        metering._handle = self._timed  # type: ignore[method-assign]

    def _timed(self, item: object) -> None:
        before = time.thread_time()
        self._handle(item)
        self.seconds += time.thread_time() - before
        self.handled += 1


def main() -> int:
    """Boot the guests, collect, and print what each part took."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    with PrivateHypervisor.start() as lab, tempfile.TemporaryDirectory() as name:
        Fleet(lab).grow(GUESTS)
        settings = Settings(
            libvirt=LibvirtSettings(uri=lab.uri_readonly),
            usage=UsageSettings(records=True),
            paths=PathSettings(state_directory=name, runtime_directory=""),
        )
        module.SAVE_SECONDS = 2 * PAUSE_SECONDS - 0.2
        costs = _costs(settings)
        state = (Path(name) / FILE_NAME).stat().st_size
    shares = [own / other for own, other in costs]
    own, other = (statistics.median(part) * 1e3 for part in zip(*costs, strict=True))
    print(f"{GUESTS} guests: {own:.2f} ms for the records of a collection that takes {other:.1f} ms of CPU")
    spread = f"{min(shares):.1%} to {max(shares):.1%}, {len(costs)} collections"
    print(f"{statistics.median(shares):.1%} more ({spread})")
    print(f"{state / GUESTS:.0f} bytes of state for each VM, written at most every 30 s")
    return 0


def _costs(settings: Settings) -> list[tuple[float, float]]:
    """Return the CPU seconds of the records and of all else, for each collection and its page."""
    hypervisor = Hypervisor.of(settings)
    collector, encoder, metering = hypervisor.collector(settings), Encoder(), hypervisor.metering
    assert metering is not None
    timed, costs = _Timed(metering), []
    hypervisor.start()
    collector.start()
    metering.start()
    try:
        hypervisor.inventory.wait_until_ready(60)
        for number in range(WARM + SCRAPES):
            time.sleep(PAUSE_SECONDS)
            handled, own, all_ = timed.handled, timed.seconds, time.process_time()
            encoder.encode(collector.snapshot().result(), Format.OPENMETRICS)
            while timed.handled == handled:
                time.sleep(0.01)
            spent = timed.seconds - own
            if number >= WARM:
                costs.append((spent, time.process_time() - all_ - spent))
    finally:
        collector.close()
        hypervisor.close()
        metering.close(10)
    return costs


if __name__ == "__main__":
    sys.exit(main())
