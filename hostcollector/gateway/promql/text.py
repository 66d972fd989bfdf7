"""The text of a query before it is parsed: strings and comments apart, and the bounds of the rest.

The parser is quadratic and ends the process by stack overflow for deep nesting, so it only gets texts within
the bounds: for those the worst shape takes some milliseconds.
"""

import re
from collections.abc import Iterator

from hostcollector.gateway.errors import QueryRefusedError

LONGEST = 8192
"""Bytes of a query."""

MOST_OPERATORS = 100
"""Operators, signs and opening brackets of a query, outside of strings and comments."""

MOST_COMMAS = 200
"""Commas outside of strings and comments: each matcher, label and argument is an object of the tree."""

_APART = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n\r]*", re.DOTALL)
_OPERATOR = re.compile(
    r"[-+*/%^<>!~@(\[{]|==|(?<![\w:])(?:and|or|unless|atan2|bool|offset)(?![\w:])", re.IGNORECASE
)
_INSTANT = re.compile(
    r"@(?!\s*(?:(?:start|end)\s*\(\s*\)|[0-9]{1,11}(?:\.[0-9]{1,9})?(?![\w.:])))", re.IGNORECASE
)


_TOKEN = re.compile(rf"{_APART.pattern}|[=!]~", re.DOTALL)
_CLASS = re.compile(r"\\[wWdDsSpP]")
_SET = re.compile(r"[.\[]|\(\?")
_IN_PATTERN = re.compile(r"[*+?()|^$]")
_HIDDEN = re.compile(r"\\[xuU0-7]")
_REPEATED = re.compile(r"\{([0-9]{0,9}),?([0-9]{0,9})\}")

HEAVIEST = 1700
"""The weight of all regular expressions of a query, that of a list of names with 8 KiB: 2 ms to compile."""

_PATTERN_WEIGHT = 20
_CLASS_WEIGHT = 170
_SET_WEIGHT = 3
_OPERATOR_WEIGHT = 0.5
_CHARACTER_WEIGHT = 0.2
"""Unicode has many letters: a dot or a set in brackets is compiled to tens of states, a class to hundreds."""


def outside(text: str) -> str:
    """Return the text with each string as an empty one, and without comments."""
    return _APART.sub(lambda found: " " if found[0].startswith("#") else '""', text)


def check_bounds(text: str) -> None:
    """Raise `QueryRefusedError` for a text that the parser may not get."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise QueryRefusedError("the query is not valid Unicode") from None
    if size > LONGEST:
        raise QueryRefusedError(f"the query has {size} bytes and may have {LONGEST}: split it")
    bare = outside(text)
    count = sum(1 for _ in _OPERATOR.finditer(bare))
    if count > MOST_OPERATORS:
        raise QueryRefusedError(
            f"the query has {count} operators, signs and opening brackets and may have {MOST_OPERATORS}: "
            "split it"
        )
    if bare.count(",") > MOST_COMMAS:
        raise QueryRefusedError(
            f"the query has {bare.count(',')} commas and may have {MOST_COMMAS}: match many values by one =~"
        )


def check_patterns(text: str) -> None:
    r"""Raise `QueryRefusedError` for regular expressions that take the parser long to compile.

    It compiles each while it parses, and ``\w{100}`` alone takes 30 ms.
    """
    patterns = list(_patterns(text))
    if any(_HIDDEN.search(pattern) for pattern in patterns):
        raise QueryRefusedError("a regular expression has no escapes by number: write the character itself")
    weight = sum(map(_weight, patterns))
    if weight > HEAVIEST:
        raise QueryRefusedError("the regular expressions are too large: use fewer classes and repetitions")


def _patterns(text: str) -> Iterator[str]:
    """Yield the strings behind ``=~`` and ``!~``, with their quotes."""
    expected = False
    for token in _TOKEN.finditer(text):
        if token[0] in {"=~", "!~"}:
            expected = True
        elif not token[0].startswith("#"):
            if expected:
                yield token[0]
            expected = False


def _weight(pattern: str) -> float:
    """Return the weight of a string with a regular expression, as if all its repetitions were nested."""
    weight = len(pattern) * _CHARACTER_WEIGHT
    weight += len(_IN_PATTERN.findall(pattern)) * _OPERATOR_WEIGHT
    weight += len(_SET.findall(pattern)) * _SET_WEIGHT
    weight += len(_CLASS.findall(pattern)) * _CLASS_WEIGHT
    for least, most in _REPEATED.findall(pattern):
        weight *= max(int(least or 1), int(most or 1), 1)
    return _PATTERN_WEIGHT + weight


def check_instants(text: str) -> None:
    """Raise `QueryRefusedError` for an ``@`` that is followed by anything but a plain time.

    The parser takes negative and huge numbers there, and prints them as other ones.
    """
    if _INSTANT.search(outside(text)):
        raise QueryRefusedError("@ takes Unix seconds such as 1609746000, start() or end()")
