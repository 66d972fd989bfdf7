"""Queries of one tenant to the store: the only way there, for PromQL and for the typed API.

Each is rewritten, sent under the store's lock while the watchdog trusts it, and comes back in own words or as
a stream that nothing has read.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from hostcollector.gateway.errors import QueryRefusedError
from hostcollector.gateway.isolation import Isolation
from hostcollector.gateway.limits import Turns
from hostcollector.gateway.promql.reach import Window
from hostcollector.gateway.promql.repeated import Rewriting
from hostcollector.gateway.promql.rewriting import Draft, selector_only
from hostcollector.gateway.reply import Reply
from hostcollector.gateway.settings import LimitSettings
from hostcollector.gateway.store.client import Store
from hostcollector.gateway.store.receiving import received
from hostcollector.gateway.store.sending import Endpoint, Outgoing, Parameters, prepared
from hostcollector.gateway.store.watchdog import Watchdog

EVERYTHING = '{__name__!=""}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """For whom a query is: the tenant, and the instant before which it may read nothing, in Unix seconds."""

    tenant: str
    oldest: float
    packed: bool = False
    """Whether the answer may be gzip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Instants of a range query, in Unix seconds, `step` apart."""

    start: float
    end: float
    step: float


class Queries:
    """Asks the store. All methods raise `RequestRefusedError`."""

    def __init__(
        self,
        store: Store,
        watchdog: Watchdog,
        limits: LimitSettings,
        turns: Turns,
        isolation: Isolation | None = None,
    ) -> None:
        self._store = store
        self._watchdog = watchdog
        self._limits = limits
        self._turns = turns
        self._isolation = isolation or Isolation()
        self._rewriting = Rewriting(self._isolation.rewriting)

    def instant(self, reader: Reader, text: str, time: float) -> AbstractAsyncContextManager[Reply]:
        """Give the value of an expression at an instant."""
        query = self._rewritten(reader, text, Window.of(time, time))
        return self._asked(reader, Endpoint.QUERY, (("query", query), ("time", _seconds(time))))

    def range(self, reader: Reader, text: str, span: Span) -> AbstractAsyncContextManager[Reply]:
        """Give the values of an expression over a span."""
        length = span.end - span.start
        if not 0 <= length <= self._limits.range_seconds:
            raise QueryRefusedError(f"end comes after start, by at most {self._limits.range_seconds} seconds")
        if length / span.step > self._limits.points:
            raise QueryRefusedError(f"more than {self._limits.points} points: use a longer step")
        query = self._rewritten(reader, text, Window.of(span.start, span.end))
        times = (("start", _seconds(span.start)), ("end", _seconds(span.end)), ("step", _seconds(span.step)))
        # Without nocache VictoriaMetrics moves the start of long ranges to a multiple of the step.
        return self._asked(reader, Endpoint.RANGE, (("query", query), *times, ("nocache", "1")))

    def about(
        self,
        reader: Reader,
        endpoint: Endpoint,
        matches: Sequence[str],
        times: tuple[float, float],
        *,
        limit: int = 0,
        label: str = "",
    ) -> AbstractAsyncContextManager[Reply]:
        """Give the series, the labels or a label's values of selectors, within start and end."""
        start, end = max(times[0], reader.oldest), times[1]
        texts = [
            selector_only(self._draft(reader, text, Window.of(end, end)), self._isolation.rewriting)
            for text in matches or [EVERYTHING]
        ]
        span = (("start", _seconds(start)), ("end", _seconds(end)), ("limit", str(limit)))
        return self._asked(reader, endpoint, (*(("match[]", text) for text in texts), *span), label)

    def _rewritten(self, reader: Reader, text: str, window: Window) -> str:
        return self._rewriting.rewrite(self._draft(reader, text, window))

    def _draft(self, reader: Reader, text: str, window: Window) -> Draft:
        return Draft(tenant=reader.tenant, text=text, window=window, oldest=reader.oldest)

    @asynccontextmanager
    async def _asked(
        self, reader: Reader, endpoint: Endpoint, form: Parameters, label: str = ""
    ) -> AsyncIterator[Reply]:
        outgoing = Outgoing(tenant=reader.tenant, endpoint=endpoint, form=form, label=label)
        sent = prepared(outgoing, self._isolation.sending)
        async with self._turns.of(reader.tenant):
            self._watchdog.check()  # after the wait, in which the store may have lost its lock
            async with self._store.ask(sent, packed=reader.packed) as answer:
                incoming = received(answer.incoming, self._isolation.receiving)
                yield Reply(headers=incoming.headers, stream=answer.body)


def _seconds(value: float) -> str:
    return f"{value:.3f}"
