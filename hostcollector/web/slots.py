"""Who is being answered: so many requests at once, and so many of one address."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from hostcollector.web.connection import Connection
from hostcollector.web.limits import Limits
from hostcollector.web.replies import unavailable


class Slots:
    """The requests that are being answered, within the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: dict[Connection, None] = {}

    @contextmanager
    def one(self, connection: Connection) -> Iterator[None]:
        """Hold a slot. Raises the 503 that says why there is none."""
        mine = [other for other in self._taken if other.address == connection.address]
        if len(mine) >= self._limits.requests_per_address and not self._displace(mine):
            raise unavailable(f"{len(mine)} requests of your address are being answered already.")
        if len(self._taken) >= self._limits.requests and not self._displace(list(self._taken)):
            raise unavailable(f"{self._limits.requests} requests are being answered already.")
        self._taken[connection] = None
        try:
            yield
        finally:
            self._taken.pop(connection, None)

    def _displace(self, connections: list[Connection]) -> bool:
        """Cut off the client that has left its reply lying for longest, if it has for long enough."""
        latest = asyncio.get_running_loop().time() - self._limits.patience_seconds
        late = [(since, other) for other in connections if (since := other.blocked_since) and since < latest]
        if not late:
            return False
        _, slowest = min(late, key=lambda pair: pair[0])
        del self._taken[slowest]
        slowest.cut()
        return True
