"""A tenant notices nothing of others: every query gives the same with and without them in the store."""

import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from hostcollector.gateway.errors import StoreUnavailableError
from hostcollector.gateway.isolation import Isolation
from hostcollector.gateway.promql import rewriting
from hostcollector.gateway.queries import Queries
from hostcollector.gateway.store import sending
from hostcollector.gateway.store.sending import Endpoint, Outgoing
from hostcollector.gateway.usage import selecting
from tests.gateway.answers import Outcome, Question, gateway, outcome, outcomes
from tests.gateway.attacks import ATTACKS, Attack
from tests.gateway.conftest import Pair
from tests.gateway.grammar import Grammar
from tests.gateway.mutations import noticed
from tests.gateway.stores import Sample, prometheus
from tests.gateway.world import World

USAGE_STEPS = {*selecting.QUESTION_STEPS, *selecting.ROW_STEPS}
"""Steps of the ledger: tests/unit/gateway/usage/test_usage_isolation.py takes these out."""
STORE_STEPS = [step for step in Isolation().steps if step not in USAGE_STEPS]

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

QUERIES = 1000
TIMES = 5
"""How often a question whose answers differ is asked again."""

REWRITING_ALONE = Isolation(sending=(sending.fixed_path, sending.known_parameters))
"""The first lock without the second."""


LOCK_ALONE = Isolation(rewriting=(rewriting.bounded,))
"""The second lock without the first."""

NEITHER = Isolation(rewriting=(rewriting.bounded,), sending=(sending.fixed_path, sending.known_parameters))


@asynccontextmanager
async def both(
    pair: Pair, isolation: Isolation | None = None, *, trusting: bool = False
) -> AsyncIterator[tuple[Queries, Queries]]:
    """Give the way to a store with a alone, and to one with everything."""
    async with AsyncExitStack() as ends:
        alone = await ends.enter_async_context(gateway(pair.alone, isolation, trusting=trusting))
        yield alone, await ends.enter_async_context(gateway(pair.everything, isolation, trusting=trusting))


def questions(world: World, seed: int, count: int) -> list[Question]:
    """Return generated questions of all kinds."""
    chance, grammar = random.Random(seed), Grammar(seed)
    found = [
        Question(
            grammar.query(), world.end - chance.choice((0, 0, 60, 600)), over_range=chance.random() < 0.3
        )
        for _ in range(count)
    ]
    for text in ("", "vm_state", "secret", '{__name__=~".+"}', "up", '{vm=~".*"}'):
        found += [
            Question(text, world.end, endpoint=Endpoint.LABELS),
            *(
                Question(text, world.end, endpoint=Endpoint.VALUES, label=label)
                for label in ("__name__", "tenant", "vm", "instance", "job")
            ),
        ]
        if text:
            found.append(Question(text, world.end, endpoint=Endpoint.SERIES))
    return found


async def differing(
    ways: tuple[Queries, Queries], asked: list[Question], world: World
) -> tuple[list[str], list[Outcome]]:
    """Return the questions whose answers differ or contain a trace of others, and all answers.

    A store adds series in any sequence, and what cancels out has several values then. Answers that differ are
    asked for some more times: those of both stores must have one in common. Such questions must be rare.
    """
    alone, everything = ways
    first, found = await outcomes(alone, asked), await outcomes(everything, asked)
    unsteady, wrong = list[str](), list[str]()
    for question, one, other in zip(asked, first, found, strict=True):
        differs, seen = one.differs(other), [other]
        if differs:
            own = [one, *await outcomes(alone, [question] * TIMES)]
            seen += await outcomes(everything, [question] * TIMES)
            differs = all(each.differs(with_others) for each in own for with_others in seen)
            unsteady += [] if differs else [question.text]
        if differs or any(traces(each, world) for each in seen):
            wrong.append(
                f"{question.text}: {one.raw or one.refusal} with others {other.raw or other.refusal}"[:1000]
            )
    print(f"several answers of {len(asked)}: {unsteady}")
    assert len(unsteady) <= 1 + len(asked) / 200
    return wrong, found


def traces(found: Outcome, world: World) -> bool:
    """Whether an answer contains a word that only others' series have."""
    shown = found.raw + found.refusal
    return any(secret in shown for secret in world.secrets)


async def test_generated_queries_give_the_same_without_others(victoria: Pair, the_world: World) -> None:
    """A thousand queries of a grammar, and questions about series, labels and values."""
    seed = time.time_ns() % 2**32
    print(f"the seed of the queries is {seed}")
    asked = questions(the_world, seed, QUERIES)
    async with both(victoria) as ways:
        wrong, found = await differing(ways, asked, the_world)
    assert wrong == []
    answered = [one for one in found if one.document is not None]
    assert len(answered) > len(found) / 2
    with_data = [one for one in answered if json.dumps(one.document["data"]).count('"a"')]
    assert len(with_data) > len(found) / 10


