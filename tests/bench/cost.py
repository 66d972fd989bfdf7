"""What a scrape costs: time for the scraper, CPU and memory for the exporter and for libvirtd."""

import os
import statistics
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
# Long enough that a page that is kept for a second is never served twice.
PAUSE_SECONDS = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The figures of a number of scrapes. Times in seconds, CPU per scrape, memory in bytes."""

    name: str
    scrapes: int
    median: float
    worst: float
    samples: int
    page_bytes: int
    exporter_cpu: float
    libvirtd_cpu: float
    peak_memory: int

    @property
    def cpu_per_sample(self) -> float:
        """CPU of exporter and libvirtd together for each sample delivered, in seconds."""
        return (self.exporter_cpu + self.libvirtd_cpu) / self.samples

    def row(self) -> str:
        """Return the figures as a line of a table; see `HEADINGS`."""
        return (
            f"{self.name:28} {self.median * 1000:8.0f} {self.worst * 1000:8.0f} {self.samples:9d} "
            f"{self.page_bytes / 1e6:7.2f} {self.exporter_cpu * 1000:9.1f} {self.libvirtd_cpu * 1000:9.1f} "
            f"{self.cpu_per_sample * 1e6:10.1f} {self.peak_memory / 2**20:8.1f}"
        )


HEADINGS = (
    f"{'':28} {'median':>8} {'worst':>8} {'samples':>9} {'page':>7} {'exporter':>9} {'libvirtd':>9} "
    f"{'CPU per':>10} {'peak':>8}\n"
    f"{'':28} {'ms':>8} {'ms':>8} {'':>9} {'MB':>7} {'CPU ms':>9} {'CPU ms':>9} {'sample us':>10} {'MiB':>8}"
)


def measure(name: str, url: str, exporter: int, libvirtd: int, scrapes: int) -> Cost:
    """Scrape `url` and return what it cost the processes `exporter` and `libvirtd`."""
    get(url)  # connections are made and caches are warm for everybody
    before = {pid: cpu_seconds(pid) for pid in (exporter, libvirtd)}
    times, page = [], b""
    for _ in range(scrapes):
        time.sleep(PAUSE_SECONDS)
        started = time.perf_counter()
        page = get(url)
        times.append(time.perf_counter() - started)
    used = {pid: (cpu_seconds(pid) - before[pid]) / scrapes for pid in before}
    return Cost(
        name=name,
        scrapes=scrapes,
        median=statistics.median(times),
        worst=max(times),
        samples=sum(1 for line in page.splitlines() if line and not line.startswith(b"#")),
        page_bytes=len(page),
        exporter_cpu=used[exporter],
        libvirtd_cpu=used[libvirtd],
        peak_memory=peak_memory(exporter),
    )


def get(url: str) -> bytes:
    """Scrape once, like a Prometheus with a timeout of 30 s."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process since it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_memory(pid: int) -> int:
    """Return the most memory that a process has had resident, in bytes."""
    status: Mapping[str, str] = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(status["VmHWM"].split()[0]) * 1024
