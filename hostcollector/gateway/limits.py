"""The bounds of each tenant's requests: in a minute, at the same time, and at the store.

Each worker has its share of each. What a tenant does costs itself alone.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from hostcollector.gateway.errors import TooManyRequestsError

MINUTE = 60.0
BURST = 0.25
"""The part of a minute's requests that may come at once."""

READING_SECONDS = 0.004
"""CPU time for reading a query. One that takes longer counts as further requests of the tenant's."""
DOCUMENT_SECONDS = 0.05
"""CPU time for a document that is made here: the same."""


@dataclass(slots=True)
class _Usage:
    """One tenant's: `tokens` are requests that it may make now, `running` those in progress."""

    tokens: float
    filled_at: float
    running: int = field(default=0)


class TenantLimits:
    """Counts requests by tenant, for one of `workers`. `clock` is monotonic, in seconds."""

    def __init__(
        self, concurrency: int, workers: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._concurrency = _share(concurrency, workers)
        self._workers = workers
        self._clock = clock
        self._usage: dict[str, _Usage] = {}

    @contextmanager
    def admitted(self, tenant: str, requests_per_minute: int) -> Iterator[None]:
        """Count a request for the block. Raises `TooManyRequestsError`."""
        usage = self._filled(tenant, requests_per_minute / self._workers)
        if usage.tokens < 1:
            rate = requests_per_minute / self._workers / MINUTE
            seconds = max(1, math.ceil((1 - usage.tokens) / rate))
            raise TooManyRequestsError(f"more than {requests_per_minute} requests in a minute", seconds)
        if usage.running >= self._concurrency:
            raise TooManyRequestsError("too many requests of yours are being answered already", 1)
        usage.tokens -= 1
        usage.running += 1
        try:
            yield
        finally:
            usage.running -= 1

    def charge(self, tenant: str, seconds: float, usual: float = READING_SECONDS) -> None:
        """Count what a step has taken, in seconds of CPU, after the request was admitted."""
        self._usage[tenant].tokens -= max(0.0, seconds / usual - 1)

    def _filled(self, tenant: str, per_minute: float) -> _Usage:
        now, most = self._clock(), max(1.0, per_minute * BURST)
        usage = self._usage.setdefault(tenant, _Usage(most, now))
        usage.tokens = min(most, usage.tokens + (now - usage.filled_at) * per_minute / MINUTE)
        usage.filled_at = now
        return usage


class Turns:
    """Lets a tenant do something `at_once` times at the same time; its further requests wait for their turn.

    Without it one tenant keeps every processor busy. For one of `workers`, bound to one event loop. Nothing
    is kept of a tenant without a request.
    """

    def __init__(self, at_once: int, workers: int = 1) -> None:
        self._at_once = _share(at_once, workers)
        self._turns = WeakValueDictionary[str, asyncio.Semaphore]()

    def of(self, tenant: str) -> asyncio.Semaphore:
        """Return what a request of the tenant holds from the beginning to the end of its turn."""
        turn = self._turns.get(tenant)
        if turn is None:
            turn = self._turns[tenant] = asyncio.Semaphore(self._at_once)
        return turn


def _share(bound: int, workers: int) -> int:
    return max(1, math.ceil(bound / workers))
