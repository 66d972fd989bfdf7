"""Who is being answered: so many requests at once, and so many of one address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hostcollector.web.connection import Connection
from hostcollector.web.limits import Limits
from hostcollector.web.replies import unavailable

STEP_SECONDS = 0.1
"""How often who waits looks for a client that has left its reply lying."""


class Slots:
    """The requests that are being answered, within the limits, and those that wait for their turn."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: dict[Connection, None] = {}
        self._waiting: dict[Connection, asyncio.Future[None]] = {}  # first come, first served

    @asynccontextmanager
    async def one(self, connection: Connection) -> AsyncIterator[None]:
        """Hold a slot, for which a client waits a little. Raises the 503 that says why there is none."""
        limits = self._limits
        mine = [other for other in self._taken if other.address == connection.address]
        waiting = sum(other.address == connection.address for other in self._waiting)
        full = len(mine) + waiting >= limits.requests_per_address
        if full and not self._displace(mine, limits.patience_seconds):
            raise unavailable(f"{len(mine) + waiting} requests of your address are being answered already.")
        try:
            await self._turn(connection)
            yield
        finally:
            self._taken.pop(connection, None)

    async def _turn(self, connection: Connection) -> None:
        """Wait until the connection has a slot."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._limits.patience_seconds
        turn = self._waiting[connection] = loop.create_future()
        try:
            self._serve_in_turn()
            while not turn.done() and loop.time() < ends_at:
                await asyncio.wait([turn], timeout=STEP_SECONDS)
                self._serve_in_turn()
        finally:
            self._waiting.pop(connection, None)
        if not turn.done():
            raise unavailable(f"{self._limits.requests} requests are being answered already.")

    def _serve_in_turn(self) -> None:
        """Give those who wait a slot, as far as there are any."""
        while self._waiting and self._has_room():
            connection, turn = next(iter(self._waiting.items()))
            del self._waiting[connection]
            self._taken[connection] = None
            turn.set_result(None)

    def _has_room(self) -> bool:
        if len(self._taken) < self._limits.requests:
            return True
        return self._displace(list(self._taken), self._limits.crowded_seconds)

    def _displace(self, connections: list[Connection], patience: float) -> bool:
        """Cut off the client that has left its reply lying for longest, if for longer than `patience`."""
        latest = asyncio.get_running_loop().time() - patience
        late = [(since, other) for other in connections if (since := other.blocked_since) and since < latest]
        if not late:
            return False
        _, slowest = min(late, key=lambda pair: pair[0])
        del self._taken[slowest]
        slowest.cut()
        return True
