"""A real `hostcollector serve` on a hypervisor of the laboratory, read over HTTP like Prometheus does."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.lab.process import end, spawn, until
from tests.ports import reserved_port

Labels = frozenset[tuple[str, str]]


# They name guests of the past, until the collector restarts.
PAST = frozenset(
    {
        "hostcollector_host_domain_ended_timestamp_seconds",
        "hostcollector_host_domain_incident_timestamp_seconds",
    }
)


@dataclass(frozen=True, slots=True)
class Page:
    """One scrape: every series by its name and labels, and how long the answer took in seconds."""

    series: Mapping[tuple[str, Labels], float]
    text: str
    seconds: float

    def all(self, name: str, **labels: str) -> dict[Labels, float]:
        """Return the values of a metric's series that have `labels`, by all their labels."""
        wanted = set(labels.items())
        return {
            found: value
            for (metric, found), value in self.series.items()
            if metric == name and wanted <= found
        }

    def one(self, name: str, **labels: str) -> float:
        """Return the value of the only series of a metric that has `labels`."""
        found = self.all(name, **labels)
        assert len(found) == 1, f"{len(found)} series of {name} with {labels}"
        return next(iter(found.values()))

    def guests(self) -> set[str]:
        """Return the UUIDs of the guests that run by the page: series about past guests do not count."""
        return {dict(labels).get("uuid", "") for name, labels in self.series if name not in PAST}

    def names(self, **labels: str) -> set[str]:
        """Return the metrics that have a series with `labels`."""
        wanted = set(labels.items())
        return {metric for metric, found in self.series if wanted <= found}


def parse(text: str, seconds: float = 0.0) -> Page:
    """Read a page with prometheus_client's parser; a duplicate series is an error."""
    series: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in series, f"twice on the page: {key}"
            series[key] = sample.value
    return Page(series, text, seconds)


@dataclass(frozen=True, slots=True)
class Served:
    """A running collector."""

    child: subprocess.Popen[bytes]
    url: str
    log: Path

    def page(self, timeout: float = 10.0, path: str = "/metrics") -> Page:
        """Scrape once."""
        started = time.monotonic()
        text = self.text(timeout, path)
        return parse(text, time.monotonic() - started)

    def page_where(self, condition: Callable[[Page], bool], what: str, timeout: float = 20.0) -> Page:
        """Scrape until a page meets the condition, and return that very page; TimeoutError, naming it, else.

        What is to be found on a page is asserted on this one: each fact comes with its own source.
        """
        pages: list[Page] = []

        def met() -> bool:
            pages[:] = [self.page()]
            return condition(pages[0])

        until(met, timeout, what)
        return pages[0]

    def text(self, timeout: float = 10.0, path: str = "/metrics") -> str:
        """Scrape once, and return the page as it comes."""
        request = urllib.request.Request(
            f"{self.url}{path}", headers={"X-Prometheus-Scrape-Timeout-Seconds": str(timeout)}
        )
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return str(answer.read().decode())

    def ready(self) -> bool:
        """Whether the first inventory is done."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            assert self.child.poll() is None, self.log.read_text()
            return False

    def file_descriptors(self) -> int:
        """Return how many file descriptors the collector holds."""
        return len(list(Path(f"/proc/{self.child.pid}/fd").iterdir()))

    def threads(self) -> int:
        """Return how many threads the collector has."""
        return len(list(Path(f"/proc/{self.child.pid}/task").iterdir()))


@contextmanager
def starting(uri: str, directory: Path, *flags: str, within: Sequence[str] = ()) -> Iterator[Served]:
    """Run `hostcollector serve` for the block, from before it listens.

    `within` is a command that makes its surroundings and then becomes it, such as ``prlimit --nofile=64``.
    """
    log = directory / "hostcollector.log"
    command = [*within, sys.executable, "-m", "hostcollector", "serve", f"--libvirt.uri={uri}"]
    with reserved_port() as port:
        child = spawn([*command, f"--web.listen-address=127.0.0.1:{port}", *flags], log)
        try:
            yield Served(child, f"http://127.0.0.1:{port}", log)
        finally:
            end(child)


@contextmanager
def serving(uri: str, directory: Path, *flags: str, within: Sequence[str] = ()) -> Iterator[Served]:
    """Do the same, and wait until it is ready to be scraped."""
    with starting(uri, directory, *flags, within=within) as served:
        until(served.ready, 30.0, f"the collector, see {served.log}")
        yield served
