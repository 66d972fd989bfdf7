"""The text of a query before it is parsed: strings and comments apart, and the bounds of the rest.

The parser is quadratic and ends the process by stack overflow for deep nesting, so it only gets texts within
the bounds: for those the worst shape takes some milliseconds.
"""

import re

from hostcollector.gateway.errors import QueryRefusedError

LONGEST = 8192
"""Bytes of a query."""

MOST_OPERATORS = 100
"""Operators, signs and opening brackets of a query, outside of strings and comments."""

_APART = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n\r]*", re.DOTALL)
_OPERATOR = re.compile(
    r"[-+*/%^<>!~@(\[{]|==|(?<![\w:])(?:and|or|unless|atan2|bool|offset)(?![\w:])", re.IGNORECASE
)
_INSTANT = re.compile(
    r"@(?!\s*(?:(?:start|end)\s*\(\s*\)|[0-9]{1,11}(?:\.[0-9]{1,9})?(?![\w.:])))", re.IGNORECASE
)


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
    count = sum(1 for _ in _OPERATOR.finditer(outside(text)))
    if count > MOST_OPERATORS:
        raise QueryRefusedError(
            f"the query has {count} operators, signs and opening brackets and may have {MOST_OPERATORS}: "
            "split it"
        )


def check_instants(text: str) -> None:
    """Raise `QueryRefusedError` for an ``@`` that is followed by anything but a plain time.

    The parser takes negative and huge numbers there, and prints them as other ones.
    """
    if _INSTANT.search(outside(text)):
        raise QueryRefusedError("@ takes Unix seconds such as 1609746000, start() or end()")
