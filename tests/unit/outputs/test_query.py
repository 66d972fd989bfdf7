"""Series of a page by a selector: the same ones that Prometheus would take."""

import re
from collections.abc import Mapping

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.model import Family, Histogram, Snapshot
from hostcollector.catalogue import block, collection, guest
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from hostcollector.outputs.query import SelectorError, matching, parse_selector, why_none

HOSTILE = ('a"b', "two\nlines", "back\\slash", "{}", 'x="y"', "ü", "")


def page_with(*names: str) -> str:
    """Return a page on which guests with these names are, and sources of every state."""
    states: Mapping[tuple[str, ...], float] = {
        ("acme", name, f"u-{number}", "running", "booted"): 1.0 for number, name in enumerate(names)
    }
    histogram: Mapping[tuple[str, ...], Histogram] = {
        ("acme", "web", "u", "vda", "read"): Histogram((1.0, float("inf")), (1, 2))
    }
    families = (
        Family(guest.STATE_REASON, states),
        Family(block.LATENCY, histogram),
        Family(collection.LIBVIRT_UP, {(): 1.0}),
        Family(collection.SOURCE_OFF, {("redfish",): 1.0}),
        Family(collection.SOURCE_UP, {("netlink",): 0.0, ("definition",): 1.0}),
    )
    return Encoder().encode(Snapshot(taken_at=0.0, families=families), Format.TEXT).decode()


PAGE = page_with("web-1", "web-2", "db", *HOSTILE)


def guests(selector: str) -> list[str]:
    """Return the numbers of the guests whose state the selector takes."""
    return [
        re.search('uuid="u-([0-9]+)"', line)[1]  # type: ignore[index]
        for line in matching(PAGE, parse_selector(selector))
        if line.startswith(guest.STATE_REASON.name)
    ]


@pytest.mark.parametrize(
    ("matchers", "found"),
    [
        ("", "0123456789"),
        ('{domain="db"}', "2"),
        ('{domain="db",}', "2"),
        ("{domain='db'}", "2"),
        ("{domain=`db`}", "2"),
        ('{ domain = "db" , tenant="acme" }', "2"),
        ('{domain=~"web-.*"}', "01"),
        ('{domain=~"web"}', ""),
        ('{domain=~"web.*",domain!="web-1"}', "1"),
        ('{domain!~"web.*|db",domain!=""}', "345678"),
        (r'{domain="a\"b"}', "3"),
        (r'{domain="two\nlines"}', "4"),
        (r'{domain="back\\slash"}', "5"),
        ("{domain=`back\\slash`}", "5"),
        (r'{domain="\u00fc"}', "8"),
        ('{domain=""}', "9"),
        ('{absent=""}', "0123456789"),
    ],
)
def test_the_same_series_as_prometheus(matchers: str, found: str) -> None:
    """Operators, whole-value expressions, escapes, both quotes and raw text mean what they mean in PromQL."""
    assert guests(guest.STATE_REASON.name + matchers) == list(found)


def test_a_name_may_be_a_matcher_or_left_out() -> None:
    """All about one guest, families by an expression, buckets of a histogram."""
    assert guests('{uuid="u-2"}') == ["2"]
    sources = [*matching(PAGE, parse_selector('{__name__=~"hostcollector_source_.*"}'))]
    assert len(sources) == 3
    assert [*matching(PAGE, parse_selector("libvirt_up"))] == ["libvirt_up 1.0"]
    buckets = f'{block.LATENCY.name}_bucket{{le="+Inf"}}'
    assert len([*matching(PAGE, parse_selector(buckets))]) == 1


NAMES = st.sampled_from(["libvirt_up", "libvirt_domain_info_vstate", "", "up", "rate"])
PIECES = st.sampled_from(
    ["{", "}", ",", "domain", "=", '"x"', "=~", "!=", "!~", "'y'", "`z`", " ", "(", "[5m]", '"', "\\", "1"]
)


@given(NAMES, st.lists(PIECES, max_size=10).map("".join))
def test_what_prometheus_refuses_is_refused(name: str, rest: str) -> None:
    """A text that is taken here is a vector selector for Prometheus's own grammar."""
    try:
        selector = parse_selector(name + rest)
    except SelectorError:
        return
    parsed = promql_parser.parse(name + rest)
    assert isinstance(parsed, promql_parser.VectorSelector)
    assert len(selector.matchers) == len(parsed.matchers.matchers) + bool(name)


@pytest.mark.parametrize(
    ("selector", "sentence"),
    [
        ("libvirt_uq", "no metric is called libvirt_uq; did you mean libvirt_up"),
        ("zzz", "`hostcollector metrics` lists all names"),
        ("rate(libvirt_up[5m])", "without functions and ranges; found '(libvirt_up[5m])' at character 5"),
        ("libvirt_up[5m]", "found '[5m]' at character 11"),
        ('libvirt_up{a="b"}[5m]', "no range and no function; found '[5m]' at character 18"),
        ('libvirt_up{instance="x"}', "instance is a label that Prometheus adds"),
        ('libvirt_domain_state_reason{tenat="x"}', "has no label tenat; its labels: tenant, domain, uuid"),
        ("libvirt_up{a=b}", "the value in quotes; found 'a=b}' at character 12"),
        ('libvirt_up{a="b" c="d"}', "expected a comma or }; found 'c=\"d\"}' at character 18"),
        ('{domain=~"("}', "is not a regular expression"),
        ('{domain=~"a{99999999999}"}', "repeats at most 1000 times"),
        ("{}", "would match every series"),
        ('{domain=~".*"}', "would match every series"),
        ("", "expected a name"),
        ("x" * 5000, "at most 4096 characters"),
        (block.LATENCY.name, "no metric is called"),
    ],
)
def test_what_cannot_be_used_is_explained(selector: str, sentence: str) -> None:
    """The message has the place and what was expected, or the nearest names."""
    with pytest.raises(SelectorError) as caught:
        parse_selector(selector)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("selector", "sentence"),
    [
        ('libvirt_up{absent!="x"}', "libvirt_up is on the page, with other labels"),
        ('{domain="none"}', "no series on the page matches"),
        ("hostcollector_host_redfish_up", "its source redfish is off"),
        ("libvirt_domain_interface_stats_receive_bytes_total", "its source netlink failed"),
        ("libvirt_domain_title_info", "the source definition found none here"),
    ],
)
def test_no_series_is_explained(selector: str, sentence: str) -> None:
    """A metric that is missing has its source's state as a reason, where that is one."""
    assert sentence in why_none(PAGE, parse_selector(selector))
