"""The bounds of a tenant's requests, and plans."""

import asyncio
import gc
from pathlib import Path

import pytest

from hostcollector.base.errors import ConfigError
from hostcollector.gateway.errors import ForbiddenError, TooManyRequestsError
from hostcollector.gateway.limits import READING_SECONDS, TenantLimits, Turns
from hostcollector.gateway.plans import Plan, Plans, read_plans
from tests.fakes.clock import Clock


def test_a_tenant_has_so_many_requests_in_a_minute_and_others_keep_theirs() -> None:
    """A part of them may come at once; Retry-After says when the next one may."""
    clock = Clock()
    limits = TenantLimits(100, clock=clock)

    def admitted(tenant: str) -> bool:
        try:
            with limits.admitted(tenant, 120):
                return True
        except TooManyRequestsError as error:
            return error.seconds < 1

    assert [admitted("a") for _ in range(40)].count(True) == 30
    assert admitted("b")
    clock.now += 1.0
    assert [admitted("a") for _ in range(5)].count(True) == 2


def test_long_queries_count_as_several() -> None:
    """What a query takes to read above the usual is taken from its tenant's requests, and from no other's."""
    clock = Clock()
    limits = TenantLimits(100, clock=clock)

    def admitted(tenant: str, seconds: float) -> bool:
        try:
            with limits.admitted(tenant, 120):
                limits.charge(tenant, seconds)
                return True
        except TooManyRequestsError as error:
            return error.seconds < 1

    assert [admitted("a", 5 * READING_SECONDS) for _ in range(40)].count(True) == 6
    assert [admitted("b", READING_SECONDS / 2) for _ in range(40)].count(True) == 30
    clock.now += 2.5
    assert [admitted("a", 0.0) for _ in range(10)].count(True) == 5


def test_a_tenant_has_so_many_requests_at_the_same_time() -> None:
    """Each worker has its share."""
    limits = TenantLimits(4, workers=2)
    with limits.admitted("a", 1000), limits.admitted("a", 1000):
        with pytest.raises(TooManyRequestsError), limits.admitted("a", 1000):
            pass
        with limits.admitted("b", 1000):
            pass
    with limits.admitted("a", 1000):
        pass


async def test_a_tenants_queries_wait_for_their_turn_and_others_do_not() -> None:
    """Two at a time for each of two workers; the next one begins when one has ended, in sequence."""
    turns, begun = Turns(4, workers=2), list[str]()

    async def query(name: str, end: asyncio.Event) -> None:
        async with turns.of(name[0]):
            begun.append(name)
            await end.wait()

    ends = {name: asyncio.Event() for name in ("a1", "a2", "a3", "a4", "b1")}
    async with asyncio.TaskGroup() as tasks:
        for name, end in ends.items():
            tasks.create_task(query(name, end))
        await asyncio.sleep(0.01)
        assert begun == ["a1", "a2", "b1"]
        ends["a2"].set()
        await asyncio.sleep(0.01)
        assert begun == ["a1", "a2", "b1", "a3"]
        for end in ends.values():
            end.set()
    assert begun[-1] == "a4"


async def test_nothing_is_kept_of_a_tenant_without_a_request() -> None:
    """A turn that is held, or waited for, is the same for all; afterwards there is none."""
    turns = Turns(1)
    async with turns.of("a"):
        assert turns.of("a").locked()
        waiting = asyncio.create_task(turns.of("a").acquire())
        await asyncio.sleep(0)
        assert len(turns._turns) == 1
    assert await waiting
    del waiting
    gc.collect()
    assert not turns._turns


def test_a_file_of_plans(tmp_path: Path) -> None:
    """Keys that are not given have everything; a star matches any ending."""
    file = tmp_path / "plans.yml"
    file.write_text(
        "plans:\n  basic: {families: [vm_state, vm_cpu_*], step_seconds: 300, promql: false, scrape: false}\n"
        "  detailed: {}\n"
    )
    plans = read_plans(str(file))
    basic = plans.of("basic")
    assert basic.includes("vm_cpu_seconds_total")
    assert not basic.includes("vm_memory_available_bytes")
    assert plans.of("detailed") == Plan()
    assert plans.with_("promql") == "detailed"
    with pytest.raises(ForbiddenError):
        plans.of("gold")


@pytest.mark.parametrize(
    "text",
    [
        "plans: {}",
        "plans: {basic: {families: [vm_state]}}",
        "plans: {basic: {step: 5}}",
        "plans: {'a b': {}}",
    ],
)
def test_plans_that_promise_what_does_not_hold_are_refused(tmp_path: Path, text: str) -> None:
    """A list of families beside PromQL would be no limit."""
    file = tmp_path / "plans.yml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        read_plans(str(file))


def test_without_a_file_there_is_one_plan_with_everything() -> None:
    """The simplest set-up needs no plans."""
    assert Plans().of("detailed").promql
