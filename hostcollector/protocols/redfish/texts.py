"""The texts of metric reports to numbers; None for any other text (DSP0266, reports of HGX baseboards).

A report writes every value as text: ``232.168000``, ``PT0S``, ``true``, ``OK``, ``nan``, ``NA``.
"""

import math
import re
from dataclasses import dataclass

from hostcollector.base.units import NANOSECONDS_PER_SECOND

_LONGEST = 64
_DURATION = re.compile(
    r"P(?:(\d{1,7})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,7})M)?(?:(\d{1,12})(?:\.(\d{1,9})\d*)?S)?)?"
)
_SECONDS_OF = (86400, 3600, 60, 1)
_MILLI = 1000
_PERCENT = 100
_MEGA = 10**6
_MEBI = 2**20
_HEALTH = {"ok": 0.0, "warning": 1.0, "critical": 2.0}
# NVIDIA's enumeration LastResetTypes (nvidia bmcweb, NvidiaProcessorResetMetrics).
_RESETS = {"conventional": 1.0, "fundamental": 2.0, "irot": 3.0, "pf_flr": 4.0}
# LinkStatus in the words of DMTF's schema Port and of NVIDIA's reports.
_UP = frozenset({"linkup", "up", "ok"})
_DOWN = frozenset({"linkdown", "nolink", "down", "starting", "training", "critical"})
_NOTHING = frozenset({"", "nan", "-nan", "na", "n/a", "none", "null", "unknown"})
# The schemas' numbers are 64 bits wide at most.
_LARGEST = 2**64


def number(text: str) -> float | None:
    """Return a finite number."""
    if len(text) > _LONGEST or not text.isascii() or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def count(text: str) -> int | None:
    """Return a whole number, which may be written with a fraction of zeros."""
    return _scaled(text, 1)


def milli(text: str) -> int | None:
    """Return thousandths of a number that only grows, such as millijoules of joules."""
    return _scaled(text, _MILLI)


def share(text: str) -> float | None:
    """Return the ratio of a percentage."""
    value = number(text)
    return None if value is None else value / _PERCENT


def hertz(text: str) -> float | None:
    """Return hertz of a number of MHz."""
    value = number(text)
    return None if value is None else value * _MEGA


def mebibytes(text: str) -> float | None:
    """Return bytes of a number of MiB."""
    value = number(text)
    return None if value is None else value * _MEBI


def truth(text: str) -> float | None:
    """Return 1 or 0 for true or false."""
    return {"true": 1.0, "false": 0.0}.get(text.strip().lower())


def health(text: str) -> float | None:
    """Return 0, 1 or 2 for OK, Warning or Critical."""
    return _HEALTH.get(text.strip().lower())


def last_reset(text: str) -> float | None:
    """Return 1 to 4 for a ``LastResetType``: Conventional, Fundamental, IRoT, PF_FLR."""
    return _RESETS.get(text.strip().lower())


def link_up(text: str) -> float | None:
    """Return 1 or 0 for a ``LinkStatus`` that is up or down; None for any other text."""
    word = text.strip().lower()
    if word in _UP:
        return 1.0
    return 0.0 if word in _DOWN else None


def says_nothing(text: str) -> bool:
    """Whether a text means that there is no value; other texts that are no number are malformed."""
    return text.strip().lower() in _NOTHING


def nanoseconds(text: str) -> int | None:
    """Return an ISO 8601 duration such as ``P1DT17H41M2.268611840S``, which Redfish writes without months."""
    match = _DURATION.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or not any(match.groups()):
        return None
    *whole, fraction = match.groups()
    seconds = sum(int(part or 0) * size for part, size in zip(whole, _SECONDS_OF, strict=True))
    return seconds * NANOSECONDS_PER_SECOND + int((fraction or "0").ljust(9, "0"))


@dataclass(frozen=True, slots=True)
class Scaled:
    """Reads a number in another unit: `times` so many base units, divided by `per`, and `plus` an offset."""

    times: float = 1.0
    per: float = 1.0
    plus: float = 0.0

    def __call__(self, text: str) -> float | None:
        """Return the number in the base unit."""
        value = number(text)
        return None if value is None else value * self.times / self.per + self.plus


@dataclass(frozen=True, slots=True)
class ScaledMilli:
    """Reads thousandths of a number in another unit that only grows."""

    times: int = 1
    per: int = 1

    def __call__(self, text: str) -> int | None:
        """Return thousandths of the base unit."""
        value = number(text)
        if value is None or not 0 <= value < _LARGEST:
            return None
        return round(value * _MILLI * self.times / self.per)


def _scaled(text: str, factor: int) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) <= 20:
        value = int(text) * factor  # a float would not be exact
        return value if value < _LARGEST * factor else None
    found = number(text)
    return round(found * factor) if found is not None and 0 <= found < _LARGEST else None
