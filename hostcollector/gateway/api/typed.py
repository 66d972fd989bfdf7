"""The typed API: VMs, metrics and series as JSON or CSV, for clients that do not know PromQL."""

import json
import math
import re
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from hostcollector.base.model import Kind, Metric
from hostcollector.catalogue import OF_TENANTS
from hostcollector.gateway.accounts.accounts import Accounts
from hostcollector.gateway.api.call import Call, limit_of
from hostcollector.gateway.api.documents import (
    Overview,
    description,
    overview_of,
    page_of,
    series_answer,
    shown_of,
    table,
    typed_document,
)
from hostcollector.gateway.api.threads import Threads
from hostcollector.gateway.api.types import (
    CURSOR,
    MOST_VMS,
    MetricList,
)
from hostcollector.gateway.errors import (
    ForbiddenError,
    NotFoundError,
    QueryRefusedError,
    StoreUnavailableError,
)
from hostcollector.gateway.plans import Plan
from hostcollector.gateway.promql.printing import quoted
from hostcollector.gateway.queries import Queries, Span
from hostcollector.gateway.reply import Reply
from hostcollector.gateway.store.sending import Endpoint

LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer of the store that is read here; PromQL streams longer ones."""

USUAL_VMS = 100
RATE_WINDOWS = 4
"""A rate looks back over so many steps: two samples are in each window even if one scrape is missing."""

_OVERVIEW = '{__name__=~"vm_status_check|vm_start_time_seconds|vm_vcpus"%s}'
_STATES = "timestamp(vm_state{%s})"
_BY_NAME = {row.name: row for row in OF_TENANTS}
_NO_VM = "there is no such VM: /api/v1/vms lists yours"
T = TypeVar("T")


class Typed:
    """Answers the typed API."""

    def __init__(self, queries: Queries, threads: Threads, accounts: Callable[[], Accounts]) -> None:
        self._queries = queries
        self._threads = threads
        self._accounts = accounts

    @asynccontextmanager
    async def vms(self, call: Call) -> AsyncIterator[Reply]:
        """Give a page of VMs."""
        after = _cursor(call.one("cursor", ""))
        limit = limit_of(call.one("limit", str(USUAL_VMS)), MOST_VMS)
        overview = await self._overview(call, "")
        yield await self._threads.run(call, lambda: page_of(overview, after, limit))

    @asynccontextmanager
    async def vm(self, call: Call) -> AsyncIterator[Reply]:
        """Give one VM."""
        overview = await self._overview(call, f",vm={quoted(call.path['vm'])}")
        if not overview.vms:
            raise NotFoundError(_NO_VM)
        yield typed_document(overview.vms[0])

    @asynccontextmanager
    async def metrics(self, call: Call) -> AsyncIterator[Reply]:
        """Give the metrics that the plan includes."""
        rows = sorted(
            (row for row in OF_TENANTS if call.principal.plan.includes(row.name)), key=lambda r: r.name
        )
        yield typed_document(MetricList(metrics=[description(row) for row in rows]))

    @asynccontextmanager
    async def series(self, call: Call) -> AsyncIterator[Reply]:
        """Give a metric of a VM over time."""
        vm, plan = call.path["vm"], call.principal.plan
        row = _row(call.one("metric"), plan, call.principal.plan_name)
        rate = _flag(call, "rate", default=row.kind is Kind.COUNTER)
        if rate and row.kind is not Kind.COUNTER:
            raise QueryRefusedError(f"{row.name} is no counter: leave out rate")
        span, as_csv = _span(call, plan), _choice(call, "format", {"json": False, "csv": True})
        if not await self._exists(call, vm):
            raise NotFoundError(_NO_VM)
        text = f"{row.name}{{vm={quoted(vm)}}}"
        if rate:
            window = f"{text}[{max(1, math.ceil(span.step * RATE_WINDOWS))}s]"
            # VictoriaMetrics takes a counter without samples for one that does not move: a gap would be 0.
            text = f"rate({window}) and count_over_time({window}) > 1"

        def written(data: Any) -> Reply:
            answer = series_answer(row, data["result"], rate=rate, step=span.step)
            return table(answer) if as_csv else typed_document(answer)

        yield await self._read(call, self._queries.range(call.unpacked_reader, text, span), written)

    async def _overview(self, call: Call, matcher: str) -> Overview:
        """Return the VMs that the token is good for."""
        names = self._accounts().vm_names
        own, tenant = call.principal.vms, call.principal.tenant
        shown = partial(shown_of, own)
        asked = partial(self._queries.instant, call.unpacked_reader, time=call.now)
        states = await self._read(call, asked(_STATES % matcher.removeprefix(",")), shown)
        others = await self._read(call, asked(_OVERVIEW % matcher), shown)
        return await self._threads.run(
            call, lambda: overview_of(states, others, lambda vm: names.get((tenant, vm)))
        )

    async def _exists(self, call: Call, vm: str) -> bool:
        if call.principal.vms and vm not in call.principal.vms:
            return False
        asked = self._queries.about(
            call.unpacked_reader,
            Endpoint.VALUES,
            [f"{{vm={quoted(vm)}}}"],
            (call.reader.oldest, call.now),
            label="vm",
        )
        return await self._read(call, asked, lambda data: vm in data)

    async def _read(
        self, call: Call, asked: AbstractAsyncContextManager[Reply], make: Callable[[Any], T]
    ) -> T:
        """Return what is made of the data of an answer. Raises `RequestRefusedError`."""
        content = bytearray()
        async with asked as reply:
            assert reply.stream is not None
            async for piece in reply.stream:
                content += piece
                if len(content) > LONGEST_ANSWER:
                    raise QueryRefusedError("the answer is too long: use a longer step or a shorter range")
        return await self._threads.run(call, lambda: make(_data(content)))


def _row(name: str, plan: Plan, plan_name: str) -> Metric:
    row = _BY_NAME.get(name)
    if row is None:
        raise QueryRefusedError(f"there is no metric {name[:80]!a}: /api/v1/metrics lists them")
    if not plan.includes(name):
        raise ForbiddenError(f"your plan {plan_name} does not include {name}")
    return row


def _span(call: Call, plan: Plan) -> Span:
    """Return the span of a request: an hour by default, its times multiples of the step."""
    end = call.instant("end", call.now)
    start = call.instant("start", end - 3600)
    step = call.step(float(plan.step_seconds))
    if step < plan.step_seconds:
        raise ForbiddenError(
            f"the finest step of your plan {call.principal.plan_name} is {plan.step_seconds} s"
        )
    return Span(start=math.ceil(start / step) * step, end=math.floor(end / step) * step, step=step)


def _flag(call: Call, name: str, *, default: bool) -> bool:
    words = {"true": True, "false": False, "1": True, "0": False}
    return _choice(call, name, words) if call.all(name) else default


def _choice(call: Call, name: str, words: Mapping[str, bool]) -> bool:
    """Return what a parameter's word means; the first one is the default. Raises `QueryRefusedError`."""
    text = call.one(name, next(iter(words)))
    if text not in words:
        raise QueryRefusedError(f"{name} takes one of {', '.join(words)}")
    return words[text]


def _cursor(text: str) -> str:
    if text and not re.fullmatch(CURSOR, text):
        raise QueryRefusedError("this cursor is not one of ours: begin without one")
    return urlsafe_b64decode(text).decode(errors="replace").rstrip()


def _data(content: bytearray) -> Any:
    try:
        return json.loads(content)["data"]
    except (ValueError, KeyError, TypeError):
        raise StoreUnavailableError("the store does not answer as it should") from None
