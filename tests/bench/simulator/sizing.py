"""What a series costs in memory and CPU, and a sample on disk: of Prometheus, and of a store behind it."""

import os
import shutil
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cost import cpu_seconds
from tests.bench.simulator import report
from tests.bench.simulator.fleet import SimulatedFleet, Size
from tests.bench.simulator.pattern import Pattern
from tests.bench.simulator.prometheus import SCRAPE_SECONDS, Server, resident_memory
from tests.bench.simulator.simulation import simulation
from tests.dashboards.rule_files import RULES
from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers
from tests.ports import reserved_port

_STORE = "victoria-metrics"
_SMALLER = 10
# Half an hour fills the chunks of 120 samples in which Prometheus keeps them.
_WARM_SECONDS = float(os.environ.get("FLEET_WARM_SECONDS", "1500"))
_MEASURED_SECONDS = 400.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """The figures of a server: `cpu` in seconds for each million samples, `disk` in bytes for each sample."""

    name: str
    series: float
    memory: float
    """Bytes resident for each series."""
    cpu: float
    disk: float

    def row(self) -> tuple[str, ...]:
        """Return the line of a table."""
        day = 86_400 / SCRAPE_SECONDS * self.disk
        return (
            self.name,
            f"{self.series:,.0f}",
            f"{self.memory / 1024:.1f} KiB",
            f"{self.cpu:.1f} s",
            f"{self.disk:.2f}",
            f"{day / 1024:.1f} KiB",
        )


HEADINGS = (
    "server",
    "series",
    "memory per series",
    "CPU per million samples",
    "bytes per sample",
    "disk per series and day",
)


@dataclass(frozen=True, slots=True)
class Store:
    """A running VictoriaMetrics, single node: the storage of a cluster's nodes is the same code."""

    url: str
    pid: int

    def metric(self, beginning: str) -> float:
        """Return the sum of those of its own metrics that begin so."""
        return _sum(self.url, beginning)

    def flush(self) -> None:
        """Have it write what it holds in memory."""
        urllib.request.urlopen(f"{self.url}/internal/force_flush", timeout=60).close()


@contextmanager
def store(directory: Path) -> Iterator[Store]:
    """Run the store for the block."""
    log = directory / "store.log"
    with reserved_port() as port:
        command = [
            _STORE,
            f"-storageDataPath={directory / 'store'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=1",
        ]
        child = spawn(command, log)
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: answers(f"{url}/health"), 60.0, f"VictoriaMetrics, see {log}")
            yield Store(url, child.pid)
        finally:
            end(child, grace=60.0)


def part(captured: Pattern, size: Size, directory: Path) -> None:
    """Run a tenth of the fleet with a store behind Prometheus, and write what each costs."""
    if shutil.which(_STORE) is None:
        print(f"There is no {_STORE}: apt-get install {_STORE}", file=sys.stderr)
        return
    hosts = max(1, size.hosts // _SMALLER)
    fleet = SimulatedFleet(Size(hosts, size.guests), captured, time.time())
    with (
        store(directory) as behind,
        simulation(fleet, directory, RULES, store=f"{behind.url}/api/v1/write") as server,
    ):
        time.sleep(_WARM_SECONDS)
        sizes = measured(server, behind, _MEASURED_SECONDS)
    minutes = (_WARM_SECONDS + _MEASURED_SECONDS) / 60
    what = f"{hosts} hosts with {size.guests} guests, after {minutes:.0f} minutes of scrapes:"
    report.write(report.SUMMARY, "sizing", what, report.table(HEADINGS, (one.row() for one in sizes)))


def measured(server: Server, behind: Store, seconds: float) -> tuple[Sizes, Sizes]:
    """Watch both for so long, and return what each costs now."""
    before = _appended(server), behind.metric("vm_rows_inserted_total")
    used = cpu_seconds([server.pid]), cpu_seconds([behind.pid])
    time.sleep(seconds)
    appended, inserted = _appended(server) - before[0], behind.metric("vm_rows_inserted_total") - before[1]
    cpu = cpu_seconds([server.pid]) - used[0], cpu_seconds([behind.pid]) - used[1]
    series = float(server.head()["numSeries"])
    memory = server.resident() / series, resident_memory(behind.pid) / series
    chunks = sum(path.stat().st_size for path in server.snapshot().rglob("chunks/*")) / _appended(server)
    behind.flush()
    stored = behind.metric('vm_data_size_bytes{type="storage') / behind.metric("vm_rows_inserted_total")
    return (
        Sizes("Prometheus, with rules", series, memory[0], cpu[0] / appended * 1e6, chunks),
        Sizes("VictoriaMetrics, by remote_write", series, memory[1], cpu[1] / inserted * 1e6, stored),
    )


def _appended(server: Server) -> float:
    """Return how many samples it has got, from pages and from rules."""
    return _sum(server.url, "prometheus_tsdb_head_samples_appended_total")


def _sum(url: str, beginning: str) -> float:
    """Return the sum of the series on a server's own page that begin so."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(beginning))
