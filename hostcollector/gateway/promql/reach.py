"""How far back a query looks: the earliest instant that any of its selectors reaches."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import promql_parser as promql

from hostcollector.gateway.promql.tree import children


@dataclass(frozen=True, slots=True)
class Window:
    """The instants at which a query is evaluated, in Unix seconds; of an instant query both are the same.

    `lowest` is the earliest one at which a part of it is evaluated, in a subquery for example.
    """

    start: float
    end: float
    lowest: float

    @classmethod
    def of(cls, start: float, end: float) -> "Window":
        """Return the window of a whole query."""
        return cls(start, end, min(start, end))


def earliest(node: Any, window: Window) -> float:
    """Return the earliest instant whose samples a node needs, in Unix seconds; infinite for a constant."""
    match node:
        case promql.VectorSelector():
            return _moved(node, window)
        case promql.MatrixSelector():
            return earliest(node.vector_selector, window) - _seconds(node.range)
        case promql.SubqueryExpr():
            lowest = _moved(node, window) - _seconds(node.range)
            return earliest(node.expr, replace(window, lowest=lowest))
    return min((earliest(child, window) for child in children(node)), default=float("inf"))


def _moved(node: Any, window: Window) -> float:
    """Return the lowest instant of evaluation after ``@`` and ``offset``."""
    at = node.at
    if at is None:
        lowest = window.lowest
    elif at.type == promql.AtModifierType.Start:
        lowest = window.start
    elif at.type == promql.AtModifierType.End:
        lowest = window.end
    else:
        lowest = float(at.at.timestamp())
    return lowest - _seconds(node.offset)


def _seconds(duration: timedelta | None) -> float:
    return 0.0 if duration is None else duration.total_seconds()
