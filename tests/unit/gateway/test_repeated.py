"""Queries that come again: kept for one tenant and one text, and looked at anew where the time matters."""

from dataclasses import replace

import pytest

from hostcollector.gateway.errors import QueryRefusedError
from hostcollector.gateway.promql.reach import Window
from hostcollector.gateway.promql.repeated import LONGEST_KEPT, MOST_KEPT, Rewriting
from hostcollector.gateway.promql.rewriting import STEPS, Draft, Step, rewrite

NOW = 1_800_000_000.0


def draft(text: str, tenant: str = "a", at: float = NOW) -> Draft:
    """Return a query at an instant; the tenant may read a day."""
    return Draft(tenant=tenant, text=text, window=Window.of(at, at), oldest=NOW - 86_400)


def test_a_repeated_query_is_parsed_once() -> None:
    """And its result is the same."""
    ran: list[str] = []

    def noted(step: Step) -> Step:
        def run(given: Draft) -> Draft:
            ran.append(step.__name__)
            return step(given)

        return run

    rewriting = Rewriting([noted(step) for step in STEPS])
    texts = [rewriting.rewrite(draft("sum(rate(x[5m]))")) for _ in range(3)]
    assert texts == [rewrite(draft("sum(rate(x[5m]))"))] * 3
    assert len(ran) == len(STEPS)


def test_tenants_do_not_share_results() -> None:
    """The same text of two tenants is two queries."""
    rewriting = Rewriting()
    for _ in range(2):
        assert 'tenant="a"' in rewriting.rewrite(draft("x", "a"))
        assert 'tenant="b"' in rewriting.rewrite(draft("x", "b"))


def test_the_history_is_checked_each_time() -> None:
    """A text that was allowed now is refused for the past, and allowed again afterwards."""
    rewriting = Rewriting()
    rewriting.rewrite(draft("x[1h]"))
    with pytest.raises(QueryRefusedError, match="history"):
        rewriting.rewrite(draft("x[1h]", at=NOW - 86_000))
    with pytest.raises(QueryRefusedError, match="history"):
        rewriting.rewrite(replace(draft("x[1h]"), oldest=NOW))
    assert rewriting.rewrite(draft("x[1h]"))


def test_refused_and_long_queries_are_not_kept_and_the_number_is_bounded() -> None:
    """A tenant cannot fill the memory."""
    rewriting = Rewriting()
    for text in ("x(", 'x{tenant="b"}', "x" * (LONGEST_KEPT + 1)):
        for _ in range(2):
            try:
                rewriting.rewrite(draft(text))
            except QueryRefusedError:
                continue
    assert rewriting._kept == {}
    for number in range(MOST_KEPT + 10):
        rewriting.rewrite(draft(f"x{number}"))
    assert len(rewriting._kept) == MOST_KEPT