@pytest.mark.parametrize("isolation", [REWRITING_ALONE, LOCK_ALONE], ids=["rewriting alone", "lock alone"])
async def test_either_lock_alone_keeps_tenants_apart(
    victoria: Pair, the_world: World, isolation: Isolation
) -> None:
    """What one lock might miss, the other one holds."""
    asked = [
        question
        for question in questions(the_world, 7, 150)
        # Without the rewriting there is no check of the text, so only what both take is asked.
        if "tenant=" not in question.text
    ]
    async with both(victoria, isolation, trusting=isolation is REWRITING_ALONE) as ways:
        wrong, _ = await differing(ways, asked, the_world)
    assert wrong == []


async def test_the_rewriting_alone_is_enough_on_prometheus(prometheuses: Pair, the_world: World) -> None:
    """Prometheus does not know the second lock."""
    asked = [q for q in questions(the_world, 11, 150) if q.endpoint is not Endpoint.VALUES]
    async with both(prometheuses, trusting=True) as ways:
        wrong, _ = await differing(ways, asked, the_world)
    assert wrong == []


async def test_attacks_show_nothing(victoria: Pair, the_world: World) -> None:
    """Each attack gives the same with and without others; errors are in own words."""
    asked = [Question(attack.text, the_world.end) for attack in ATTACKS]
    async with both(victoria) as ways:
        wrong, _ = await differing(ways, asked, the_world)
    assert wrong == []


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.leaks], ids=lambda attack: attack.text[:50])
async def test_attacks_leak_without_the_locks(victoria: Pair, the_world: World, attack: Attack) -> None:
    """The positive control: what is said to leak does, so a test that passes has tested something."""
    question = Question(attack.text, the_world.end)
    async with both(victoria, NEITHER, trusting=True) as (alone, everything):
        one, other = await outcome(alone, question), await outcome(everything, question)
    assert other.document is not None, other.refusal
    assert one.differs(other)


@pytest.mark.parametrize("step", STORE_STEPS, ids=lambda step: getattr(step, "__name__", ""))
async def test_no_step_can_be_left_out(victoria: Pair, the_world: World, step: object) -> None:
    """Each step of the isolation is needed for something that the suite notices."""
    assert await noticed(victoria, the_world, Isolation().without(step)), step


async def test_the_whole_isolation_passes_what_the_mutations_fail(victoria: Pair, the_world: World) -> None:
    """The checks of the mutation test find nothing where no step is missing."""
    assert await noticed(victoria, the_world, Isolation()) == []


@pytest.mark.parametrize("planted", ["row", "label", "value"])
async def test_a_planted_leak_is_noticed(victoria: Pair, the_world: World, planted: str) -> None:
    """One more row, one more label, one changed value: the comparison sees each."""
    async with gateway(victoria.alone) as queries:
        found = await outcome(queries, Question("vm_gpu_power_watts", the_world.end))
    again = json.loads(found.raw)
    rows = again["data"]["result"]
    if planted == "row":
        rows.append({**rows[0], "metric": {"x": "y"}})
    elif planted == "label":
        rows[0]["metric"]["x"] = "y"
    else:
        rows[0]["value"][1] = str(float(rows[0]["value"][1]) * (1 + 1e-6))
    assert found.differs(replace(found, document=again))


async def test_a_store_without_the_lock_stops_promql(prometheuses: Pair, the_world: World) -> None:
    """Prometheus in place of VictoriaMetrics: the watchdog's first look refuses every query."""
    async with gateway(prometheuses.everything) as queries:
        found = await outcome(queries, Question("vm_state", the_world.end))
    assert found.refusal.startswith("503")


@pytest.fixture
def yesterdays() -> Iterator[str]:
    """Give the address of a Prometheus to which nothing was written for 20 hours."""
    old = Sample("vm_state", (("tenant", "b"), ("vm", "b1")), 1.0, int(time.time()) - 20 * 3600)
    with prometheus([old]) as url:
        yield url


async def test_a_store_without_the_lock_is_noticed_by_its_older_samples(yesterdays: str) -> None:
    """While nothing is written, as in an upgrade of the agents, a tenant still reads older samples."""
    async with gateway(yesterdays) as queries:
        found = await outcome(queries, Question("vm_state", int(time.time())))
    assert found.refusal.startswith("503")


async def test_a_misspelt_lock_stops_promql(victoria: Pair, the_world: World) -> None:
    """The store answers everything to a parameter that it does not know."""

    def misspelt(outgoing: Outgoing) -> Outgoing:
        return replace(outgoing, address=(("extra_lable", f"tenant={outgoing.tenant}"),))

    isolation = Isolation(sending=(sending.fixed_path, sending.known_parameters, misspelt))
    async with gateway(victoria.everything, isolation) as queries:
        found = await outcome(queries, Question("vm_state", the_world.end))
    assert found.refusal.startswith(f"{StoreUnavailableError.status}")
