"""Shows every counter as it was an even time before the request, so that rate() is right.

A store gives a sample the time of the scrape. The page is made from a collection that other scrapes made
before: it may be 15 s old at one scrape and new at the next one. A counter would then gain the work of 75 s
in an interval of 60 s. So it is shown as it was `lag` seconds before the request, where `lag` is the largest
age so far. Between two collections its work counts as evenly spread: none is lost, and none counts twice.
Pages whose collections all have the same age show them as they are.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from hostcollector.base.model import Family, Histogram, Kind, Metric, Neighbours
from hostcollector.catalogue import ALL

STEP_SECONDS = 120.0
"""A collection is never that old, nor that far in the future: the host's clock was set."""

MOST_KEPT = 4
"""Pages that are kept: more come together only if the page is requested several times within the lag."""

_IN_STEPS = {row.tenant.family for row in ALL if row.tenant and row.tenant.neighbours is Neighbours.STRONG}
"""These rows move once a minute, in whole steps."""

_WHOLE = ("", "bytes")
"""Units whose values stay whole numbers: half an event is none."""

Page = Mapping[Metric, Family]


class _Point(NamedTuple):
    """The counters at a Unix time: the last ones that were shown, or those of a later collection."""

    at: float
    page: Page


class Lag:
    """Remembers the way from the last page to the newest collection. All times are Unix times.

    In use by one thread at a time.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._way: list[_Point] = []

    def shown(self, page: Page, asked_at: float, taken_at: float) -> Page:
        """Return the page that was requested at `asked_at` and made of a collection of `taken_at`."""
        went_back = self._way and taken_at < self._way[0].at - STEP_SECONDS
        if went_back or abs(asked_at - taken_at) > STEP_SECONDS:
            self._seconds, self._way, asked_at = 0.0, [], taken_at
        self._seconds = max(self._seconds, asked_at - taken_at)
        # Requests do not always end in the sequence in which they came.
        if not self._way or taken_at > self._way[-1].at:
            self._way.append(_Point(taken_at, page))
        at = min(max(asked_at - self._seconds, self._way[0].at), self._way[-1].at)
        shown = self._of(at, page)
        later = [point for point in self._way if point.at > at]
        self._way = [_Point(at, shown), *later[1 - MOST_KEPT :]]
        return shown

    def _of(self, at: float, page: Page) -> Page:
        """Return the page with its counters as they were at a time of the way."""
        place = bisect_right(self._way, at, key=lambda point: point.at)
        before, after = self._way[place - 1], self._way[min(place, len(self._way) - 1)]
        if before.page is page:
            return page
        share = (at - before.at) / (after.at - before.at) if after is not before else 0.0
        return {
            row: _between(family, before.page.get(row), after.page.get(row), share)
            if row.kind is Kind.COUNTER and row not in _IN_STEPS
            else family
            for row, family in page.items()
        }


def _between(family: Family, before: Family | None, after: Family | None, share: float) -> Family:
    """Return the family with its counters `share` of the way between two times.

    A counter that is not known at one of them, or that began anew between them, is that of the later one.
    """
    first = before.series if before is not None else {}
    last = after.series if after is not None else {}
    series = {}
    for labels, present in family.series.items():
        start, end = first.get(labels), last.get(labels, present)
        if start is None or isinstance(start, Histogram) or isinstance(end, Histogram) or start > end:
            series[labels] = end
            continue
        value = start + (end - start) * share
        series[labels] = math.floor(value) if family.metric.unit in _WHOLE else value
    return Family(family.metric, series)
