"""The threads that make documents: a tenant has one of them at a time, whatever it asks for and gives up."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from hostcollector.base.lanes import Workers
from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.api.call import Call
from hostcollector.gateway.api.threads import Threads
from hostcollector.gateway.errors import QueryRefusedError
from hostcollector.gateway.identity.principal import Principal
from hostcollector.gateway.plans import Plan


def call(tenant: str, charge: Callable[[float], None] = lambda _: None) -> Call:
    """Return a tenant's request."""
    principal = Principal(
        tenant=tenant, subject="token:x", scopes=frozenset(Scope), plan_name="detailed", plan=Plan()
    )
    return Call(principal=principal, parameters=[], path={}, now=0.0, charge=charge)


def test_a_tenant_with_long_documents_leaves_a_thread_to_others() -> None:
    """Also where its requests end before their documents do: a thread cannot be taken back."""
    begun, end = threading.Event(), threading.Event()

    def long() -> bool:
        begun.set()
        return end.wait(30)

    async def run() -> None:
        workers = Workers("documents", 2)
        threads = Threads(workers)
        given_up = asyncio.create_task(threads.run(call("a"), long))
        waiting = [asyncio.create_task(threads.run(call("a"), lambda: "later")) for _ in range(5)]
        await asyncio.to_thread(begun.wait, 30)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert await threads.run(call("b"), lambda: "b") == "b"
        assert not any(each.done() for each in waiting)
        end.set()
        assert await asyncio.gather(*waiting) == ["later"] * 5
        workers.close()

    asyncio.run(run())


def test_a_refusal_is_its_callers_and_is_charged() -> None:
    """What a document has cost until it was refused counts too."""
    charged: list[float] = []

    def refuse() -> None:
        sum(range(100_000))
        raise QueryRefusedError("too long")

    async def run() -> None:
        workers = Workers("documents", 1)
        with pytest.raises(QueryRefusedError):
            await Threads(workers).run(call("a", charged.append), refuse)
        workers.close()

    asyncio.run(run())
    assert [seconds > 0 for seconds in charged] == [True]
