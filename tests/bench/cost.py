"""What a scrape costs: time for the scraper, CPU and memory for exporter, libvirtd and the guests' QEMUs."""

import math
import statistics
import time
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Long enough that a page that is kept for a second is never served twice.
PAUSE_SECONDS = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The figures of a number of scrapes. Times in seconds, CPU per scrape, memory in bytes."""

    name: str
    guests: int
    times: Sequence[float]
    samples: int
    page_bytes: int
    exporter_cpu: float
    libvirtd_cpu: float
    guests_cpu: float
    peak_memory: int

    @property
    def median(self) -> float:
        """The median scrape time."""
        return statistics.median(self.times)

    @property
    def p99(self) -> float:
        """The scrape time that 99 of 100 scrapes keep, by nearest rank: of fewer than 100 the longest."""
        return sorted(self.times)[math.ceil(0.99 * len(self.times)) - 1]

    @property
    def cpu_per_sample(self) -> float:
        """CPU of exporter and libvirtd together for each sample delivered, in seconds."""
        return (self.exporter_cpu + self.libvirtd_cpu) / self.samples

    def row(self) -> str:
        """Return the figures as a line of a table; see `HEADINGS`."""
        return (
            f"{self.name:28} {self.guests:6d} {self.median * 1e3:8.0f} {self.p99 * 1e3:8.0f} "
            f"{self.samples:8d} {self.page_bytes / 1e6:7.2f} {self.exporter_cpu * 1e3:9.1f} "
            f"{self.libvirtd_cpu * 1e3:9.1f} {self.guests_cpu * 1e3:8.1f} "
            f"{self.cpu_per_sample * 1e6:9.1f} {self.peak_memory / 2**20:7.1f}"
        )


HEADINGS = (
    f"{'':28} {'guests':>6} {'median':>8} {'p99':>8} {'samples':>8} {'page':>7} {'exporter':>9} "
    f"{'libvirtd':>9} {'QEMUs':>8} {'CPU per':>9} {'peak':>7}\n"
    f"{'':28} {'':>6} {'ms':>8} {'ms':>8} {'':>8} {'MB':>7} {'CPU ms':>9} {'CPU ms':>9} "
    f"{'CPU ms':>8} {'sample us':>9} {'MiB':>7}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Whose CPU a scrape uses."""

    exporter: int
    libvirtd: int
    guests: Sequence[int]


def measure(name: str, url: str, processes: Processes, scrapes: int, pause: float = PAUSE_SECONDS) -> Cost:
    """Scrape `url` every `pause` seconds after its last answer, and return what that cost.

    What the guests' QEMUs use without queries is measured first and taken off.
    """
    at_rest = idle_cpu(processes.guests)
    get(url)  # connections are made and caches are warm for all
    parts = ([processes.exporter], [processes.libvirtd], processes.guests)
    before, began = [cpu_seconds(part) for part in parts], time.perf_counter()
    times, page = [], b""
    for _ in range(scrapes):
        time.sleep(pause)
        started = time.perf_counter()
        page = get(url)
        times.append(time.perf_counter() - started)
    took = time.perf_counter() - began
    used = [cpu_seconds(part) - start for part, start in zip(parts, before, strict=True)]
    return Cost(
        name=name,
        guests=len(processes.guests),
        times=times,
        samples=sum(1 for line in page.splitlines() if line and not line.startswith(b"#")),
        page_bytes=len(page),
        exporter_cpu=used[0] / scrapes,
        libvirtd_cpu=used[1] / scrapes,
        guests_cpu=max(0.0, used[2] - at_rest * took) / scrapes,
        peak_memory=peak_memory(processes.exporter),
    )


def get(url: str, timeout: float = 30.0) -> bytes:
    """Scrape once, like a Prometheus with this timeout in seconds."""
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return bytes(answer.read())


def idle_cpu(pids: Iterable[int], seconds: float = 2.0) -> float:
    """Return the CPU seconds that processes use in a second in which nothing is asked of them."""
    before = cpu_seconds(pids)
    time.sleep(seconds)
    return (cpu_seconds(pids) - before) / seconds


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of processes since they started, that of ended threads too.

    By the clock that the kernel keeps of every process, see clock_getcpuclockid(3): /proc only counts ticks.
    """
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def peak_memory(pid: int) -> int:
    """Return the most memory that a process has had resident, in bytes."""
    status: Mapping[str, str] = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(status["VmHWM"].split()[0]) * 1024
