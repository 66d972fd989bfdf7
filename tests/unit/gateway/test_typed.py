"""The typed API's documents: made beside the event loop, at the cost of the tenant who asks."""

import asyncio
import csv
import io
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import pytest

from hostcollector.base.lanes import Workers
from hostcollector.gateway.accounts.accounts import Accounts, Scope
from hostcollector.gateway.api.call import Call
from hostcollector.gateway.api.threads import Threads
from hostcollector.gateway.api.typed import Typed
from hostcollector.gateway.identity.principal import Principal
from hostcollector.gateway.plans import Plan
from hostcollector.gateway.queries import Queries, Reader, Span
from hostcollector.gateway.reply import Reply

NOW = 1_795_824_000.0
VM, OTHER = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55", "0c1d2e3f-0000-4000-8000-00000000000a"
MANY = 100_000


class Answers:
    """A store that gives these results, by the beginning of the query."""

    def __init__(self, **results: object) -> None:
        self._results = results
        self.given = 0

    def instant(self, _reader: Reader, text: str, time: float) -> AbstractAsyncContextManager[Reply]:
        """Give a vector."""
        assert time == NOW
        return self._given({"result": self._results["states" if text.startswith("timestamp") else "facts"]})

    def range(self, _reader: Reader, _text: str, _span: Span) -> AbstractAsyncContextManager[Reply]:
        """Give a matrix."""
        return self._given({"result": self._results["series"]})

    def about(self, *_: object, label: str) -> AbstractAsyncContextManager[Reply]:
        """Give the values of a label."""
        assert label == "vm"
        return self._given([VM])

    @asynccontextmanager
    async def _given(self, data: object) -> AsyncIterator[Reply]:
        async def stream() -> AsyncIterator[bytes]:
            yield json.dumps({"status": "success", "data": data}).encode()

        yield Reply(stream=stream())
        self.given += 1


def call(charge: Callable[[float], None] = lambda _: None, **parameters: str) -> Call:
    """Return a tenant's request."""
    principal = Principal(
        tenant="a", subject="token:x", scopes=frozenset(Scope), plan_name="detailed", plan=Plan()
    )
    return Call(
        principal=principal, parameters=list(parameters.items()), path={"vm": VM}, now=NOW, charge=charge
    )


def asked(store: Answers, route: str, request: Call, beside: Callable[[], None] = lambda: None) -> bytes:
    """Return the body of a route's answer; `beside` runs again and again in the event loop meanwhile."""

    async def run() -> bytes:
        async def tick() -> None:
            while True:
                beside()
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        workers = Workers("documents", 1)
        typed = Typed(cast("Queries", store), Threads(workers), Accounts)
        async with getattr(typed, route)(request) as reply:
            ticking.cancel()
        await asyncio.sleep(0)
        workers.close()
        return cast("bytes", reply.body)

    return asyncio.run(run())


def vector(*results: tuple[dict[str, str], float]) -> list[Any]:
    """Return a vector as the store does."""
    return [{"metric": labels, "value": [NOW, str(value)]} for labels, value in results]


@pytest.mark.parametrize("newest", ["paused", "running"])
def test_the_newest_state_is_the_vms(newest: str) -> None:
    """Whatever the sequence in which the store gives a state that has ended, and one that lasts."""
    states = [({"vm": VM, "state": state}, NOW - 60 * (state != newest)) for state in ("paused", "running")]
    store = Answers(states=vector(*states), facts=[])
    (vm,) = json.loads(asked(store, "vms", call()))["vms"]
    assert (vm["id"], vm["state"]) == (VM, newest)


def test_what_is_no_number_is_not_known() -> None:
    """One VM's false sample must not take away the list of all."""
    facts = [
        ({"__name__": "vm_vcpus", "vm": VM}, float("nan")),
        ({"__name__": "vm_vcpus", "vm": OTHER}, 4.0),
    ]
    page = json.loads(asked(Answers(states=[], facts=vector(*facts)), "vms", call()))
    assert {vm["id"]: vm["vcpus"] for vm in page["vms"]} == {OTHER: 4.0}


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_long_answer_stops_no_other_and_is_its_tenants(form: str) -> None:
    """The event loop goes on while the document is read and written, and the time for it is charged."""
    values = [[NOW + 60 * number, "0.25"] for number in range(MANY)]
    store = Answers(series=[{"metric": {"vcpu": "0"}, "values": values}])
    rounds, charged = [0], list[tuple[float, threading.Thread]]()

    def beside() -> None:
        rounds[0] += store.given == 2  # both answers of the store are read

    def charge(seconds: float) -> None:
        charged.append((seconds, threading.current_thread()))

    request = call(charge, metric="vm_cpu_seconds_total", step="60", format=form)
    body = asked(store, "series", request, beside).decode()
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(body)))
        assert [(len(rows), rows[-1]["vm_cpu_seconds_total"])] == [(MANY, "0.25")]
    else:
        (series,) = json.loads(body)["series"]
        assert (series["labels"], len(series["points"])) == ({"vcpu": "0"}, MANY)
    assert rounds[0] > 3
    assert max(seconds for seconds, _ in charged) > 0
    assert {thread for _, thread in charged} == {threading.main_thread()}
