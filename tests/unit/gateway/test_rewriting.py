"""A query can select series of its tenant only, whatever its text."""

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.gateway.errors import LibraryChangedError, QueryRefusedError
from hostcollector.gateway.promql import rewriting, self_test
from hostcollector.gateway.promql.reach import Window, earliest
from hostcollector.gateway.promql.rewriting import STEPS, Step, rewrite, selector_only
from hostcollector.gateway.promql.tree import nodes, selectors
from tests.unit.gateway.suite import ACCEPTED, NOW, REFUSED, draft, problems

REAL_PARSE = promql.parse


def test_every_attack_is_refused_and_every_query_is_locked() -> None:
    """What the suite lists is refused or printed as it says, and a faulty printer is noticed."""
    assert list(problems(STEPS)) == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_no_step_can_be_left_out(step: Step) -> None:
    """The suite notices each step that is missing."""
    assert list(problems([other for other in STEPS if other is not step]))


def test_every_step_is_in_the_list() -> None:
    """A function of the module that takes a draft and returns one is a step."""
    tree = ast.parse(Path(inspect.getfile(rewriting)).read_text())
    written = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and ast.unparse(node.returns or ast.Constant(None)) == "Draft"
    ]
    assert written == [step.__name__ for step in STEPS]


@pytest.mark.parametrize("text", [*REFUSED.values()], ids=[*REFUSED])
def test_a_refusal_names_the_cause_in_one_short_line(text: str) -> None:
    """The message is for the person who wrote the query; it has no traceback and no other tenant."""
    with pytest.raises(QueryRefusedError) as refusal:
        rewrite(draft(text))
    assert 10 < len(str(refusal.value)) < 300


@given(tenant=st.text(min_size=1, max_size=64), value=st.text(max_size=60))
def test_strings_survive_and_cannot_escape(tenant: str, value: str) -> None:
    """Whatever characters a value or a tenant has, the store reads the same value and one tenant."""
    literal = '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    try:
        text = rewrite(draft(f"sum(x{{v={literal}}}) by (v)", tenant))
    except QueryRefusedError:  # lone surrogates
        assert any("\ud800" <= character <= "\udfff" for character in tenant + value)
        return
    (selector,) = selectors(nodes(promql.parse(text)))
    assert {matcher.name: matcher.value for matcher in selector.matchers.matchers} == {
        "v": value,
        "tenant": tenant,
    }


@given(st.text(alphabet="x{}()[]\"'`\\,=~!@#:5m-+ \n\rtenanb", max_size=60))
def test_a_text_of_pieces_of_promql_is_refused_or_locked(text: str) -> None:
    """There is no third outcome."""
    try:
        found = rewrite(draft(text))
    except QueryRefusedError:
        return
    for selector in selectors(nodes(promql.parse(found))):
        assert [m.value for m in selector.matchers.matchers if m.name == "tenant"] == ["a"]


@pytest.mark.parametrize(
    ("text", "seconds_back"),
    [
        ("x", 0),
        ("x[5m]", 300),
        ("x offset 1h", 3600),
        ("x offset -1h", -3600),
        ("rate(x[5m] offset 1h)", 3900),
        ("max_over_time(x[1h:1m] offset 1d)", 90_000),
        ("max_over_time(max_over_time(x[2h:1m])[1h:1m])", 10_800),
        ("x @ start()", 0),
        ("x @ end()", -600),
        ("max_over_time(rate(x[5m] @ end())[1h:1m])", -300),
        ("x + y offset 10m", 600),
        ("1", float("-inf")),
        ("scalar(x offset 10m)", 600),
    ],
)
def test_how_far_back_a_query_looks(text: str, seconds_back: float) -> None:
    """Ranges, offsets and enclosing subqueries add up; @ begins anew. The window is ten minutes long."""
    assert earliest(promql.parse(text), Window.of(NOW, NOW + 600)) == NOW - seconds_back


def test_strings_and_comments_do_not_count_as_operators() -> None:
    """Within the bounds are those of the language only."""
    many = "(" * 500
    assert rewrite(draft(f'x{{a="{many}"}} # {many}')) == f'x{{a="{many}",tenant="a"}}'
    with pytest.raises(QueryRefusedError, match="operators"):
        rewrite(draft(f'x{{a="\\""}} # comment\r + {many}'))


def test_a_list_of_names_fills_a_query() -> None:
    """A dashboard asks for 200 VMs at once by their UUIDs."""
    names = "|".join(f"{number:08x}-0000-4000-8000-000000000000" for number in range(200))
    assert rewrite(draft(f'x{{vm=~"{names}"}}')) == f'x{{vm=~"{names}",tenant="a"}}'


def test_match_takes_one_selector() -> None:
    """`match[]` is no place for an expression."""
    assert selector_only(draft("vm_info")) == 'vm_info{tenant="a"}'
    with pytest.raises(QueryRefusedError, match="one selector"):
        selector_only(draft("rate(x[5m])"))


def test_the_library_behaves_as_the_rewriting_relies_on() -> None:
    """The self-test passes with the locked release."""
    self_test.check_library()


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("parse", lambda text: REAL_PARSE(text.partition(" + topk")[0])),
        ("parse", lambda text: REAL_PARSE(text.replace("\\", ""))),
        ("parse", lambda text: REAL_PARSE(text.replace("offset 1m", ""))),
        ("parse", lambda text: REAL_PARSE(text.replace(' or b="2"', ""))),
        ("display_duration", lambda duration: "1h"),
    ],
    ids=["selectors", "strings", "offsets", "alternatives", "durations"],
)
def test_a_changed_library_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str, changed: Callable[[Any], Any]
) -> None:
    """A parser that shows or prints less does not get to serve."""
    monkeypatch.setattr(promql, name, changed)
    with pytest.raises(LibraryChangedError):
        self_test.check_library()


def test_the_suite_has_accepted_queries_for_each_kind_of_node() -> None:
    """The list does not pass because everything is refused."""
    assert len(ACCEPTED) > 10
