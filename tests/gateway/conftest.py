"""The stores that the files here share: the same samples, with and without those of others."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.gateway.stores import prometheus, victoria_metrics
from tests.gateway.world import World, world


@dataclass(frozen=True, slots=True)
class Pair:
    """A store with tenant a alone, and one with everything."""

    alone: str
    everything: str


@pytest.fixture(scope="session")
def the_world() -> World:
    """Give the samples of this run; the seed is in the output of a failed test."""
    seed = time.time_ns() % 2**32
    print(f"the seed of the world is {seed}")
    return world(seed, int(time.time()) - 120)


@pytest.fixture(scope="session")
def victoria(the_world: World) -> Iterator[Pair]:
    """Give two VictoriaMetrics."""
    with victoria_metrics(the_world.own) as alone, victoria_metrics(the_world.all) as everything:
        yield Pair(alone, everything)


@pytest.fixture(scope="session")
def prometheuses(the_world: World) -> Iterator[Pair]:
    """Give two Prometheus."""
    with prometheus(the_world.own) as alone, prometheus(the_world.all) as everything:
        yield Pair(alone, everything)
