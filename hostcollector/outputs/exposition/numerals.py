"""How a number is written on the page: the shortest text that reads back as the same 64-bit float.

The shape is that of Go's formatter as far as the Prometheus project's Python client follows it: a fraction
always, an exponent from a million upwards, ``+Inf``, ``-Inf`` and ``NaN``.
"""

import math

_MILLION = 1_000_000
_LOWEST = -math.inf
_EXACT = 2**53  # up to here every integer is a float, so its decimal digits are the float's
_EXPONENTS = tuple(f"e+{digits - 1:02d}" for digits in range(20))


def numeral(value: float) -> str:
    """Return `value` as the page shows it. An integer too large for a float becomes an infinity."""
    # Most values of a page are integers, and most of the time of a page goes into this function.
    if type(value) is int:
        if -_MILLION < value < _MILLION:
            return f"{value}.0"
        if 0 < value <= _EXACT:
            digits = str(value)
            return _scientific(digits, len(digits))
    elif type(value) is float and _LOWEST < value < _MILLION:
        return repr(value)
    return _any_numeral(value)


def _any_numeral(value: float) -> str:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    text = repr(number)
    point = text.find(".")
    if number >= _MILLION and point > 1:
        return _scientific(text[:point] + text[point + 1 :], point)
    return text


def _scientific(digits: str, point: int) -> str:
    """Write `digits` with an exponent; `point` is how many of them stand before the decimal point."""
    return f"{digits[0]}.{digits[1:]}".rstrip("0.") + _EXPONENTS[point]
