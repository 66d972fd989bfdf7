"""Queries that wait for their turn at the store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hostcollector.gateway.errors import StoreUnavailableError
from hostcollector.gateway.limits import Turns
from hostcollector.gateway.queries import Queries, Reader
from hostcollector.gateway.settings import LimitSettings
from hostcollector.gateway.store.client import Answer, Store
from hostcollector.gateway.store.receiving import Incoming
from hostcollector.gateway.store.sending import Outgoing
from hostcollector.gateway.store.watchdog import Watchdog

READER = Reader(tenant="a", oldest=0.0)


class _Store(Store):
    """Counts the queries that reach it, and is gone where that is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.reached = asyncio.Event()
        self.gone = False

    @asynccontextmanager
    async def ask(self, outgoing: Outgoing, *, packed: bool = False) -> AsyncIterator[Answer]:
        """Give an empty answer."""
        self.asked += 1
        self.reached.set()
        await asyncio.sleep(0)
        if self.gone:
            raise StoreUnavailableError("the store does not answer")
        yield Answer(Incoming(status=200, headers={}), _nothing())


class _Watchdog(Watchdog):
    """Trusts the store as long as that is set."""

    def __init__(self) -> None:
        self.trusts = True

    @property
    def holds(self) -> bool:
        """Whether the store is trusted."""
        return self.trusts


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


def _queries() -> tuple[Queries, _Store, _Watchdog]:
    """Return the way to a store that answers one query of a tenant at a time."""
    store, watchdog = _Store(), _Watchdog()
    return Queries(store, watchdog, LimitSettings(), Turns(1)), store, watchdog


async def _ask(queries: Queries, until: asyncio.Event | None = None) -> None:
    async with queries.instant(READER, "x", 1000.0):
        if until is not None:
            await until.wait()


async def test_a_query_that_waited_is_not_sent_to_a_store_that_lost_its_lock_meanwhile() -> None:
    """The wait is as long as another query of the tenant takes: the watchdog is asked after it."""
    queries, store, watchdog = _queries()
    end = asyncio.Event()
    first = asyncio.create_task(_ask(queries, end))
    waiting = asyncio.create_task(_ask(queries))
    await store.reached.wait()
    await asyncio.sleep(0)  # the other one waits for its turn
    watchdog.trusts = False
    end.set()
    await first
    with pytest.raises(StoreUnavailableError, match="not verified"):
        await waiting
    assert store.asked == 1


async def test_no_turn_is_lost_by_queries_that_are_cancelled_or_fail() -> None:
    """Whichever ends in whatever way, in a turn or in the wait for one: the next query is answered."""
    queries, store, watchdog = _queries()
    for number in range(300):
        end = asyncio.Event()
        tasks = [asyncio.create_task(_ask(queries, end)) for _ in range(4)]
        for _ in range(number % 7):
            await asyncio.sleep(0)
        store.gone, watchdog.trusts = number % 3 == 0, number % 5 != 0
        tasks[number % 4].cancel()
        if number % 2:
            end.set()
        tasks[(number + 1) % 4].cancel()
        await asyncio.sleep(0)
        end.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.gone, watchdog.trusts = False, True
        async with asyncio.timeout(10):
            await _ask(queries)
