"""What the rewriting relies on in the parser, tried at the start: a changed library must not serve."""

from contextlib import suppress

from hostcollector.base.errors import HostcollectorError
from hostcollector.gateway.errors import LibraryChangedError, QueryRefusedError
from hostcollector.gateway.promql.reach import Window
from hostcollector.gateway.promql.rewriting import Draft, rewrite

_EVERY_PLACE = (
    "quantile(scalar(a)/1000, rate(b[90m] @ 5 offset 1m)) + on(x) group_left(y) max_over_time((-c)[1h:1m]) "
    '+ topk by (z) (scalar(d), e{v="q\\"u\\\\o\\nte"}) + clamp_max(f, scalar(g offset -2m)) + h @ start() '
    "> bool ignoring (x) i @ end()"
)
"""Selectors in every place where a query can have one; the names are the letters from a to i."""

_LOCKED = (
    'quantile(scalar(a{tenant="t\\""}) / 1000.0, rate(b{tenant="t\\""}[1h30m] @ 5.000 offset 1m)) + on (x) '
    'group_left (y) max_over_time((-c{tenant="t\\""})[1h:1m]) + topk by (z) (scalar(d{tenant="t\\""}), '
    'e{v="q\\"u\\\\o\\nte",tenant="t\\""}) + clamp_max(f{tenant="t\\""}, scalar(g{tenant="t\\""} '
    'offset -2m)) + h{tenant="t\\""} @ start() > bool ignoring (x) i{tenant="t\\""} @ end()'
)


def check_library() -> None:
    """Raise `LibraryChangedError` where the parser behaves otherwise than when this was written."""
    try:
        found = rewrite(_draft(_EVERY_PLACE))
    except HostcollectorError as error:
        raise LibraryChangedError(f"{_CHANGED}: {error}") from error
    if found != _LOCKED:
        raise LibraryChangedError(f"{_CHANGED}: {found}")
    with suppress(QueryRefusedError):
        rewrite(_draft('x{a="1" or b="2"}'))
        raise LibraryChangedError(f"{_CHANGED}: it hides 'or' between matchers")


_CHANGED = "promql-parser behaves otherwise than the gateway relies on"


def _draft(text: str) -> Draft:
    return Draft(tenant='t"', text=text, window=Window.of(0, 0), oldest=float("-inf"))
