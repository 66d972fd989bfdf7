r"""Compiles a regular expression as Prometheus understands it: in the syntax of RE2, for the whole value.

Python's syntax is close to RE2's (https://github.com/google/re2/wiki/Syntax). What only one of them has, and
what they understand differently, is refused, so that an expression that works here takes the same series in
Prometheus. Two differences in control characters remain: ``\s`` takes a vertical tab here, and ``.`` a line
break, as in Prometheus 3.
"""

import re

MOST_REPEATS = 1000
"""The largest number of ``{2,1000}`` in RE2."""

_ESCAPE = r"\\(?:[dDsSwWafnrtv]|x[0-9a-fA-F]{2}|[\ !-/:-@\[-`{-~])"
_TOKEN = re.compile(
    rf"""
      {_ESCAPE} | \\[bBA]
    | \[\^?+\]?+ (?: {_ESCAPE} | (?!--|&&|\|\||~~)[^\\\[\]] )* \]
    | \( (?: \?: | \?P<\w+> | \?[ims]+(?:-[ims]+)?: | \?[ims]+\) )? (?!\?)
    | (?: [*+?] | \{{(?P<least>\d+)(?:,(?P<most>\d*))?\}} ) \?? (?![*+?])
    | \{{(?!,?\d+,?\d*\}})
    | [^\\\[({{*+?]
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_REFUSED = (
    (r"\(\?<?[=!]", "lookahead and lookbehind are"),
    (r"\\[1-9]|\(\?P=|\(\?\(", "a backreference is"),
    (r"\(\?>|(?:[*+?]|\{\d+(?:,\d*)?\})\??[*+?]", "atomic groups and possessive repetition are"),
    (r"\(\?", "this kind of group is"),
    (r"\[", "this class of characters is"),
    (r"\\", "this escape is"),
)
"""What begins where no token does, and how a sentence about it begins."""


def compiled(expression: str) -> re.Pattern[str]:
    """Return the expression for `fullmatch`. Raises `ValueError` with a sentence where it cannot be used."""
    at = 0
    while at < len(expression):
        token = _TOKEN.match(expression, at)
        if token is None:
            what = next((what for begin, what in _REFUSED if re.match(begin, expression[at:])), "this is")
            raise ValueError(
                f"{what} not in the syntax of Prometheus (RE2) as it is read here: {expression[at : at + 20]}"
            )
        if max(int(token["least"] or 0), int(token["most"] or 0)) > MOST_REPEATS:
            raise ValueError(f"Prometheus (RE2) repeats at most {MOST_REPEATS} times: {token[0]}")
        at = token.end()
    if not expression.isascii() and re.search(r"\(\?[ms]*i", expression):
        raise ValueError("upper and lower case are ignored in ASCII only: leave out the flag i")
    try:
        return re.compile(expression, re.DOTALL | re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"this is not a regular expression: {error}") from None
