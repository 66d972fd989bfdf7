"""Runs blocking reads in daemon threads, one call in flight per lane.

A call into a C binding cannot be cancelled. So a deadline abandons it: the caller goes on without the answer,
the lane stays busy until the call returns, and no call is queued behind it. The threads are daemons, so a
call that never returns does not keep the process from ending.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

from hostcollector.base.errors import LaneBusyError, LaneClosedError, SourceError

T = TypeVar("T")
Clock = Callable[[], float]


class Lane:
    """A daemon thread that runs one blocking call at a time. `clock` is monotonic, in seconds."""

    def __init__(self, name: str, clock: Clock = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._inbox: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a call is in flight."""
        return self._busy_since is not None

    @property
    def busy_seconds(self) -> float:
        """How long the call in flight has taken so far; 0 without one."""
        since = self._busy_since
        return 0.0 if since is None else self._clock() - since

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Start `call` and return its future. Raises `LaneBusyError` while a call is in flight."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise LaneClosedError(self.name)
            if self._busy_since is not None:
                raise LaneBusyError(self.name, self._clock() - self._busy_since)
            self._busy_since = self._clock()
            self._start()
        self._inbox.put((future, call))
        return future

    def attempt(self, call: Callable[[], T], otherwise: T, *, seconds: float) -> T:
        """Return what `call` returns within `seconds`, else `otherwise`.

        `otherwise` is also returned for a `SourceError`, and while an earlier call has not returned.
        """
        try:
            return self.submit(call).result(seconds)
        except (LaneBusyError, LaneClosedError, SourceError, TimeoutError):
            return otherwise

    def close(self, last: Callable[[], object] | None = None) -> None:
        """Let the thread end after the call in flight, if any, and then `last`. Does not wait."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if last is not None:
                self._start()
                self._inbox.put((Future(), last))
        self._inbox.put(None)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        """Run the next call; False when there will be none. The result is not kept afterwards."""
        item = self._inbox.get()
        if item is None:
            return False
        future, call = item
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - the one boundary: whatever a read raises is its result
            self._finish()
            future.set_exception(error)
        else:
            self._finish()
            future.set_result(result)
        return True

    def _finish(self) -> None:
        # Free before the future has its result: a waiter may submit again the moment it wakes.
        with self._lock:
            self._busy_since = None


class Workers:
    """A few lanes for work that would block the event loop; calls wait for a free one. Bound to one loop."""

    def __init__(self, name: str, count: int) -> None:
        self._lanes = [Lane(f"{name}-{number}") for number in range(count)]
        self._free: asyncio.LifoQueue[Lane] = asyncio.LifoQueue()
        for lane in reversed(self._lanes):
            self._free.put_nowait(lane)

    async def run(self, call: Callable[[], T]) -> T:
        """Return what `call` returns, or raise what it raises, after running it in a lane."""
        lane = await self._free.get()
        flight = asyncio.wrap_future(lane.submit(call))
        # When the call ends, not when its caller gives up: a lane takes one call at a time.
        flight.add_done_callback(lambda _: self._free.put_nowait(lane))
        return await asyncio.shield(flight)

    def close(self) -> None:
        """Let the lanes' threads end."""
        for lane in self._lanes:
            lane.close()


@dataclass(slots=True)
class Backoff:
    """When to try again after failures: the pause doubles from `first` to `cap` seconds."""

    first: float = 1.0
    cap: float = 60.0
    clock: Clock = time.monotonic
    failures: int = field(default=0, init=False)
    _next_try: float = field(default=0.0, init=False)

    @property
    def ready(self) -> bool:
        """Whether the pause is over."""
        return self.failures == 0 or self.clock() >= self._next_try

    @property
    def pause(self) -> float:
        """Seconds until the next try; 0 when ready."""
        return 0.0 if self.ready else self._next_try - self.clock()

    def failed(self) -> None:
        """Note a failure and start the next, longer pause."""
        exponent = min(self.failures, 30)
        self.failures += 1
        self._next_try = self.clock() + min(self.cap, self.first * 2**exponent)

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures = 0
