"""The tree of a query: what is below each node. A node of a kind that is not known here is refused."""

from collections.abc import Iterable, Iterator
from typing import Any

import promql_parser as promql

from hostcollector.gateway.errors import QueryRefusedError

MOST_DEPTH = 250
"""Levels of a tree; the bounds on the text allow about half of it."""


def children(node: Any) -> tuple[Any, ...]:
    """Return the nodes below a node. Raises `QueryRefusedError` for an unknown kind of node."""
    match node:
        case promql.AggregateExpr():
            return (node.expr,) if node.param is None else (node.param, node.expr)
        case promql.BinaryExpr():
            return node.lhs, node.rhs
        case promql.UnaryExpr() | promql.ParenExpr() | promql.SubqueryExpr():
            return (node.expr,)
        case promql.MatrixSelector():
            return (node.vector_selector,)
        case promql.Call():
            return tuple(node.args)
        case promql.VectorSelector() | promql.NumberLiteral() | promql.StringLiteral():
            return ()
    raise QueryRefusedError(f"the query has a part of an unknown kind, {type(node).__name__}")


def nodes(root: Any, depth: int = 0) -> Iterator[Any]:
    """Yield a node and all nodes below it."""
    if depth > MOST_DEPTH:
        raise QueryRefusedError("the query is nested too deeply: split it")
    yield root
    for child in children(root):
        yield from nodes(child, depth + 1)


def selectors(found: Iterable[Any]) -> list[Any]:
    """Return the vector selectors among nodes."""
    return [node for node in found if isinstance(node, promql.VectorSelector)]
