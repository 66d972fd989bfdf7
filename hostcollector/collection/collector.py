"""One collection: all sources at once, each in its lane, joined at the deadline with what is there.

Collections are shared: clients that come while one runs, or shortly after, get the same snapshot. Each
collection has the same budget. A client with less time gets a look: a snapshot of what is there when its time
is over, while the collection goes on for the others.
"""

import gc
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from hostcollector.base.errors import LaneBusyError, Reason, SourceError
from hostcollector.base.lanes import Backoff, Clock, Lane
from hostcollector.base.model import Guest, Report, Snapshot, SourceState
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.stopwatch import Stage, unmeasured
from hostcollector.collection.about import About
from hostcollector.collection.assemble import Assembler
from hostcollector.guests.selection import ALL, Selected

# A client with less time than this, or than the budget if that is less, gets no look.
FLOOR_SECONDS = 1.0
# Clients whose time ends within so many seconds share a look.
LOOK_SECONDS = 0.5
# How late a look may be.
LATE_SECONDS = 0.1
# A source that misses this many deadlines in a row is not read for a while.
PATIENCE = 3
# After so many new objects, less those freed, Python looks for reference cycles: in a collection, and else.
IN_COLLECTION, USUALLY = (10_000, 10, 10), gc.get_threshold()


@dataclass(frozen=True, slots=True)
class Guests:
    """The guests of a collection: `known` returns them by UUID, and is called once for each collection.

    `listed` returns False until the first full listing: guests may be missing before. `selection` returns
    which of them the page leaves out.
    """

    known: Callable[[], Mapping[str, Guest]]
    listed: Callable[[], bool] = lambda: True
    selection: Callable[[Mapping[str, Guest]], Selected] = lambda _: ALL


@dataclass(slots=True, eq=False)
class _Runner:
    """A source with its lane, its pause after failures, and the deadlines that it missed in a row."""

    source: Source
    lane: Lane
    backoff: Backoff
    misses: int = 0


class _Last(NamedTuple):
    """The last collection, with when it started and ended on the monotonic clock."""

    started: float
    ended: float
    collection: Future[Snapshot]


