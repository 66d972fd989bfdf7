"""What Grafana sends for a board's variables, and how its queries are scaled."""

import pytest

from tests.bench.simulator.grafana import Cost, filled
from tests.bench.simulator.prometheus import Answer
from tests.bench.simulator.queries import bounded, scaled
from tests.dashboards.choice import opened_with

ALL = {"value": ["$__all"]}


@pytest.mark.parametrize(
    ("variable", "options", "value"),
    [
        ({"current": ALL, "includeAll": True, "allValue": ".+"}, ["a", "b"], ".+"),
        ({"current": ALL, "includeAll": True}, ["a", "b"], "(a|b)"),
        ({"current": {"value": ""}}, ["a.b", "c"], r"a\\.b"),
        ({"current": {"value": ["c"]}}, ["a", "c"], "c"),
        ({"current": {"value": "gone"}}, ["a", "c"], "a"),
        ({"current": ALL, "includeAll": True}, [], ""),
    ],
)
def test_a_board_opens_with_these_values(variable: dict[str, object], options: list[str], value: str) -> None:
    """All by its own pattern or as the list, else the value that is kept, else the first one; escaped."""
    assert opened_with(variable, options) == value


def test_variables_are_filled_in_by_their_whole_names() -> None:
    """A name that begins like another one is not taken for it; a group of `label_replace` is no variable."""
    values = {"top": "x", "top_cpu": "y", "__range": "60s"}
    assert (
        filled('a{b=~"$top_cpu", c="${top:regex}", d="$1"}[$__range]', values)
        == 'a{b=~"y", c="x", d="$1"}[60s]'
    )


@pytest.mark.parametrize(
    ("expr", "is_bounded"),
    [
        ('rate(a{instance=~"compute-1"}[1m])', True),
        (r'a{uuid=~"(7e37\\.1|7e38)"}', True),
        ('a{instance=~".+"}', False),
        ('a{instance=~"compute-1"} / on (job) b', False),
        ('a{tenant=~"t"}', False),
        ('tenant:a:sum{tenant=~"t"}', True),
        ('a{instance=~"(' + "|".join(map(str, range(21))) + ')"}', False),
    ],
)
def test_a_query_that_names_what_it_is_about_does_not_grow(expr: str, *, is_bounded: bool) -> None:
    """Hosts, guests and what is recorded for each tenant, by name and not too many, in each selector."""
    assert bounded(expr) is is_bounded


def test_a_query_is_scaled_by_hosts_and_by_steps() -> None:
    """Ten times the hosts, and the steps of an hour; an instant is one step unless it looks back over it."""
    answer = Answer(seconds=0.1, series=1, read=100, peak=100)
    window = 300

    def peak(expr: str, *, instant: bool) -> float:
        return scaled(Cost("b", "p", "A", expr, instant, answer), 10, window).peak

    assert peak("a", instant=True) == 1000
    assert peak("a", instant=False) == pytest.approx(1000 * 241 / 21)
    assert peak("max_over_time(a[3600s])", instant=True) == peak("a", instant=False)
    assert peak('a{uuid="u"}', instant=False) == pytest.approx(100 * 241 / 21)
