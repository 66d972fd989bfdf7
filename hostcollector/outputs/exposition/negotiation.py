"""What a client accepts, read from its request headers as RFC 9110, 12.4 and 12.5 say.

A header that cannot be understood never costs a scrape: what is malformed is ignored, and whoever accepts
nothing that the page can have gets the text format, as Prometheus' own rules for negotiation ask.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hostcollector.outputs.exposition.formats import Format

_WEIGHT = re.compile(r"0(\.[0-9]*)?|1(\.0*)?")
_MEDIA = {
    Format.OPENMETRICS: ("application/openmetrics-text", frozenset({"", "0.0.1", "1.0.0"})),
    Format.TEXT: ("text/plain", frozenset({"", "0.0.4"})),
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One element of a header: what is accepted, with which ``version``, how gladly (0 means not at all)."""

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
    """Return how gladly `form` is taken: the weight, how exactly it was named, how early."""
    media, versions = _MEDIA[form]
    patterns = ("*/*", media.partition("/")[0] + "/*", media)
    matches = [
        (patterns.index(entry.name), entry.weight, -place)
        for place, entry in enumerate(entries)
        if entry.name in patterns and (entry.name != media or entry.version in versions)
    ]
    # The most exact entry decides; of two with different versions that both fit, the more welcome one.
    exactness, weight, place = max(matches, default=(-1, 0.0, 0))
    return weight, exactness, place


def choose_format(accept_header: str) -> Format:
    """Return the format for an ``Accept`` header: the more welcome one, TEXT where the client has no say.

    OpenMetrics is given to who asks for it without a version or with 0.0.1 or 1.0.0. Where both formats
    have the same weight, the one that is named beats a wildcard, then the one named first.
    """
    entries = tuple(_entries(accept_header))
    text = _preference(entries, Format.TEXT)
    openmetrics = _preference(entries, Format.OPENMETRICS)
    return Format.OPENMETRICS if openmetrics[0] > 0 and openmetrics > text else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an ``Accept-Encoding`` header takes gzip at least as gladly as an uncompressed page."""
    weights = {entry.name: entry.weight for entry in _entries(accept_encoding)}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)
