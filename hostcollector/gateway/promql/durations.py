"""Durations as PromQL writes them. Read here: the parser's own function panics for some texts."""

import re

from hostcollector.gateway.errors import QueryRefusedError

_UNITS = {"y": 365 * 86_400, "w": 7 * 86_400, "d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_FORM = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS))


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as ``1h30m``. Raises `QueryRefusedError`."""
    form = _FORM.fullmatch(text)
    if form is None or not text:
        raise QueryRefusedError(f"{text[:32]!a} is not a duration such as 5m or 1h30m")
    counts = zip(form.groups(), _UNITS.values(), strict=True)
    return sum(int(count) * seconds for count, seconds in counts if count is not None)
