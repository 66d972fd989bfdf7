"""The bounds of each tenant's requests: how many in a minute, and how many at the same time.

Each worker has its share of both. What a tenant does costs itself alone: it has at most as many of the
connections to the store as are left for all others.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hostcollector.gateway.errors import TooManyRequestsError

MINUTE = 60.0
BURST = 0.25
"""The part of a minute's requests that may come at once."""

READING_SECONDS = 0.001
"""CPU time for reading a query. One that takes longer counts as further requests of the tenant's."""


@dataclass(slots=True)
class _Usage:
    """One tenant's: `tokens` are requests that it may make now, `running` those in progress."""

    tokens: float
    filled_at: float
    running: int = field(default=0)


class TenantLimits:
    """Counts requests by tenant, for one of `workers`, which has so many `connections` to the store.

    `concurrency` is a tenant's for all workers together. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        concurrency: int,
        connections: int,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._concurrency = max(1, math.ceil(concurrency / workers))
        self._free = connections
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
        if usage.running >= self._free:
            raise TooManyRequestsError("the gateway answers too many requests at the moment", 1)
        usage.tokens -= 1
        usage.running += 1
        self._free -= 1
        try:
            yield
        finally:
            usage.running -= 1
            self._free += 1

    def charge(self, tenant: str, seconds: float) -> None:
        """Count what reading a query has taken, in seconds of CPU, after the request was admitted."""
        self._usage[tenant].tokens -= max(0.0, seconds / READING_SECONDS - 1)

    def _filled(self, tenant: str, per_minute: float) -> _Usage:
        now, most = self._clock(), max(1.0, per_minute * BURST)
        usage = self._usage.setdefault(tenant, _Usage(most, now))
        usage.tokens = min(most, usage.tokens + (now - usage.filled_at) * per_minute / MINUTE)
        usage.filled_at = now
        return usage
