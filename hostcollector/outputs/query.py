"""Selects series of a page by a selector of PromQL, as ``libvirt_domain_info_vstate{tenant="acme"}``.

The grammar is that of an instant vector selector without ``offset`` and ``@``
(https://prometheus.io/docs/prometheus/latest/querying/basics/): a name, matchers in braces, or both.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from hostcollector.base.errors import HostcollectorError
from hostcollector.base.model import Kind, Metric
from hostcollector.base.wording import one_line
from hostcollector.catalogue import BY_NAME, collection
from hostcollector.outputs.exposition.parsing import Line, lines
from hostcollector.outputs.re2 import compiled

NAME_LABEL = "__name__"
"""The label under which PromQL knows a metric's name."""

LONGEST = 4096
"""Characters of a selector."""

LONGEST_NAME = 200
"""Characters of a name for which similar ones are looked up."""

_NAME = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*")
_MATCHER = re.compile(
    r"""\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)\s*"""
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ADDED = frozenset({"job", "instance", "region", "zone", "rack"})
"""Labels that a Prometheus adds to what it scrapes."""

_WHY = {
    collection.SOURCE_OFF: (" 1.0", "is off: `hostcollector diagnose` shows which setting switches it on"),
    collection.SOURCE_UP: (" 0.0", "failed: `hostcollector diagnose` shows why"),
}
"""The rows about a source that explain a missing metric: the end of their line, and the explanation."""


class SelectorError(HostcollectorError):
    """A selector cannot be used; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition for a label; a label that a series does not have is the empty text."""

    label: str
    operator: str
    value: str
    pattern: re.Pattern[str]

    def accepts(self, value: str) -> bool:
        """Whether a series with this value of the label meets the condition."""
        return bool(self.pattern.fullmatch(value)) is not self.operator.startswith("!")


@dataclass(frozen=True, slots=True)
class Selector:
    """The conditions that a series must meet, those for its name among them."""

    matchers: tuple[Matcher, ...]

    @property
    def name(self) -> str:
        """The metric's name, where it is given as a text; else empty."""
        for matcher in self.matchers:
            if matcher.label == NAME_LABEL and matcher.operator == "=":
                return matcher.value
        return ""

    def accepts(self, line: Line) -> bool:
        """Whether the series meets all conditions."""
        labels: Mapping[str, str] = {**line.labels, NAME_LABEL: line.name}
        return all(matcher.accepts(labels.get(matcher.label, "")) for matcher in self.matchers)


def parse_selector(text: str) -> Selector:
    """Return the selector of a text.

    Raises `SelectorError` for what is no selector, and for a name or label that no series can have.
    """
    if len(text) > LONGEST:
        raise SelectorError(f"a selector has at most {LONGEST} characters")
    selector = Selector(tuple(_matchers(text)))
    if all(matcher.accepts("") for matcher in selector.matchers):
        raise SelectorError("this would match every series: give a name or a label's value")
    if selector.name:
        _check_names(selector)
    return selector


def matching(page: str, selector: Selector) -> Iterator[str]:
    """Yield the lines of a page, as they are on it, whose series the selector accepts."""
    wanted = frozenset({selector.name}) if selector.name else None
    return (line.text for line in lines(page, wanted) if selector.accepts(line))


def why_none(page: str, selector: Selector) -> str:
    """Return why no series of the page is accepted, as far as the page shows it."""
    name = selector.name
    metric = BY_NAME.get(name.removesuffix("_bucket"))
    if metric is None:
        return "no series on the page matches"
    if any(lines(page, frozenset({name}))):
        return f"{name} is on the page, with other labels"
    own = {row.name: why for row, why in _WHY.items()}
    for line in lines(page, frozenset(own)):
        ending, why = own[line.name]
        if line.labels.get("source") == metric.source and line.text.endswith(ending):
            return f"{name} is not on the page: its source {metric.source} {why}"
    return f"{name} is not on the page: the source {metric.source} found none here, or could not read it"


def _matchers(text: str) -> Iterator[Matcher]:
    name = _NAME.match(text)
    at = 0
    if name is not None:
        at = name.end()
        yield _matcher(NAME_LABEL, "=", name[1])
    if at == len(text) and name is not None:
        return
    if not text.startswith("{", at):
        raise _wrong(text, at, """expected a name or name{label="value"}, without functions and ranges""")
    at += 1
    while not (rest := text[at:].lstrip()).startswith("}"):
        condition = _MATCHER.match(text, at)
        if condition is None:
            raise _wrong(text, at, 'expected label="value", with =, !=, =~ or !~ and the value in quotes')
        yield _matcher(condition[1], condition[2], _unquoted(condition[3]))
        at = condition.end()
        if text.startswith(",", at):
            at += 1
        elif not text.startswith("}", at):
            raise _wrong(text, at, "expected a comma or }")
    if rest[1:].strip():
        raise _wrong(text, len(text) - len(rest) + 1, "expected nothing behind }: no range and no function")


def _matcher(label: str, operator: str, value: str) -> Matcher:
    try:
        pattern = compiled(value) if "~" in operator else re.compile(re.escape(value))
    except ValueError as error:
        raise SelectorError(f"{label}{operator}: {one_line(str(error))}") from None
    return Matcher(label, operator, value, pattern)


def _unquoted(literal: str) -> str:
    if literal.startswith("`"):
        return literal[1:-1]
    return _ESCAPE.sub(_character, literal[1:-1])


def _character(match: re.Match[str]) -> str:
    escaped = match[1]
    return chr(int(escaped[1:], 16)) if len(escaped) > 1 else _ESCAPED.get(escaped, escaped)


def _wrong(text: str, at: int, what: str) -> SelectorError:
    found = f"'{one_line(text[at : at + 20])}'" if text[at:] else "the end"
    return SelectorError(f"{what}; found {found} at character {at + 1}")


def _check_names(selector: Selector) -> None:
    name = selector.name
    metric = _row(name)
    if metric is None:
        raise SelectorError(f"no metric is called {name}; {_near(name)}")
    known = {*metric.label_names, NAME_LABEL, *(("le",) if metric.kind is Kind.HISTOGRAM else ())}
    for matcher in selector.matchers:
        if matcher.label in known or matcher.accepts(""):
            continue
        if matcher.label in _ADDED:
            raise SelectorError(f"{matcher.label} is a label that Prometheus adds: leave it out here")
        labels = ", ".join(metric.label_names) or "none"
        raise SelectorError(f"{name} has no label {matcher.label}; its labels: {labels}")


def _row(name: str) -> Metric | None:
    """Return the row whose series have this name: those of a histogram are its buckets."""
    metric = BY_NAME.get(name.removesuffix("_bucket"))
    is_bucket = name.endswith("_bucket")
    return metric if metric is not None and (metric.kind is Kind.HISTOGRAM) is is_bucket else None


def _near(name: str) -> str:
    near = get_close_matches(name[:LONGEST_NAME], BY_NAME, n=3)
    return f"did you mean {' or '.join(near)}?" if near else "`hostcollector metrics` lists all names"
