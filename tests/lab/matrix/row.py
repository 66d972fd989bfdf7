"""A row of the table: one fault, put in and taken out for some rounds while two clients scrape."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from tests.lab.matrix.footprint import BOUND, Footprint
from tests.lab.matrix.harm import Harm
from tests.lab.matrix.scraping import Scraping
from tests.lab.matrix.table import Result
from tests.lab.matrix.watched import Watched
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Page

ROUNDS = int(os.environ.get("LAB_ROUNDS", "1"))
"""How often each fault is put in and taken out."""

RECOVERED_WITHIN_SECONDS = 30.0
MOST_SENTENCES = 30


@dataclass(slots=True)
class Row:
    """The row as it goes on."""

    watched: Watched
    scraping: Scraping
    rounds: int = 0
    recoveries: list[float] = field(default_factory=list)

    def each_round(self, rounds: int = ROUNDS) -> Iterator[int]:
        """Yield the number of each round."""
        for number in range(rounds):
            yield number
            self.rounds += 1

    @contextmanager
    def fault(self, harm: Harm) -> Iterator[None]:
        """Allow the harm for the block, which puts the fault in and takes it out, until all is back."""
        with self.scraping.harmed(harm):
            yield
            undone = time.monotonic()
            self.see(self.watched.complete.is_on, "all is back", RECOVERED_WITHIN_SECONDS)
            self.recoveries.append(time.monotonic() - undone)
            # A client that compares its next page with one from before the fault needs the same allowance.
            self.scraping.let_all_see()

    def see(self, condition: Callable[[Page], bool], what: str, timeout: float = 30.0) -> Page:
        """Wait for a page, asked for from now on, of which the condition is true."""
        return self.scraping.see(condition, what, timeout)

    def bury(self, guest: RunningGuest) -> None:
        """Wait for libvirt to notice the guest's end; then only a page in the making may show it."""
        until(lambda: not guest.listed(), 60.0, f"libvirt's farewell to {guest.guest.name}")
        self.scraping.bury(guest.guest.uuid)

    def revive(self, guest: RunningGuest) -> None:
        """Take the guest for one that lives again."""
        self.scraping.revive(guest.guest.uuid)

    def keep_scraping(self, pages: int = 2) -> Page:
        """Let some more pages come, and return the last of them."""
        for _ in range(pages - 1):
            self.see(lambda _page: True, "anything is shown")
        return self.see(lambda _page: True, "anything is shown")


Begin = Callable[[str, Watched], AbstractContextManager[Row]]
"""What begins a row with a name on a collector."""


@contextmanager
def row(results: list[Result], name: str, watched: Watched) -> Iterator[Row]:
    """Scrape for the block, then hold the row to its promises: nothing wrong, nothing leaked."""
    scraping = Scraping(watched)
    before = Footprint.of(watched.served.child.pid)
    current = Row(watched, scraping)
    leaks: list[str] = []
    scraping.start()
    try:
        current.keep_scraping()
        yield current
        current.keep_scraping()
        leaks = Footprint.of(watched.served.child.pid).growth_over(before, BOUND)
    except TimeoutError as error:
        scraping.wrong.append(str(error))
    finally:
        scraping.stop()
        results.append(
            Result(
                row=name,
                rounds=current.rounds,
                scrapes=scraping.scrapes,
                worst_seconds=scraping.worst_seconds,
                recovery_seconds=max(current.recoveries, default=0.0),
                slow=scraping.slow,
                wrong=len(scraping.wrong),
                leaks=len(leaks),
            )
        )
    problems = [*scraping.wrong[:MOST_SENTENCES], *leaks]
    log = watched.served.log.read_text().splitlines()
    assert not problems, "\n".join([name, *problems, "the collector's log ends with", *log[-20:]])
