"""What a PromQL query touches: its selectors, and the labels that it groups and joins by."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

INCREASES = frozenset({"rate", "irate", "increase"})


@dataclass(frozen=True, slots=True)
class Selector:
    """A selection of series. `function` is the one directly around it, `matchers` go by label."""

    metric: str
    matchers: tuple[tuple[str, str], ...]
    function: str

    @property
    def labels(self) -> frozenset[str]:
        """The labels that it asks for."""
        return frozenset(label for label, _ in self.matchers)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """An aggregation over some metrics that keeps (`by`) or drops (`without`) labels."""

    operator: str
    keeps: bool
    labels: frozenset[str]
    metrics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Query:
    """Everything that a query touches. `joined` are the labels of `on`, `ignoring` and `group_left`."""

    selectors: tuple[Selector, ...]
    aggregations: tuple[Aggregation, ...]
    joined: frozenset[str]
    made: frozenset[str]
    """Labels that `label_replace` makes."""


def read(expr: str) -> Query:
    """Return what the query touches. Raises `ValueError` where it is no PromQL."""
    nodes = list(_walk(promql.parse(expr), ""))
    joins: set[str] = set()
    made: set[str] = set()
    for node, _ in nodes:
        if isinstance(node, promql.BinaryExpr) and node.modifier is not None:
            matching = node.modifier.matching
            joins.update(matching.labels if matching else ())
            joins.update(node.modifier.group_labels or ())
        elif isinstance(node, promql.Call) and node.func.name == "label_replace":
            made.add(node.args[1].val)
    return Query(
        selectors=tuple(_selector(node, around) for node, around in nodes if _selects(node)),
        aggregations=tuple(_aggregation(node) for node, _ in nodes if isinstance(node, promql.AggregateExpr)),
        joined=frozenset(joins),
        made=frozenset(made),
    )


def _walk(node: Any, around: str) -> Iterator[tuple[Any, str]]:
    """Yield every node below, with the function that is directly around it."""
    yield node, around
    match node:
        case promql.BinaryExpr():
            yield from _walk(node.lhs, "")
            yield from _walk(node.rhs, "")
        case promql.Call():
            for argument in node.args:
                yield from _walk(argument, node.func.name)
        case promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _walk(node.expr, "")


def _selects(node: Any) -> bool:
    return isinstance(node, promql.VectorSelector | promql.MatrixSelector)


def _selector(node: Any, around: str) -> Selector:
    plain = node.vector_selector if isinstance(node, promql.MatrixSelector) else node
    matchers = tuple((matcher.name, matcher.value) for matcher in plain.matchers.matchers)
    return Selector(plain.name or "", matchers, around)


def _aggregation(node: Any) -> Aggregation:
    modifier = node.modifier
    inside = frozenset(_selector(below, "").metric for below, _ in _walk(node.expr, "") if _selects(below))
    return Aggregation(
        operator=str(node.op),
        keeps=modifier is None or modifier.type == promql.AggModifierType.By,
        labels=frozenset(modifier.labels if modifier else ()),
        metrics=inside,
    )
