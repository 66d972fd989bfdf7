"""Reads label values back from lines of a page in the text format 0.0.4."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = {"n": "\n"}


@dataclass(frozen=True, slots=True)
class Line:
    """One series: the name, the values of its labels, and the line as it is on the page."""

    name: str
    labels: dict[str, str]
    text: str


def lines(page: str, wanted: frozenset[str] | None = None) -> Iterator[Line]:
    """Yield the series of a page; only those with a `wanted` name, None for all. Raises `ValueError`."""
    for text in page.split("\n"):
        name = text[:end] if (end := text.find("{")) > 0 else text.partition(" ")[0]
        if not name or name == "#" or (wanted is not None and name not in wanted):
            continue
        labels = label_values(text, end, text.rindex("} ")) if end > 0 else {}
        yield Line(name, labels, text)


def label_values(line: str, start: int, end: int) -> dict[str, str]:
    """Return the values by label name between two places of a line."""
    return {name: _unescaped(value) for name, value in _LABEL.findall(line, start, end)}


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda match: _PLAIN.get(match[1], match[1]), value)
