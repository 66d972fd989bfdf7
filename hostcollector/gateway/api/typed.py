"""The typed API: VMs, metrics and series as JSON or CSV, for clients that do not know PromQL."""

import csv
import io
import json
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from typing import Any

from hostcollector.base.lanes import Workers
from hostcollector.base.model import Kind, Metric
from hostcollector.catalogue import OF_TENANTS
from hostcollector.gateway.accounts.accounts import Accounts
from hostcollector.gateway.api.call import Call, limit_of
from hostcollector.gateway.api.types import (
    CURSOR,
    MOST_VMS,
    MetricDescription,
    MetricList,
    Series,
    SeriesAnswer,
    Vm,
    VmList,
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
_HIDDEN = frozenset({"__name__", "tenant", "vm"})


class Typed:
    """Answers the typed API. `workers` read and write the JSON."""

    def __init__(self, queries: Queries, workers: Workers, accounts: Callable[[], Accounts]) -> None:
        self._queries = queries
        self._workers = workers
        self._accounts = accounts

    @asynccontextmanager
    async def vms(self, call: Call) -> AsyncIterator[Reply]:
        """Give a page of VMs."""
        after = _cursor(call.one("cursor", ""))
        limit = limit_of(call.one("limit", str(USUAL_VMS)), MOST_VMS)
        vms, until = await self._overview(call, "")
        rest = [vm for vm in vms if vm.id > after]
        shown, more = rest[:limit], len(rest) > limit
        cursor = urlsafe_b64encode(_padded(shown[-1].id)).decode() if more else None
        page = VmList(vms=shown, next=cursor, data_until=until)
        yield await self._written(page)

    @asynccontextmanager
    async def vm(self, call: Call) -> AsyncIterator[Reply]:
        """Give one VM."""
        vms, _ = await self._overview(call, f",vm={quoted(call.path['vm'])}")
        if not vms:
            raise NotFoundError(_NO_VM)
        yield await self._written(vms[0])

    @asynccontextmanager
    async def metrics(self, call: Call) -> AsyncIterator[Reply]:
        """Give the metrics that the plan includes."""
        rows = sorted(
            (row for row in OF_TENANTS if call.principal.plan.includes(row.name)), key=lambda r: r.name
        )
        yield await self._written(MetricList(metrics=[_description(row) for row in rows]))

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
        found = await self._read(self._queries.range(call.unpacked_reader, text, span))
        answer = _series_answer(row, found["result"], rate=rate, step=span.step)
        if as_csv:
            yield Reply(headers={"Content-Type": "text/csv; charset=utf-8"}, body=_csv(answer).encode())
        else:
            yield await self._written(answer)

    async def _overview(self, call: Call, matcher: str) -> tuple[list[Vm], float | None]:
        """Return the VMs, and the time of the newest sample of a state in Unix seconds.

        A state is a series of its own, and the store gives one that has ended for minutes: the newest counts.
        """
        vms: dict[str, dict[str, Any]] = {}
        states = await self._shown(call, _STATES % matcher.removeprefix(","))
        for labels, _ in sorted(states, key=lambda each: each[1]):
            vms.setdefault(labels.get("vm", ""), {"checks": {}})["state"] = labels.get("state")
        for labels, value in await self._shown(call, _OVERVIEW % matcher):
            facts = vms.setdefault(labels.get("vm", ""), {"checks": {}})
            match labels["__name__"]:
                case "vm_status_check":
                    facts["checks"][labels.get("check", "")] = value == 1
                case "vm_start_time_seconds":
                    facts["started_at"] = value
                case "vm_vcpus":
                    facts["vcpus"] = value
        names = self._accounts().vm_names
        found = [
            Vm(
                id=vm,
                name=names.get((call.principal.tenant, vm)),
                state=facts.get("state"),
                started_at=facts.get("started_at"),
                vcpus=facts.get("vcpus"),
                checks=facts["checks"],
            )
            for vm, facts in sorted(vms.items())
        ]
        return found, max((at for _, at in states), default=None)

    async def _shown(self, call: Call, text: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and present values of an expression, of the VMs that the token is good for."""
        found = await self._read(self._queries.instant(call.unpacked_reader, text, call.now))
        own = call.principal.vms
        return [
            (one["metric"], float(one["value"][1]))
            for one in found["result"]
            if not own or one["metric"].get("vm", "") in own
        ]

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
        return vm in await self._read(asked)

    async def _read(self, asked: AbstractAsyncContextManager[Reply]) -> Any:
        """Return the data of an answer. Raises `RequestRefusedError`."""
        content = bytearray()
        async with asked as reply:
            assert reply.stream is not None
            async for piece in reply.stream:
                content += piece
                if len(content) > LONGEST_ANSWER:
                    raise QueryRefusedError("the answer is too long: use a longer step or a shorter range")
        try:
            return (await self._workers.run(lambda: json.loads(content)))["data"]
        except (ValueError, KeyError, TypeError):
            raise StoreUnavailableError("the store does not answer as it should") from None

    async def _written(self, answer: Any) -> Reply:
        def write() -> bytes:
            return json.dumps(asdict(answer), separators=(",", ":"), allow_nan=False).encode()

        return Reply(body=await self._workers.run(write))


def _description(row: Metric) -> MetricDescription:
    return MetricDescription(
        name=row.name, kind=str(row.kind), unit=row.unit, help=row.help, labels=list(row.labels)
    )


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


def _series_answer(row: Metric, result: list[Any], *, rate: bool, step: float) -> SeriesAnswer:
    series = [
        Series(
            labels={name: text for name, text in one["metric"].items() if name not in _HIDDEN},
            points=[[float(at), value] for at, text in one["values"] if math.isfinite(value := float(text))],
        )
        for one in result
    ]
    series.sort(key=lambda one: sorted(one.labels.items()))
    until = max((one.points[-1][0] for one in series if one.points), default=None)
    unit = f"{row.unit} per second" if rate and row.unit else row.unit
    return SeriesAnswer(metric=row.name, unit=unit, rate=rate, step=step, series=series, data_until=until)


def _csv(answer: SeriesAnswer) -> str:
    names = sorted({name for one in answer.series for name in one.labels})
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["time", *names, answer.metric])
    for row in _csv_rows(answer, names):
        writer.writerow(row)
    return text.getvalue()


def _csv_rows(answer: SeriesAnswer, names: list[str]) -> Iterator[list[object]]:
    for one in answer.series:
        for at, value in one.points:
            yield [at, *(_plain_cell(one.labels.get(name, "")) for name in names), value]


def _plain_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


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


def _padded(text: str) -> bytes:
    """Return bytes whose base64 ends without a sign for missing ones."""
    return text.encode() + b" " * (-len(text.encode()) % 3)
