"""Threads that make tenants' documents: what takes long stops neither the event loop nor other tenants."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from hostcollector.base.lanes import Workers
from hostcollector.gateway.api.call import Call
from hostcollector.gateway.limits import Turns

T = TypeVar("T")


class Threads:
    """Gives each tenant one of the `workers` at a time, and charges it. Bound to one event loop."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._turns = Turns(1)

    async def run(self, call: Call, make: Callable[[], T]) -> T:
        """Return what is made, or raise what that raises.

        A request that ends before keeps its tenant's turn until the thread is free again.
        """
        turn = self._turns.of(call.principal.tenant)
        await turn.acquire()
        making = asyncio.ensure_future(self._made(call, make))
        making.add_done_callback(lambda _: turn.release())
        return await asyncio.shield(making)

    async def _made(self, call: Call, make: Callable[[], T]) -> T:
        seconds = 0.0

        def made() -> T:
            nonlocal seconds
            began = time.thread_time()
            try:
                return make()
            finally:
                seconds = time.thread_time() - began

        try:
            return await self._workers.run(made)
        finally:
            call.charge(seconds)
