"""Locks a query to one tenant, in steps that each take a `Draft` and return the next one.

`STEPS` has all of them, in the sequence in which they run. A test takes out one after the other and expects
to notice each.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import promql_parser as promql

from hostcollector.gateway.errors import QueryRefusedError
from hostcollector.gateway.promql.language import AGGREGATIONS, FUNCTIONS, RESERVED_LABELS
from hostcollector.gateway.promql.printing import TENANT, locked, operator_of
from hostcollector.gateway.promql.reach import Window, earliest
from hostcollector.gateway.promql.text import check_bounds, check_instants, check_patterns
from hostcollector.gateway.promql.tree import nodes, selectors

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LONGEST_COMPLAINT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A query on its way from the tenant's text to the store's.

    `oldest` is the earliest instant that the tenant may read, in Unix seconds. `tree` is that of the
    tenant's own text, once it was parsed, and `nodes` has each of its nodes once: the parser copies what is
    below a node whenever that is read.
    """

    tenant: str
    text: str
    window: Window
    oldest: float
    tree: Any = None
    nodes: tuple[Any, ...] = ()


Step = Callable[[Draft], Draft]


def bounded(draft: Draft) -> Draft:
    """Refuse a text that would take the parser long, or end the process."""
    check_bounds(draft.text)
    return draft


def light_patterns(draft: Draft) -> Draft:
    """Refuse regular expressions that would take the parser long."""
    check_patterns(draft.text)
    return draft


def plain_instants(draft: Draft) -> Draft:
    """Refuse instants behind ``@`` that the parser prints as other ones."""
    check_instants(draft.text)
    return draft


def parsed(draft: Draft) -> Draft:
    """Parse the text."""
    tree = _parse(draft.text)
    return replace(draft, tree=tree, nodes=tuple(nodes(tree)))


def held_durations(draft: Draft) -> Draft:
    """Refuse durations of more than 2.7 million years: Python has no value for what the parser has read."""
    for node in draft.nodes:
        try:
            for name in ("range", "step", "offset"):
                getattr(node, name, None)
        except (ValueError, OverflowError):
            raise QueryRefusedError("a range, a step or an offset is too long") from None
    return draft


def known_functions(draft: Draft) -> Draft:
    """Refuse functions, aggregations and modifiers outside of the list."""
    for node in draft.nodes:
        name = ""
        match node:
            case promql.Call() if node.func.name not in FUNCTIONS:
                name = node.func.name
            case promql.AggregateExpr() if str(node.op) not in AGGREGATIONS:
                name = str(node.op)
            case promql.BinaryExpr() if _fills(node):
                name = "fill"
        if name:
            raise QueryRefusedError(f"{name} is not supported here")
    return draft


def single_alternatives(draft: Draft) -> Draft:
    """Refuse ``or`` between matchers: an equality beside it would hold for one alternative only."""
    for selector in selectors(draft.nodes):
        if selector.matchers.or_matchers:
            raise QueryRefusedError("'or' between matchers is not supported: use =~")
    return draft


def classic_names(draft: Draft) -> Draft:
    """Refuse names of metrics and labels that need quotes."""
    for node in draft.nodes:
        for name in _labels(node):
            if not _LABEL.fullmatch(name):
                raise QueryRefusedError(f"{name[:60]!a} is not the name of a label")
        for name in _metrics(node):
            if not _METRIC.fullmatch(name):
                raise QueryRefusedError(f"{name[:60]!a} is not the name of a metric")
    return draft


def unreserved_labels(draft: Draft) -> Draft:
    """Refuse matchers on the labels by which tenants are kept apart."""
    for selector in selectors(draft.nodes):
        for matcher in selector.matchers.matchers:
            if matcher.name in RESERVED_LABELS:
                raise QueryRefusedError(f"{matcher.name} cannot be matched: leave it out, it is set for you")
    return draft


def within_history(draft: Draft) -> Draft:
    """Refuse a query that looks back further than the tenant may."""
    if earliest(draft.tree, draft.window) < draft.oldest:
        raise QueryRefusedError("the query looks back further than your plan's history: shorten its ranges")
    return draft


def tenant_matchers(draft: Draft) -> Draft:
    """Print the tree with the tenant's matcher in each selector."""
    return replace(draft, text=locked(draft.tree, draft.tenant))


def proved(draft: Draft) -> Draft:
    """Parse what was printed: the same kinds of nodes as before, each selector with the tenant's matcher."""
    printed = tuple(nodes(_parse(draft.text)))
    same = [*map(type, printed)] == [*map(type, draft.nodes)]
    if not same or not all(_selects(selector, draft.tenant) for selector in selectors(printed)):
        raise QueryRefusedError("the query cannot be limited to your series: write it in a simpler way")
    return draft


STEPS: tuple[Step, ...] = (
    bounded,
    light_patterns,
    plain_instants,
    parsed,
    held_durations,
    known_functions,
    single_alternatives,
    classic_names,
    unreserved_labels,
    within_history,
    tenant_matchers,
    proved,
)


OF_EACH_QUERY = frozenset({within_history})
"""The steps that look at more than tenant and text: they run for a query that was rewritten before, too."""


def rewrite(draft: Draft, steps: Sequence[Step] = STEPS) -> str:
    """Return the text for the store. Raises `QueryRefusedError`."""
    return reduce(lambda before, step: step(before), steps, draft).text


def selector_only(draft: Draft, steps: Sequence[Step] = STEPS) -> str:
    """Return a text for ``match[]``, which is one selector. Raises `QueryRefusedError`."""
    draft = reduce(lambda before, step: step(before), steps, draft)
    if not isinstance(draft.tree, promql.VectorSelector):
        raise QueryRefusedError('match[] takes one selector, such as vm_info or {vm="..."}')
    return draft.text


def _parse(text: str) -> Any:
    try:
        return promql.parse(text)
    except (ValueError, OverflowError) as error:
        raise QueryRefusedError(f"not valid PromQL: {str(error)[:_LONGEST_COMPLAINT]}") from None


def _selects(selector: Any, tenant: str) -> bool:
    if selector.matchers.or_matchers:
        return False
    found = [matcher for matcher in selector.matchers.matchers if matcher.name == TENANT]
    return [(operator_of(matcher), matcher.value) for matcher in found] == [("=", tenant)]


def _fills(node: Any) -> bool:
    fill = None if node.modifier is None else node.modifier.fill_values
    return fill is not None and not (fill.lhs is None and fill.rhs is None)


def _metrics(node: Any) -> list[str]:
    """Return the names that a selector asks for, before its braces or in them."""
    if not isinstance(node, promql.VectorSelector):
        return []
    matchers = [one for one in node.matchers.matchers if one.name == "__name__" and operator_of(one) == "="]
    return [name for name in (node.name, *(one.value for one in matchers)) if name]


def _labels(node: Any) -> list[str]:
    """Return the names of labels that a node has in matchers, groups and joins."""
    match node:
        case promql.VectorSelector():
            return [matcher.name for matcher in node.matchers.matchers]
        case promql.AggregateExpr() if node.modifier is not None:
            return list(node.modifier.labels)
        case promql.BinaryExpr() if node.modifier is not None:
            matching = node.modifier.matching
            return [*(matching.labels if matching is not None else ()), *(node.modifier.group_labels or ())]
    return []