class Collector:
    """Runs collections of at most `budget` seconds, in a lane of its own.

    A snapshot is given again until it is `maximum_age` seconds old. `about` counts the reports, and has the
    samples and facts about the collection itself. `listener` gets each collection before the next one
    begins, and must not block.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        assembler: Assembler,
        guests: Guests,
        about: About | None = None,
        *,
        budget: float = 8.0,
        maximum_age: float = 1.0,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
        stage: Stage = unmeasured,
        listener: Callable[[Snapshot], object] = lambda _: None,
    ) -> None:
        self._runners = [
            _Runner(source, Lane(source.name, clock), Backoff(5.0, 60.0, clock)) for source in sources
        ]
        self._assembler = assembler
        self._guests = guests
        self._about = about or About()
        self._budget = budget
        self._maximum_age = maximum_age
        self._clock, self._wall_clock = clock, wall_clock
        self._stage = stage
        self._listener = listener
        self._lane = Lane("collector", clock)
        self._lock = threading.RLock()
        self._running: Future[Snapshot] | None = None
        self._started = 0.0
        self._looks: dict[float, Future[Snapshot]] = {}
        self._last: _Last | None = None

    def snapshot(self, patience: float | None = None, maximum_age: float | None = None) -> Future[Snapshot]:
        """Return the running collection, a fresh enough one, or start one.

        With `maximum_age` a collection that began at most so many seconds ago is fresh enough, also while
        another one runs. `patience` is the client's time in seconds. If the collection may still take longer,
        the client gets a look when its time is over, or the collection if that ends before. With less than
        `FLOOR_SECONDS` it gets the collection only.
        """
        with self._lock:
            last, now = self._last, self._clock()
            if last is not None and maximum_age is not None and now - last.started <= maximum_age:
                return last.collection
            if self._running is None or self._running.done():
                if last is not None and now - last.ended < self._maximum_age:
                    return last.collection
                self._started = self._clock()
                self._running = self._lane.submit(self._collect)
                self._running.add_done_callback(partial(self._keep, self._started))
            if patience is None:
                return self._running
            return self._look(self._clock() + patience - self._started) or self._running

    def _look(self, elapsed: float) -> Future[Snapshot] | None:
        """Return the look at the running collection after so many seconds; None where it is over by then."""
        elapsed -= elapsed % LOOK_SECONDS
        if not min(FLOOR_SECONDS, self._budget) <= elapsed < self._budget:
            return None
        return self._looks.setdefault(elapsed, Future())

    def start(self) -> None:
        """Start what the sources do in the background; before the first collection."""
        for runner in self._runners:
            runner.source.start()

    def settle(self, seconds: float) -> None:
        """Wait for the first answers of what is asked in the background; before a collection by hand."""
        ends_at = self._clock() + seconds
        for runner in self._runners:
            runner.source.settle(max(0.0, ends_at - self._clock()))

    def close(self) -> None:
        """Close all sources in their lanes; a lane that is stuck ends with the process."""
        self._lane.close()
        self._close_sources()

    def retire(self) -> None:
        """Close after the running collection, for which clients may wait; a reload has another collector."""
        self._lane.close(self._close_sources)

    def _close_sources(self) -> None:
        for runner in self._runners:
            runner.lane.close(runner.source.close)

    def wait_closed(self, seconds: float) -> None:
        """Wait, after `close` and before the process ends, for what sources close in the background."""
        ends_at = self._clock() + seconds
        for runner in self._runners:
            runner.source.wait_closed(max(0.0, ends_at - self._clock()))

    def _keep(self, started: float, done: Future[Snapshot]) -> None:
        with self._lock:
            self._last = _Last(started, self._clock(), done) if done.exception() is None else None
            looks, self._looks = self._looks, {}
            if done.exception() is None:
                self._listener(done.result())
        for look in looks.values():
            if done.exception() is None:
                look.set_result(done.result())
            else:
                look.set_exception(done.exception())

    def _collect(self) -> Snapshot:
        with _cycles_looked_for_seldom():
            return self._collected()

    def _collected(self) -> Snapshot:
        taken_at = self._wall_clock()
        listed = self._guests.listed()  # before the guests: a listing in between only adds guests
        with self._stage("inventory"):
            guests = self._guests.known()
        deadline = self._started + self._budget
        request = Request(guests=guests, deadline=deadline, taken_at=taken_at, guests_listed=listed)
        flights = [(runner, self._start(runner, request)) for runner in self._runners]
        reads = [flight for _, flight in flights if isinstance(flight, Future)]
        while (left := deadline - self._clock()) > 0 and wait(reads, min(left, LATE_SECONDS)).not_done:
            self._show(flights, request)
        reports = [self._land(runner, flight, taken_at) for runner, flight in flights]
        return self._page(reports, request)

    def _show(self, flights: "_Flights", request: Request) -> None:
        """Give the clients whose time is over a look. This counts as no missed deadline of a source."""
        elapsed = self._clock() - self._started
        with self._lock:
            due = [self._looks.pop(time) for time in sorted(self._looks) if time <= elapsed]
        if not due:
            return
        snapshot = self._page([self._report(runner, flight) for runner, flight in flights], request)
        for look in due:
            look.set_result(snapshot)

    def _page(self, reports: Sequence[Report], request: Request) -> Snapshot:
        with self._stage("assemble"):
            duration = self._clock() - self._started
            selected = self._guests.selection(request.guests)
            if not request.guests_listed:
                selected = replace(selected, notes=())  # what a pattern matches may not be known so far
            return self._assembler.assemble(
                taken_at=request.taken_at,
                guests=request.guests,
                reports=reports,
                own=list(self._about.samples(reports, request.guests, duration, selected.left_out)),
                facts=self._about.facts(),
                selected=selected,
            )

    def _start(self, runner: _Runner, request: Request) -> "Future[_Timed] | Report":
        """Start the source, or return the report of why it is not started."""
        name = runner.source.name
        if not runner.backoff.ready:
            text = f"left alone for {runner.backoff.pause:.0f} s after {runner.misses} missed deadlines"
            return _failed(name, Reason.BACKOFF, text)
        try:
            return runner.lane.submit(lambda: self._timed(runner.source, request))
        except LaneBusyError as error:
            return _failed(name, Reason.BUSY, f"the last read has not returned for {error.seconds:.0f} s")

    def _timed(self, source: Source, request: Request) -> "_Timed":
        started = self._clock()
        with self._stage(source.name):
            return source.read(request), self._clock() - started

    def _report(self, runner: _Runner, flight: "Future[_Timed] | Report") -> Report:
        """Return the report of what the source has given by now."""
        if isinstance(flight, Report):
            return flight
        return _report(runner.source.name, flight, self._clock() - self._started)

    def _land(self, runner: _Runner, flight: "Future[_Timed] | Report", taken_at: float) -> Report:
        """Return the source's final report; count it, and the deadline if the source missed it."""
        report = self._report(runner, flight)
        if report.reason is Reason.TIMEOUT:
            runner.misses += 1
            if runner.misses >= PATIENCE:
                runner.backoff.failed()
        elif report.state is not SourceState.FAILED:
            runner.misses = 0
            runner.backoff.succeeded()
        self._about.count(report, taken_at)
        return report


_Timed = tuple[Reading, float]
_Flights = Sequence[tuple[_Runner, Future[_Timed] | Report]]


@contextmanager
def _cycles_looked_for_seldom() -> Iterator[None]:
    """Let Python look for reference cycles after 10,000 new objects, not after Python's 700.

    A collection makes more than 10,000 samples, which are no cycles. Looking through them a dozen times took
    a tenth of a scrape's processor time. Between collections the usual setting holds: connections of hostile
    clients leave cycles that must not wait.
    """
    gc.set_threshold(*IN_COLLECTION)
    try:
        yield
    finally:
        gc.set_threshold(*USUALLY)


def _failed(source: str, reason: Reason, text: str, duration: float = 0.0) -> Report:
    return Report(source=source, state=SourceState.FAILED, reason=reason, notes=(text,), duration=duration)


def _report(source: str, flight: Future[_Timed], waited: float) -> Report:
    if not flight.done():
        return _failed(source, Reason.TIMEOUT, f"no answer within {waited:.1f} s", waited)
    error = flight.exception()
    if error is not None:
        reason = error.reason if isinstance(error, SourceError) else Reason.INTERNAL
        return _failed(source, reason, str(error) if isinstance(error, SourceError) else repr(error), waited)
    reading, duration = flight.result()
    state = SourceState.PARTIAL if reading.partial else SourceState.OK
    return Report(
        source=source,
        state=SourceState.OFF if reading.off else state,
        samples=tuple(reading.samples),
        sample_count=len(reading.samples),
        notes=reading.notes,
        missing=reading.missing,
        duration=duration,
        off=reading.off,
    )
