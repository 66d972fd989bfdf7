"""Follows a service from a daemon thread with an event loop of its own; readers never wait for it.

The thread holds one conversation after another until `close`. After a failed one it pauses, each time longer.
"""

import asyncio
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from hostcollector.base.lanes import Backoff, Clock, Lane

Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between conversations: after the first failure, and at most after many.

    Each pause is multiplied by a random factor of `jitter`, so that the hypervisors of a cloud do not all
    connect at the same moment.
    """

    first: float
    longest: float
    jitter: tuple[float, float]


class Follower(ABC, Generic[Prepared]):
    """A thread named `name` that holds conversations. Nothing is opened before `start`.

    A subclass implements the conversation: `_prepare` (may block), `_converse` (in the event loop),
    `_succeeded` and `_failed`. `clock` is monotonic, in seconds.
    """

    def __init__(self, name: str, pauses: Pauses, clock: Clock) -> None:
        self._lane = Lane(name, clock)
        self._jitter = pauses.jitter
        self._backoff = Backoff(pauses.first, pauses.longest, clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._started_at = 0.0
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to follow; a second call does nothing."""
        with self._lock:
            if self._flight is None and not self._stop.is_set():
                self._started_at = self._clock()
                self._starting()
                self._flight = self._lane.submit(self._keep)

    def close(self) -> None:
        """End the connection and the thread; does not wait for them. May be called twice."""
        self._stop.set()
        self._settled.set()
        if self._task is not None:
            self._in_loop(self._task.cancel)
        self._lane.close()

    def wait_closed(self, seconds: float) -> None:
        """Wait, after `close`, until the thread has ended."""
        if self._flight is not None:
            wait([self._flight], timeout=seconds)

    def settle(self, seconds: float) -> None:
        """Wait for the first answer or failure; for a reader that looks once."""
        self._settled.wait(seconds)

    @abstractmethod
    def _prepare(self) -> Prepared:
        """Return what a conversation needs; may block. Raises `SourceError`."""

    @abstractmethod
    async def _converse(self, prepared: Prepared) -> None:
        """Hold one conversation. Raises what went wrong."""

    @abstractmethod
    def _succeeded(self) -> float:
        """Return the seconds until the next conversation."""

    @abstractmethod
    def _failed(self, error: BaseException) -> float:
        """Note why a conversation failed; return the shortest pause. Raising it again ends the thread."""

    def _starting(self) -> None:
        """Run once, before the thread starts."""

    def _farewell(self) -> None:
        """Run in the thread after `close`."""

    @property
    def _ended_by(self) -> BaseException | None:
        """The error that has ended the thread; None while it runs, and after `close`."""
        flight = self._flight
        if flight is None or not flight.done() or self._stop.is_set():
            return None
        return flight.exception()

    def _in_loop(self, call: Callable[[], object]) -> None:
        """Run `call` in the event loop; nothing happens where there is none."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended between two conversations
                self._loop.call_soon_threadsafe(call)

    def _keep(self) -> None:
        while not self._stop.is_set():
            try:
                asyncio.run(self._enter(self._prepare()))
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - `_failed` raises what it cannot handle
                if self._stop.is_set():
                    break
                shortest = self._failed(error)
                self._backoff.failed()
                pause = max(self._backoff.pause, shortest)
            else:
                self._backoff.succeeded()
                pause = self._succeeded()
            self._settled.set()
            self._stop.wait(pause * random.uniform(*self._jitter))  # noqa: S311 - nothing secret
        self._farewell()

    async def _enter(self, prepared: Prepared) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._stop.is_set():  # `close` may have come before there was a task to cancel
            raise asyncio.CancelledError
        await self._converse(prepared)
