"""Lanes for the web side: work that would hold up the event loop waits its turn for one of them."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from hostcollector.base.lanes import Lane

T = TypeVar("T")


class Workers:
    """A few lanes for work that would hold up the event loop; waits for a free one. Bound to one loop."""

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
