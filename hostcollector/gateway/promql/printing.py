"""A query's tree as text, each selector with the tenant's matcher.

The text is written here because the parser's own printing is not fit for it: `str` does not escape values,
`prettify` does not see a changed node, and `transform` copies what is below each node (0.1 s for 100 terms).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import promql_parser as promql

from hostcollector.gateway.errors import QueryRefusedError

TENANT = "tenant"
"""The label that the gateway sets, and that no query may match."""

_OPERATORS = (
    (promql.MatchOp.Equal, "="),
    (promql.MatchOp.NotEqual, "!="),
    (promql.MatchOp.Re, "=~"),
    (promql.MatchOp.NotRe, "!~"),
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def locked(node: Any, tenant: str) -> str:  # noqa: C901, PLR0911 - one case for each kind of node
    """Return the text of a tree that selects series of `tenant` only.

    Parentheses are nodes of the tree, so none has to be added.
    """

    def text(inner: Any) -> str:
        return locked(inner, tenant)

    match node:
        case promql.VectorSelector():
            return _selector(node, tenant) + _moved(node)
        case promql.MatrixSelector():
            inner = node.vector_selector
            return f"{_selector(inner, tenant)}[{duration(node.range)}]{_moved(inner)}"
        case promql.SubqueryExpr():
            return f"{text(node.expr)}[{duration(node.range)}:{duration(node.step)}]{_moved(node)}"
        case promql.ParenExpr():
            return f"({text(node.expr)})"
        case promql.UnaryExpr():
            return f"-{text(node.expr)}"
        case promql.BinaryExpr():
            return f"{text(node.lhs)} {node.op}{_joined(node.modifier)} {text(node.rhs)}"
        case promql.AggregateExpr():
            inside = text(node.expr) if node.param is None else f"{text(node.param)}, {text(node.expr)}"
            return f"{node.op}{_grouped(node.modifier)}({inside})"
        case promql.Call():
            return f"{node.func.name}({', '.join(map(text, node.args))})"
        case promql.NumberLiteral():
            return _number(node.val)
        case promql.StringLiteral():
            return quoted(node.val)
    raise QueryRefusedError(f"the query has a part of an unknown kind, {type(node).__name__}")


def operator_of(matcher: Any) -> str:
    """Return a matcher's operator as it is written; the parser's own enumeration cannot be hashed."""
    return next(text for operator, text in _OPERATORS if operator == matcher.op)


def quoted(value: str) -> str:
    """Return a string literal of PromQL."""
    return '"' + "".join(_ESCAPES.get(character, character) for character in value) + '"'


def duration(length: timedelta | None) -> str:
    """Return a duration, which may be negative, as PromQL writes it; empty for none."""
    if length is None:
        return ""
    return f"{'-' if length < timedelta() else ''}{promql.display_duration(abs(length))}"


def _number(value: float) -> str:
    return repr(value).replace("inf", "Inf").replace("nan", "NaN")


def _selector(selector: Any, tenant: str) -> str:
    matchers = [
        f"{matcher.name}{operator_of(matcher)}{quoted(matcher.value)}"
        for matcher in selector.matchers.matchers
    ]
    matchers.append(f"{TENANT}={quoted(tenant)}")
    return f"{selector.name or ''}{{{','.join(matchers)}}}"


def _moved(node: Any) -> str:
    return _at(node.at) + (f" offset {duration(node.offset)}" if node.offset else "")


def _at(modifier: Any) -> str:
    if modifier is None:
        return ""
    if modifier.type == promql.AtModifierType.Start:
        return " @ start()"
    if modifier.type == promql.AtModifierType.End:
        return " @ end()"
    return f" @ {modifier.at.timestamp():.3f}"


def _grouped(modifier: Any) -> str:
    if modifier is None:
        return ""
    word = "by" if modifier.type == promql.AggModifierType.By else "without"
    return f" {word} {_list(modifier.labels)} "


def _joined(modifier: Any) -> str:
    if modifier is None:
        return ""
    text = " bool" if modifier.return_bool else ""
    if modifier.matching is not None:
        included = modifier.matching.type == promql.LabelModifierType.Include
        text += f" {'on' if included else 'ignoring'} {_list(modifier.matching.labels)}"
    if modifier.card == promql.VectorMatchCardinality.ManyToOne:
        text += f" group_left {_list(modifier.group_labels or ())}"
    elif modifier.card == promql.VectorMatchCardinality.OneToMany:
        text += f" group_right {_list(modifier.group_labels or ())}"
    return text


def _list(labels: Sequence[str]) -> str:
    return f"({', '.join(labels)})"
