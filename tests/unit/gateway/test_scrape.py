"""The scrape endpoint's pages: kept for an interval, and no more of them than memory is for."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from hostcollector.base.lanes import Workers
from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.api import scrape
from hostcollector.gateway.api.call import Call
from hostcollector.gateway.api.scrape import INTERVAL_SECONDS, Scrape
from hostcollector.gateway.api.threads import Threads
from hostcollector.gateway.identity.principal import Principal
from hostcollector.gateway.plans import Plan
from hostcollector.gateway.queries import Queries, Reader
from hostcollector.gateway.reply import Reply
from tests.fakes.clock import Clock

NOW = 1_795_824_000.0


class Store:
    """Gives each tenant one series, and counts how often each has asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @asynccontextmanager
    async def instant(self, reader: Reader, _text: str, _time: float) -> AsyncIterator[Reply]:
        """Give a tenant's newest samples."""
        self.asked.append(reader.tenant)
        labels = {"__name__": "vm_vcpus", "tenant": reader.tenant, "vm": "x" * 1000}

        async def stream() -> AsyncIterator[bytes]:
            result = [{"metric": labels, "values": [[NOW, "4"]]}]
            yield json.dumps({"status": "success", "data": {"result": result}}).encode()

        yield Reply(stream=stream())


def call(tenant: str) -> Call:
    """Return a tenant's scrape."""
    principal = Principal(
        tenant=tenant, subject="token:x", scopes=frozenset(Scope), plan_name="detailed", plan=Plan()
    )
    return Call(principal=principal, parameters=[], path={}, now=NOW)


def test_pages_give_way_when_they_are_old_or_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is given again within the interval, also while it is made; all pages together have a bound."""
    monkeypatch.setattr(scrape, "KEPT_BYTES", 3000)
    clock, store = Clock(), Store()

    async def run() -> None:
        workers = Workers("documents", 1)
        pages = Scrape(cast("Queries", store), Threads(workers), clock)

        async def scraped_once(tenant: str) -> None:
            async with pages.page(call(tenant)) as reply:
                assert f'tenant="{tenant}"'.encode() in reply.body

        async def scraped(*tenants: str) -> list[str]:
            store.asked.clear()
            for tenant in tenants:
                await scraped_once(tenant)
            return [*store.asked]

        assert await scraped("a", "b", "a", "b") == ["a", "b"]
        assert await scraped("c", "b", "a") == ["c", "a"]
        store.asked.clear()
        await asyncio.gather(*(scraped_once("d") for _ in range(5)))
        assert store.asked == ["d"]
        clock.now += INTERVAL_SECONDS
        assert await scraped("b", "b") == ["b"]
        assert pages.kept == 1
        workers.close()

    asyncio.run(run())
