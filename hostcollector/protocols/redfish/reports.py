"""What a metric report contains: values by property, without unnamed ones, and which of them are too old."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hostcollector.base.errors import SourceMalformedError
from hostcollector.protocols.redfish.links import text

Entry = dict[str, Any]

# The properties that name what an entry measures (DSP0268, MetricReport); only the first is a path.
_NAMES = ("MetricProperty", "MetricId", "MetricDefinition")
_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The values of a report by property, of several the latest. `strange` counts entries without a name.

    `old` are the properties whose values are much older than the others of the report, by their own stamps;
    `made_at` is when the report was made by these, in seconds of the BMC's clock; 0 if it does not say.
    """

    entries: dict[str, Entry]
    strange: int
    old: frozenset[str]
    made_at: float


def names_in(document: Any) -> list[str]:
    """Return the properties in a report. Raises `SourceMalformedError` for what is none."""
    return [name for name, _ in _named(_values(document))]


def read_report(document: Any, *, now: float, patience: float) -> Report:
    """Return what a report tells. Raises `SourceMalformedError` for what is none.

    A value that is more than `patience` seconds older than its neighbours is old. The BMC's clock need not
    be right: only one that is a day ahead of `now`, in seconds since 1970, is not taken at its word.
    """
    values = _values(document)
    stamped = [(name, entry, _seconds(entry, now)) for name, entry in _named(values)]
    latest: dict[str, tuple[Entry, float | None]] = {}
    for name, entry, stamp in stamped:
        known = latest.get(name)
        if known is None or (stamp or 0.0) >= (known[1] or 0.0):
            latest[name] = entry, stamp
    present = _present([stamp for _, stamp in latest.values() if stamp is not None])
    old = {name for name, (_, stamp) in latest.items() if stamp is not None and present - stamp > patience}
    strange = sum(not _is_named(value) for value in values)
    return Report(
        entries={name: entry for name, (entry, _) in latest.items()},
        strange=strange,
        old=frozenset(old),
        made_at=present,
    )


def _values(document: Any) -> list[Any]:
    values = document.get("MetricValues") if isinstance(document, dict) else None
    if not isinstance(values, list):
        raise SourceMalformedError("is a metric report without MetricValues")
    if values and not any(map(_is_named, values)):
        raise SourceMalformedError("is a metric report whose values have no names")
    return values


def _named(values: list[Any]) -> Iterator[tuple[str, Entry]]:
    for entry in values:
        if isinstance(entry, dict) and (name := text(entry, "MetricProperty")):
            yield name, entry


def _is_named(entry: Any) -> bool:
    """Whether an entry has a name; an Id or a definition alone names no GPU, and is no mistake."""
    return isinstance(entry, dict) and any(entry.get(name) for name in _NAMES)


def _present(stamps: list[float]) -> float:
    """Return when the report was made by its own stamps: a few that are ahead of all others do not count."""
    ordered = sorted(stamps)
    return ordered[-1 - len(ordered) // 10] if ordered else 0.0


def _seconds(entry: Entry, now: float) -> float | None:
    """Return when a value was taken; None where that is not said, or lies in the future."""
    try:
        stamp = datetime.fromisoformat(text(entry, "Timestamp"))
        seconds = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds <= now + _DAY else None
