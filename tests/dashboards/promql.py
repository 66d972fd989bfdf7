"""What a PromQL query touches: its selectors, and the labels that it groups and joins by."""

from collections.abc import Callable, Iterator
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
    """Labels that `label_replace`, `label_join` and `count_values` make, or that a join brings."""


def read(expr: str) -> Query:
    """Return what the query touches. Raises `ValueError` where it is no PromQL."""
    nodes = list(_walk(promql.parse(expr), ""))
    joins: set[str] = set()
    made: set[str] = set()
    for node, _ in nodes:
        if isinstance(node, promql.BinaryExpr) and node.modifier is not None:
            matching = node.modifier.matching
            joins.update(matching.labels if matching else ())
            brought = node.modifier.group_labels or ()
            joins.update(brought)
            made.update(brought)
        made.update(_made(node))
    return Query(
        selectors=tuple(_selector(node, around) for node, around in nodes if _selects(node)),
        aggregations=tuple(_aggregation(node) for node, _ in nodes if isinstance(node, promql.AggregateExpr)),
        joined=frozenset(joins),
        made=frozenset(made),
    )


def labels_of(expr: str, known: Callable[[str], frozenset[str]]) -> frozenset[str]:
    """Return the labels that the series of a query can have; `known` says those of a metric."""
    return _labels(promql.parse(expr), known)


def _labels(node: Any, known: Callable[[str], frozenset[str]]) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    match node:
        case promql.VectorSelector() | promql.MatrixSelector():
            found = known(_selector(node, "").metric)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            found = _labels(node.expr, known)
        case promql.Call():
            found = found.union(_made(node), *(_labels(argument, known) for argument in node.args))
        case promql.AggregateExpr():
            inside, one = _labels(node.expr, known), _aggregation(node)
            if one.operator in {"topk", "bottomk"}:
                return inside
            found = (inside & one.labels if one.keeps else inside - one.labels) | _made(node)
        case promql.BinaryExpr():
            found = _labels_of_both(node, known)
    return found


def _made(node: Any) -> frozenset[str]:
    """Return the label that a node adds."""
    if isinstance(node, promql.Call) and node.func.name in {"label_replace", "label_join"}:
        return frozenset({node.args[1].val})
    if isinstance(node, promql.AggregateExpr) and str(node.op) == "count_values":
        return frozenset({node.param.val})  # type: ignore[union-attr]
    return frozenset()


def _labels_of_both(node: Any, known: Callable[[str], frozenset[str]]) -> frozenset[str]:
    left, right = _labels(node.lhs, known), _labels(node.rhs, known)
    if str(node.op) == "or":
        return left | right
    matching = node.modifier.matching if node.modifier else None
    if str(node.op) in {"and", "unless"} or matching is None:
        # A number has no labels: then it is the other side.
        return left or right
    if node.modifier.group_labels is not None:
        return left | frozenset(node.modifier.group_labels)
    given = frozenset(matching.labels)
    return left & given if matching.type == promql.LabelModifierType.Include else left - given


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
