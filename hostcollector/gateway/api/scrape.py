"""The scrape endpoint: a tenant's newest samples in the text format, for the tenant's own Prometheus.

Samples have their own time stamps, so a late one is not shown as a new one. A tenant's answer is kept for an
interval: however often it is scraped, the store is asked once.
"""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hostcollector.catalogue import OF_TENANTS
from hostcollector.gateway.api.call import Call
from hostcollector.gateway.api.threads import Threads
from hostcollector.gateway.errors import QueryRefusedError, StoreUnavailableError
from hostcollector.gateway.limits import Turns
from hostcollector.gateway.queries import Queries
from hostcollector.gateway.reply import Reply

INTERVAL_SECONDS = 30.0
MOST_SERIES = 50_000
KEPT_BYTES = 64 * 1024 * 1024
"""Bytes of all tenants' pages that are kept."""

LONGEST_ANSWER = 32 * 1024 * 1024

# Raw samples come with their own times, an instant vector with the time of the query.
_NEWEST = '{__name__=~"vm_.+"}[5m]'
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_KINDS = {
    row.name: (str(row.kind) if str(row.kind) == "counter" else "gauge", row.help) for row in OF_TENANTS
}


@dataclass(frozen=True, slots=True)
class _Page:
    made_at: float
    content: bytes


class Scrape:
    """Makes the pages. `threads` write them, `clock` is monotonic, in seconds."""

    def __init__(
        self, queries: Queries, threads: Threads, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queries = queries
        self._threads = threads
        self._clock = clock
        self._pages: dict[str, _Page] = {}
        self._turns = Turns(1)

    @property
    def kept(self) -> int:
        """How many pages are kept."""
        return len(self._pages)

    @asynccontextmanager
    async def page(self, call: Call) -> AsyncIterator[Reply]:
        """Give the tenant's page."""
        tenant = call.principal.tenant
        async with self._turns.of(tenant):  # the first one asks for all that wait
            page = self._pages.get(tenant)
            if page is None or self._clock() - page.made_at >= INTERVAL_SECONDS:
                page = _Page(self._clock(), await self._make(call))
                self._keep(tenant, page)
        yield Reply(headers={"Content-Type": _TYPE}, body=page.content)

    def _keep(self, tenant: str, page: _Page) -> None:
        """Keep a page; the oldest ones give way, and those that will not be given any more."""
        self._pages.pop(tenant, None)
        self._pages[tenant] = page
        size = sum(len(each.content) for each in self._pages.values())
        for name, each in list(self._pages.items()):
            if size <= KEPT_BYTES and page.made_at - each.made_at < INTERVAL_SECONDS:
                return
            size -= len(each.content)
            del self._pages[name]

    async def _make(self, call: Call) -> bytes:
        content = bytearray()
        reader = call.unpacked_reader
        async with self._queries.instant(reader, _NEWEST, call.now) as reply:
            assert reply.stream is not None
            async for piece in reply.stream:
                content += piece
                if len(content) > LONGEST_ANSWER:
                    raise QueryRefusedError("too many series for one scrape: use PromQL")
        return await self._threads.run(call, lambda: _text(bytes(content)))


def _text(content: bytes) -> bytes:
    try:
        result = json.loads(content)["data"]["result"]
    except (ValueError, KeyError, TypeError):
        raise StoreUnavailableError("the store does not answer as it should") from None
    if len(result) > MOST_SERIES:
        raise QueryRefusedError(f"more than {MOST_SERIES} series: use PromQL")
    return ("\n".join(_lines(result)) + "\n").encode()


def _lines(result: list[Any]) -> Iterator[str]:
    last = ""
    for one in sorted(result, key=lambda one: str(one["metric"]["__name__"])):
        labels = dict(one["metric"])
        name = labels.pop("__name__")
        if name != last and name in _KINDS:
            kind, text = _KINDS[name]
            yield from (f"# HELP {name} {text}", f"# TYPE {name} {kind}")
        last = name
        at, value = one["values"][-1]
        shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(labels.items()))
        yield f"{name}{{{shown}}} {value} {round(float(at) * 1000)}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
