"""Whether a value is possible: by its row's range, its guest's resources, and its counter's last readings.

`assemble` checks every sample of every source. A value that is not possible is left out, counted and noted.
A counter that leaps too far, or goes back, is left out until the following readings go on from there:

- A counter that went back may have a new owner. It is believed at its second reading.
- A counter that leapt is believed at its third reading.

So a single wild reading is never shown, and the next one is judged by the last value that was believed.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple, TypeVar

from hostcollector.base.model import Given, Guest, Histogram, Kind, Metric, Possible, Scope
from hostcollector.catalogue.possible import AHEAD_SECONDS

BELIEVED_BACK = 2
"""The reading at which a counter that went back is believed."""
BELIEVED_AHEAD = 3
"""The reading at which a counter that leapt is believed."""
SLACK_SECONDS = 60.0
"""Added to the time between two pages in which a counter can grow: sources over a network read less often."""
KEPT_SECONDS = 3600.0
"""How long the last reading of a series that is missing is remembered."""
MOST_NAMED = 5
"""How many metrics a note names."""

# A guest's QEMU has threads besides its vCPUs: its main thread, I/O threads, pools of at most 64 workers.
_OTHER_THREADS = 64
# For a guest whose definition could not be read.
_MOST_VCPUS = 4096
_LONGEST_BITS = 128
# The position of the UUID in the labels of a guest's series.
_UUID = 2

Labels = tuple[str, ...]
Value = float | Histogram
Series = dict[Labels, Value]
Check = Callable[[Labels, float], bool]
_T = TypeVar("_T")


class _Reading(NamedTuple):
    """A counter's last believed reading, and how many doubted ones came after it, with the last of them."""

    value: float
    at: float
    doubts: int = 0
    doubted: float = 0.0
    doubted_at: float = 0.0


@dataclass(slots=True)
class _Finding:
    count: int
    example: str


