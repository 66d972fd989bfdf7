"""How the boards' queries grow with the fleet, and the table of them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench.simulator.grafana import RANGE_SECONDS, Cost
from tests.bench.simulator.prometheus import SCRAPE_SECONDS
from tests.dashboards.promql import read

SECONDS_TARGET = 2.0
PEAK_TARGET = 50_000_000
"""Prometheus' default of `query.max-samples`."""
_LITERAL = re.compile(r"(?:[\w:-]|\\.)+")
"""What a variable writes for one value: no pattern for many."""
_SOME = 20
"""How many values a variable writes that holds the first ones of a list."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """What a query costs in a fleet of `hosts` times as many hosts, over `steps` times the window."""

    cost: Cost
    hosts: float
    steps: float

    @property
    def seconds(self) -> float:
        """The estimate of its time."""
        return self.cost.answer.seconds * self.hosts * self.steps

    @property
    def peak(self) -> float:
        """The estimate of the samples that it holds at one time."""
        return self.cost.answer.peak * self.hosts * self.steps

    @property
    def missed(self) -> bool:
        """Whether it misses a target: 2 s as measured, 50 M samples scaled."""
        return (
            self.cost.answer.seconds > SECONDS_TARGET
            or self.peak > PEAK_TARGET
            or bool(self.cost.answer.error)
        )


def scaled(cost: Cost, hosts: float, window: int) -> Scaled:
    """Scale a query, more steps only where it has any, more hosts unless it names its hosts or guests."""
    steps = (RANGE_SECONDS / SCRAPE_SECONDS + 1) / (window / SCRAPE_SECONDS + 1)
    over_range = not cost.instant or f"[{RANGE_SECONDS}s" in cost.expr
    return Scaled(cost, 1.0 if bounded(cost.expr) else hosts, steps if over_range else 1.0)


def bounded(expr: str) -> bool:
    """Whether each selector of the query names its hosts, guests or tenants: a larger fleet adds none."""
    return all(
        any(_names_some(label, value, selector.metric) for label, value in selector.matchers)
        for selector in read(expr).selectors
    )


def _names_some(label: str, value: str, metric: str) -> bool:
    # A tenant may have more guests in a larger fleet; what is recorded for each tenant is one series.
    counted = label in {"instance", "host", "uuid"} or (label == "tenant" and metric.startswith("tenant:"))
    named = value.removeprefix("(").removesuffix(")").split("|")
    return counted and len(named) <= _SOME and all(map(_LITERAL.fullmatch, named))


HEADINGS = ("board", "panel", "s", "series", "read", "peak", "peak scaled", "s scaled")


def rows(found: Sequence[Scaled]) -> Iterator[tuple[str, ...]]:
    """Yield the table, the most expensive first."""
    for one in sorted(
        found, key=lambda scaled: (not scaled.missed, -scaled.peak, -scaled.cost.answer.seconds)
    ):
        cost, answer = one.cost, one.cost.answer
        yield (
            cost.board,
            f"{cost.panel} {cost.target}",
            f"{answer.seconds:.2f}",
            f"{answer.series:,}",
            f"{answer.read:,}",
            f"{answer.peak:,}",
            f"{one.peak / 1e6:.1f} M" + (" MISSED" if one.missed else ""),
            f"{one.seconds:.1f}" + (f" {answer.error}" if answer.error else ""),
        )
