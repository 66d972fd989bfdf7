"""The two formats of a page, and which of them a request's headers accept (RFC 9110, 12.4 and 12.5).

A malformed header never costs a scrape: malformed parts are ignored. A client that accepts neither format
gets the text format, as Prometheus' own rules for negotiation say.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Format(Enum):
    """An exposition format; the value is what goes into the ``Content-Type`` header.

    TEXT is the Prometheus text format 0.0.4 that every Prometheus reads, OPENMETRICS is OpenMetrics 1.0.0.
    """

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    @property
    def content_type(self) -> str:
        """The ``Content-Type`` of a page in this format."""
        return self.value


_WEIGHT = re.compile(r"0(\.[0-9]*)?|1(\.0*)?")
_MEDIA = {
    Format.OPENMETRICS: ("application/openmetrics-text", frozenset({"", "0.0.1", "1.0.0"})),
    Format.TEXT: ("text/plain", frozenset({"", "0.0.4"})),
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One element of a header: name, ``version`` parameter, and weight (0 means not accepted)."""

    name: str
    version: str
    weight: float


def _entries(header: str) -> Iterator[_Entry]:
    for element in header.split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        values = {
            key.strip().lower(): value.strip().strip('"')
            for key, _, value in (parameter.partition("=") for parameter in parameters)
        }
        weight = values.get("q", "1")
        if name and _WEIGHT.fullmatch(weight):
            yield _Entry(name.lower(), values.get("version", ""), float(weight))


def _preference(entries: tuple[_Entry, ...], form: Format) -> tuple[float, int, int]:
    """Return the preference for `form`: its weight, how exactly it is named, how early."""
    media, versions = _MEDIA[form]
    patterns = ("*/*", media.partition("/")[0] + "/*", media)
    matches = [
        (patterns.index(entry.name), entry.weight, -place)
        for place, entry in enumerate(entries)
        if entry.name in patterns and (entry.name != media or entry.version in versions)
    ]
    # The most exact entry decides; of two versions that both fit, the one with the larger weight.
    exactness, weight, place = max(matches, default=(-1, 0.0, 0))
    return weight, exactness, place


def choose_format(accept_header: str) -> Format:
    """Return the format that an ``Accept`` header prefers; TEXT without a preference.

    OpenMetrics needs a header that names it without a version, or with 0.0.1 or 1.0.0. Where both formats
    have the same weight, a named format beats a wildcard, then the one named first wins.
    """
    entries = tuple(_entries(accept_header))
    text = _preference(entries, Format.TEXT)
    openmetrics = _preference(entries, Format.OPENMETRICS)
    return Format.OPENMETRICS if openmetrics[0] > 0 and openmetrics > text else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an ``Accept-Encoding`` header gives gzip at least the weight of an uncompressed page."""
    weights = {entry.name: entry.weight for entry in _entries(accept_encoding)}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)
