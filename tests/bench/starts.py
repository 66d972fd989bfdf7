"""What a scraper sees of a collector that starts: the first answered page, and how many guests are on it."""

import tempfile
import time
import urllib.error
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.running import RunningGuest
from tests.lab.served import Served, starting
from tests.lab.trees import inside

STARTS = 5
EVERY_SECONDS = 0.002
"""Between two scrapes: the first one meets the daemon as soon as it listens."""

PATIENCE_SECONDS = 30.0
TIMEOUTS = (10.0, 1.0)
"""What the scraper waits for an answer: Prometheus' usual, and little."""

HEADINGS = (
    "\n| scraper's timeout | start | first page after | guests on it | later pages with all guests "
    "| answers before it |\n|---|---|---|---|---|---|"
)
LATER_PAGES, LATER_SECONDS = 20, 0.2


@dataclass(slots=True)
class Start:
    """One start, as a scraper saw it."""

    wanted: frozenset[str]
    """The UUIDs of the guests."""

    before: list[str] = field(default_factory=list)
    """What it got instead of a page."""

    pages: list[int] = field(default_factory=list)
    """How many of the guests were on each page."""

    seconds: float = 0.0
    """How long after the start the first page was there."""

    def watch(self, served: Served, timeout: float) -> None:
        """Scrape again and again until there have been a few pages."""
        began = time.monotonic()
        while len(self.pages) <= LATER_PAGES and time.monotonic() - began < PATIENCE_SECONDS:
            try:
                page = served.page(timeout)
            except (OSError, HTTPException, urllib.error.URLError) as error:
                self.before.append(_said(error))
            else:
                self.seconds = self.seconds or time.monotonic() - began
                seen = {value for _, labels in page.series for name, value in labels if name == "uuid"}
                self.pages.append(len(seen & self.wanted))
            time.sleep(LATER_SECONDS if self.pages else EVERY_SECONDS)

    def row(self, number: int, timeout: float) -> str:
        """Return one line of the table."""
        if not self.pages:
            return f"| {timeout:g} s | {number} | never | | | {_counted(self.before)} |"
        there = len(self.wanted)
        later = self.pages[1:]
        return (
            f"| {timeout:g} s | {number} | {self.seconds:.2f} s | {self.pages[0]} of {there} "
            f"| {later.count(there)} of {len(later)} | {_counted(self.before)} |"
        )


def show(hypervisor: PrivateHypervisor, guests: Sequence[RunningGuest]) -> None:
    """Start the collector some times with each timeout, and print what was seen."""
    print(HEADINGS, flush=True)
    for timeout in TIMEOUTS:
        for number in range(1, STARTS + 1):
            start = Start(frozenset(guest.guest.uuid for guest in guests))
            with tempfile.TemporaryDirectory() as name:
                directory = Path(name)
                configuration = directory / "config.yml"
                configuration.write_text(f"paths: {{state_directory: {directory / 'state'}}}\n")
                flag = f"--config.file={configuration}"
                with starting(hypervisor.uri_readonly, directory, flag, within=inside()) as served:
                    start.watch(served, timeout)
            print(start.row(number, timeout), flush=True)


def _said(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        with error:
            return f"{error.code}: {error.read().decode()[:60].strip()}"
    return "no connection" if "refused" in str(error) else f"{type(error).__name__}"


def _counted(said: Sequence[str]) -> str:
    return "; ".join(f"{said.count(each)} x {each}" for each in dict.fromkeys(said))
