"""Clients that scrape every second, each page judged as it comes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from http.client import HTTPException
from operator import or_

from tests.lab.matrix.harm import NO_HARM, Harm
from tests.lab.matrix.judge import Judge
from tests.lab.matrix.watched import Watched
from tests.lab.process import slowness
from tests.lab.served import Page

CLIENTS = 2
INTERVAL_SECONDS = 1.0
TIMEOUT_SECONDS = 8.0
"""What the clients say that they wait. The collection has this less the margin; the rest is for the page."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """One page, and when it was asked for, on the monotonic clock."""

    page: Page
    began: float


@dataclass(slots=True)
class _Window:
    harm: Harm
    opened: float
    closed: float | None = None


class Scraping:
    """Two clients on a collector, from `start` to `stop`. `wrong` collects what may not be."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._windows: list[_Window] = []
        self._stopping = threading.Event()
        self._graves: dict[str, float] = {}
        self._came = threading.Condition()
        self._latest: Scrape | None = None
        self._judges = [Judge(watched.complete) for _ in range(CLIENTS)]
        self._judged = [0.0] * CLIENTS
        self._threads = [
            threading.Thread(target=self._client, args=(client,), daemon=True) for client in range(CLIENTS)
        ]
        self._started = time.monotonic()
        self.scrapes = 0
        self.worst_seconds = 0.0
        self.wrong: list[str] = []

    @property
    def slow(self) -> int:
        """How often a guest was too slow to be read, which the page says of it."""
        return sum(judge.slow for judge in self._judges)

    def start(self) -> None:
        """Begin to scrape."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the clients finish their last scrape."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def harmed(self, harm: Harm) -> Iterator[None]:
        """Allow the harm for the block, to each scrape that has any moment in common with it."""
        window = _Window(harm, time.monotonic())
        self._windows.append(window)
        try:
            yield
        finally:
            window.closed = time.monotonic()

    def bury(self, uuid: str) -> None:
        """Expect a guest to be on no more than one page that is asked for from now on."""
        self._graves[uuid] = time.monotonic()

    def revive(self, uuid: str) -> None:
        """Expect the guest again; to be called before it is started."""
        self._graves.pop(uuid, None)

    def see(self, condition: Callable[[Page], bool], what: str, timeout: float = 30.0) -> Page:
        """Wait for a page, asked for from now on, of which the condition is true; TimeoutError otherwise.

        The time is that of an idle machine.
        """
        asked = time.monotonic()

        def found() -> bool:
            scrape = self._latest
            return scrape is not None and scrape.began >= asked and condition(scrape.page)

        with self._came:
            if not self._came.wait_for(found, timeout * slowness()):
                raise TimeoutError(f"no page within {timeout:g} s on which {what}")
            assert self._latest is not None
            return self._latest.page

    def let_all_see(self, timeout: float = 30.0) -> None:
        """Wait until each client has judged a page that it asked for from now on; TimeoutError otherwise."""
        asked = time.monotonic()
        with self._came:
            if not self._came.wait_for(lambda: min(self._judged) >= asked, timeout * slowness()):
                raise TimeoutError(f"no page for each client within {timeout:g} s")

    def _client(self, client: int) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            began = time.monotonic()
            self._scrape(self._judges[client], began)
            with self._came:
                self._judged[client] = began
                self._came.notify_all()
            due = max(due + INTERVAL_SECONDS, time.monotonic())
            self._stopping.wait(due - time.monotonic())

    def _scrape(self, judge: Judge, began: float) -> None:
        try:
            page = self._watched.served.page(TIMEOUT_SECONDS)
        except (OSError, HTTPException, AssertionError) as error:
            self._note([f"a scrape failed after {time.monotonic() - began:.1f} s: {error!r}"], began)
            return
        harm = self._in_force(began)
        dead = frozenset(uuid for uuid, died in list(self._graves.items()) if died <= began)
        sentences = judge.wrong(page, harm, dead)
        if page.seconds > TIMEOUT_SECONDS:
            sentences.append(f"a scrape took {page.seconds:.1f} s")
        self._note(sentences, began, page)

    def _in_force(self, began: float) -> Harm:
        harms = (
            window.harm for window in list(self._windows) if window.closed is None or window.closed >= began
        )
        return reduce(or_, harms, NO_HARM)

    def _note(self, sentences: list[str], began: float, page: Page | None = None) -> None:
        with self._came:
            self.scrapes += 1
            self.wrong += (f"{began - self._started:5.1f} s: {sentence}" for sentence in sentences)
            self.worst_seconds = max(self.worst_seconds, page.seconds if page else time.monotonic() - began)
            if page and (self._latest is None or self._latest.began < began):
                self._latest = Scrape(page, began)
            self._came.notify_all()