class Plausibility:
    """The readings that are kept from page to page. `counts` are the values left out so far, by source."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts
        self.taken_at = 0.0
        self.shown: Mapping[Metric, Mapping[Labels, Value]] = {}
        self.missing: Mapping[Metric, dict[Labels, _Reading]] = {}
        self._stays: Mapping[str, int] = {}

    def page(self, taken_at: float, guests: Mapping[str, Guest]) -> "PageJudge":
        """Return the judge of the next page, with these guests."""
        stays = {uuid: guest.domain.id for uuid, guest in guests.items()}
        restarted = {uuid for uuid, stay in stays.items() if self._stays.get(uuid, stay) != stay}
        if restarted:
            self._forget(restarted)
        self._stays = stays
        return PageJudge(self, taken_at, guests)

    def _forget(self, uuids: set[str]) -> None:
        """Forget guests with a new QEMU: their counters began at 0."""
        self.shown = {metric: _without(series, metric, uuids) for metric, series in self.shown.items()}
        self.missing = {metric: _without(series, metric, uuids) for metric, series in self.missing.items()}


class PageJudge:
    """Judges the values of one page. `families` are the series that are on it so far."""

    def __init__(self, memory: Plausibility, taken_at: float, guests: Mapping[str, Guest]) -> None:
        self.families: dict[Metric, Series] = {}
        self._memory, self._taken_at, self._guests = memory, taken_at, guests
        self._elapsed = max(0.0, taken_at - memory.taken_at)
        self._missing: dict[Metric, dict[Labels, _Reading]] = {}
        self._refused: set[tuple[Metric, Labels]] = set()
        self._found: dict[Metric, _Finding] = {}

    def past(self, metric: Metric) -> Mapping[Labels, float] | None:
        """Return a counter's values on the last page; None for a gauge."""
        if metric.can_be.per_second is None or metric.kind is Kind.HISTOGRAM:
            return None
        return self._memory.shown.get(metric, {})  # type: ignore[return-value]

    def step(self, possible: Possible) -> float:
        """Return how much any counter of the row may have grown since the last page."""
        return (possible.per_second or 0.0) * (self._elapsed + SLACK_SECONDS)

    def check(self, metric: Metric) -> Check | None:
        """Return the check of a value within its row's range; None without one."""
        possible = metric.can_be
        if possible.within is not None:
            return partial(self._is_within, possible.within)
        if possible.given is Given.MEMORY:
            return self._is_given_memory
        if possible.given is Given.PRESENT:
            return self._is_past
        return None

    def allows(self, metric: Metric, value: float | Histogram) -> bool:
        """Whether a value that is no number is possible: a histogram with possible counts."""
        if metric.kind is not Kind.HISTOGRAM or not isinstance(value, Histogram):
            return False
        rising = all(low < high for low, high in pairwise(value.bounds))
        counts = (0, *value.counts)
        within = counts[-1] <= metric.can_be.most
        cumulative = all(low <= high for low, high in pairwise(counts))
        return rising and within and cumulative and len(value.bounds) == len(value.counts)

    def believes(self, metric: Metric, labels: Labels, value: float, before: float | None) -> bool:
        """Whether to show a counter that is new, went back or leapt since `before`."""
        if before is not None:
            known = _Reading(before, self._memory.taken_at)
        else:
            kept = self._memory.missing.get(metric, {}).pop(labels, None)
            if kept is None:
                return True
            known = kept
        step = (metric.can_be.per_second or 0.0) * self._threads(metric, labels)
        if self._goes_on(known.value, known.at, value, step):
            return True
        goes_on = known.doubts and self._goes_on(known.doubted, known.doubted_at, value, step)
        doubts = known.doubts + 1 if goes_on else 1
        if doubts >= (BELIEVED_AHEAD if value > known.value else BELIEVED_BACK):
            return True
        self._keep(metric, labels, _Reading(known.value, known.at, doubts, value, self._taken_at))
        return False

    def refuse(self, metric: Metric, labels: Labels, value: float | Histogram) -> None:
        """Record a value that is left out."""
        self._refused.add((metric, labels))
        finding = self._found.get(metric)
        if finding is None:
            self._found[metric] = _Finding(1, f"{_text(value)} for {'/'.join(labels) or 'the host'}")
        else:
            finding.count += 1

    def notes(self, source: str) -> tuple[str, ...]:
        """Count the values left out since the last call for `source`, and return the note about them."""
        found, self._found = self._found, {}
        self._memory.counts[source] += sum(finding.count for finding in found.values())
        if not found:
            return ()
        named = [
            f"{metric.name} ({finding.count}, such as {finding.example[:200]})"
            for metric, finding in list(found.items())[:MOST_NAMED]
        ]
        more = f" and {len(found) - MOST_NAMED} more metrics" if len(found) > MOST_NAMED else ""
        return (f"values left out that cannot be: {', '.join(named)}{more}",)

    def remember(self) -> None:
        """Keep the readings by which the next page is judged."""
        memory = self._memory
        for metric in memory.shown:
            past = self.past(metric) or {}
            for labels in past.keys() - self.families.get(metric, {}).keys():
                self._keep(metric, labels, _Reading(past[labels], memory.taken_at))
        for metric, readings in memory.missing.items():
            for labels, reading in readings.items():
                if self._taken_at - reading.at < KEPT_SECONDS:
                    self._keep(metric, labels, reading)
        memory.shown, memory.missing, memory.taken_at = self.families, self._missing, self._taken_at

    def _keep(self, metric: Metric, labels: Labels, reading: _Reading) -> None:
        if metric.scope is Scope.HOST or labels[_UUID] in self._guests:
            self._missing.setdefault(metric, {}).setdefault(labels, reading)

    def _goes_on(self, before: float, at: float, value: float, per_second: float) -> bool:
        elapsed = max(0.0, self._taken_at - at)
        return 0 <= value - before <= per_second * (elapsed + SLACK_SECONDS)

    def _threads(self, metric: Metric, labels: Labels) -> int:
        """Return how many threads a counter can be the sum of."""
        if metric.can_be.given is not Given.VCPUS:
            return 1
        guest = self._guests.get(labels[_UUID])
        vcpus = guest and (guest.domain.vcpus_maximum or guest.domain.vcpus)
        return (vcpus or _MOST_VCPUS) + _OTHER_THREADS

    def _is_given_memory(self, labels: Labels, value: float) -> bool:
        guest = self._guests.get(labels[_UUID])
        most = guest.domain.memory_bytes if guest else None
        return most is None or value <= most

    def _is_past(self, labels: Labels, value: float) -> bool:
        del labels
        return value <= self._taken_at + AHEAD_SECONDS

    def _is_within(self, whole: Metric, labels: Labels, value: float) -> bool:
        """Whether `value` is at most that of `whole` on this page, or on the last one."""
        key = labels if whole.labels or whole.scope is Scope.DOMAIN else ()
        if (whole, key) in self._refused:
            return False
        most = self.families.get(whole, {}).get(key) or self._memory.shown.get(whole, {}).get(key)
        return most is None or isinstance(most, Histogram) or value <= most


def _text(value: float | Histogram) -> str:
    """Return a value for a note; Python refuses to write out very long integers."""
    if isinstance(value, Histogram):
        return "a histogram"
    if isinstance(value, int) and value.bit_length() > _LONGEST_BITS:
        return f"a number of {value.bit_length()} bits"
    return "a reading that cannot be believed" if value != value else str(value)  # noqa: PLR0124 - NaN


def _without(series: Mapping[Labels, _T], metric: Metric, uuids: set[str]) -> dict[Labels, _T]:
    if metric.scope is Scope.HOST:
        return dict(series)
    return {labels: value for labels, value in series.items() if labels[_UUID] not in uuids}
