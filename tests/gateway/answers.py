"""Asks a store through the gateway's whole way of a query, and puts the answer into a form to compare."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hostcollector.gateway.errors import RequestRefusedError
from hostcollector.gateway.isolation import Isolation
from hostcollector.gateway.limits import Turns
from hostcollector.gateway.queries import Queries, Reader, Span
from hostcollector.gateway.reply import Reply
from hostcollector.gateway.settings import LimitSettings, StoreSettings
from hostcollector.gateway.store.client import Store
from hostcollector.gateway.store.sending import Endpoint
from hostcollector.gateway.store.watchdog import Watchdog

SIDE_BY_SIDE = 8
PATIENCE = 600.0
"""Seconds for an answer: a store on a busy machine is slow, and a missing answer is no difference."""

HISTORY = 30 * 86_400
RELATIVE = 1e-9
"""How much a value may differ: a store adds numbers up in any order."""


class Trusting(Watchdog):
    """A watchdog of a store without a lock: the rewriting is tested alone."""

    def check(self) -> None:
        """Trust the store."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query at an instant, or over the ten minutes before it; or a question about series."""

    text: str
    at: float
    over_range: bool = False
    endpoint: Endpoint = Endpoint.QUERY
    label: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tenant got: an error's words, or headers and the document."""

    refusal: str
    headers: tuple[tuple[str, str], ...] = ()
    document: Any = None
    raw: str = ""

    def differs(self, other: "Outcome") -> bool:
        """Whether a tenant could notice a difference."""
        if (self.refusal, self.headers) != (other.refusal, other.headers):
            return True
        return not _equal(_sorted(self.document), _sorted(other.document))


@asynccontextmanager
async def gateway(
    url: str, isolation: Isolation | None = None, *, trusting: bool = False
) -> AsyncIterator[Queries]:
    """Give the gateway's way to a store."""
    store = Store(StoreSettings(url=url), PATIENCE)
    kept = isolation or Isolation()
    # Its clock does not move: on a busy machine a test takes longer than one look of the watchdog holds.
    watchdog = Trusting(store) if trusting else Watchdog(store, kept.sending, clock=lambda: 0.0)
    try:
        await watchdog.look()
        yield Queries(store, watchdog, LimitSettings(), Turns(100), kept)
    finally:
        await store.close()


async def outcomes(queries: Queries, questions: Iterable[Question], tenant: str = "a") -> list[Outcome]:
    """Return what a tenant gets for each question."""
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(question: Question) -> Outcome:
        async with turns:
            return await outcome(queries, question, tenant)

    return await asyncio.gather(*map(one, questions))


async def outcome(queries: Queries, question: Question, tenant: str = "a") -> Outcome:
    """Return what a tenant gets for a question."""
    reader = Reader(tenant=tenant, oldest=question.at - HISTORY)
    try:
        async with _asked(queries, reader, question) as reply:
            assert reply.stream is not None
            content = b"".join([piece async for piece in reply.stream])
            headers = tuple(sorted(reply.headers.items()))
            return Outcome("", headers, json.loads(content or b"null"), content.decode())
    except RequestRefusedError as error:
        return Outcome(f"{error.status} {error}")


def _asked(queries: Queries, reader: Reader, question: Question) -> AbstractAsyncContextManager[Reply]:
    times = (question.at - 3600, question.at)
    if question.endpoint is not Endpoint.QUERY:
        matches = [question.text] if question.text else []
        return queries.about(reader, question.endpoint, matches, times, label=question.label)
    if question.over_range:
        return queries.range(reader, question.text, Span(start=question.at - 600, end=question.at, step=60))
    return queries.instant(reader, question.text, question.at)


def _sorted(document: Any) -> Any:
    """Return a document with its series in one sequence: a store has none.

    VictoriaMetrics of Debian 13 says how many milliseconds it took, which a client can measure itself.
    """
    if isinstance(document, dict) and isinstance(document.get("stats"), dict):
        document = {**document, "stats": {**document["stats"], "executionTimeMsec": 0}}
    result = document.get("data") if isinstance(document, dict) else None
    if isinstance(result, dict) and isinstance(result.get("result"), list):
        rows = result["result"]
        if all(isinstance(row, dict) for row in rows):
            return {**document, "data": {**result, "result": sorted(rows, key=_labels)}}
    if isinstance(result, list):
        return {**document, "data": sorted(result, key=lambda row: json.dumps(row, sort_keys=True))}
    return document


def _labels(row: Any) -> str:
    return json.dumps(row["metric"], sort_keys=True) + json.dumps([pair[0] for pair in _pairs(row)])


def _pairs(row: Any) -> Sequence[Any]:
    return row.get("values") or [row["value"]]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, str) and isinstance(other, str) and one != other:
        return _close(one, other)
    return bool(one == other)


def _close(one: str, other: str) -> bool:
    try:
        first, second = float(one), float(other)
    except ValueError:
        return False
    both_nan = math.isnan(first) and math.isnan(second)
    # What cancels out to nearly nothing has no relative precision left.
    return both_nan or math.isclose(first, second, rel_tol=RELATIVE, abs_tol=1e-7)
