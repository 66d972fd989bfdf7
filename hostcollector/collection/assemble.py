"""Joins guests, reports and their samples to one snapshot. The label policy is here and only here.

Every sample of a guest gets the identity labels of its guest. Label values are cleaned for the page. These
samples are left off and counted:

- a second sample for the same series,
- a sample for an unknown guest,
- samples above the limit of series,
- a value that is not possible (see `plausibility`): each sample of each source is checked here.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hostcollector.base.model import (
    Family,
    Guest,
    Metric,
    Report,
    Sample,
    Scope,
    Snapshot,
    SourceState,
)
from hostcollector.catalogue import ALL, collection
from hostcollector.collection.checks import Checks
from hostcollector.collection.plausibility import Check, Labels, PageJudge, Plausibility, Series
from hostcollector.guests.selection import ALL as ALL_GUESTS
from hostcollector.guests.selection import Selected

LONGEST_LABEL = 1024
DUPLICATE, UNKNOWN_GUEST, OVER_LIMIT = "duplicate", "unknown_guest", "over_limit"

PAGES_KEPT = 20
"""After so many pages the label sets that were not used meanwhile are dropped."""

COLLECTOR = "collector"
"""The source under which the collector's own samples are counted."""


def clean(value: str) -> str:
    """Return a label value that cannot break a page: valid UTF-8, no control characters, limited length."""
    if value.isprintable() and len(value) <= LONGEST_LABEL:
        return value
    cut = value if len(value) <= LONGEST_LABEL else value[: LONGEST_LABEL - 1] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cut)


class Assembler:
    """Joins collections to snapshots. Keeps label sets and counters between them; one thread at a time.

    `implausible` counts the values that are not possible, by source; it may outlive the assembler. `checks`
    judge from the guests' values whether they live; without it their series are missing. The page does not
    show the rows in `dropped`; the status page and the checks do use them.
    """

    def __init__(
        self,
        *,
        series_limit: int = 200_000,
        implausible: Counter[str] | None = None,
        checks: Checks | None = None,
        dropped: frozenset[Metric] = frozenset(),
    ) -> None:
        self._limit = series_limit
        self._plausibility = Plausibility(Counter() if implausible is None else implausible)
        self._checks = checks
        self._dropped = dropped
        self._label_sets: dict[str, _LabelSets] = {}
        self._pages = 0

    def assemble(
        self,
        *,
        taken_at: float,
        guests: Mapping[str, Guest],
        reports: Sequence[Report],
        own: Iterable[Sample],
        facts: Mapping[str, str],
        selected: Selected = ALL_GUESTS,
    ) -> Snapshot:
        """Return the snapshot of one collection. `own` are the collector's samples.

        `guests` are all guests; the series of those that `selected` leaves out are hidden.
        """
        judge = self._plausibility.page(taken_at, guests)
        self._pages += 1
        if self._pages % PAGES_KEPT == 0:
            self._label_sets = {owner: each.anew() for owner, each in self._label_sets.items()}
        join = _Join(guests, judge, self._limit, self._label_sets)
        judged = [join.add_report(report) for report in reports]
        if self._checks is not None:
            identities = join.identities()
            shown = {uuid: guests[uuid] for uuid in identities}
            join.add(list(self._checks.samples(taken_at, shown, identities, judge.families)))
        # The samples that explain a page which was cut off are never cut off.
        join.room = math.inf
        join.add(own)
        judge.notes(COLLECTOR)
        join.add([Sample(collection.SERIES_LIMIT, self._limit), *_left_off(join.left_off)])
        join.add(_implausible(self._plausibility.counts, reports))
        judge.remember()
        self._label_sets = join.label_sets()
        families = [Family(metric, series) for metric in ALL if (series := judge.families.get(metric))]
        on_page, hidden = _split(families, selected.left_out)
        return Snapshot(
            taken_at=taken_at,
            families=on_page,
            hidden=hidden,
            reports=tuple(judged),
            guests=_sorted(guest for uuid, guest in guests.items() if uuid not in selected.left_out),
            hidden_guests=_sorted(guest for uuid, guest in guests.items() if uuid in selected.left_out),
            facts=facts,
            left_out=len(guests.keys() & selected.left_out),
            notes=selected.notes,
            dropped=self._dropped,
        )


class _LabelSets(dict[Labels, Labels]):
    """The whole label sets of one owner's series by the labels of its samples, made once.

    All families whose samples have the same labels share one, and so do the pages that follow each other.
    """

    def __init__(self, identity: Labels, before: Mapping[Labels, Labels] = MappingProxyType({})) -> None:
        super().__init__()
        self.identity = identity
        self._before = before

    def __missing__(self, labels: Labels) -> Labels:
        whole = self[labels] = self._before.get(labels) or self.identity + tuple(map(clean, labels))
        return whole

    def anew(self) -> "_LabelSets":
        """Return an empty one that takes its sets from this one: only those that are used stay."""
        return _LabelSets(self.identity, dict(self))


_HOST = ""
"""The owner of the host's series, in place of a guest's UUID."""


_Plan = tuple[
    bool, Series, float, float, frozenset[float], Mapping[Labels, float] | None, float, Check | None
]
"""A metric on one page: whether it is of guests, its series so far, then the checks of its row: the least and
the most, the values that mean unknown, the values of the last page and the step from them, one more check."""


class _Join:
    def __init__(
        self,
        guests: Mapping[str, Guest],
        judge: PageJudge,
        limit: int,
        before: Mapping[str, _LabelSets],
    ) -> None:
        self.left_off: Counter[str] = Counter({DUPLICATE: 0, UNKNOWN_GUEST: 0, OVER_LIMIT: 0})
        self.room: float = limit
        self._judge = judge
        self._plans: dict[Metric, _Plan] = {}
        self._guests = {
            uuid: _label_sets((guest.tenant.id, clean(guest.domain.name), clean(uuid)), before.get(uuid))
            for uuid, guest in guests.items()
        }
        self._host = _label_sets((), before.get(_HOST))

    def add_report(self, report: Report) -> Report:
        """Add a source's samples. Return its report without them, with a note on impossible values."""
        self.add(report.samples)
        return replace(report, samples=(), notes=(*report.notes, *self._judge.notes(report.source)))

    def add(self, samples: Iterable[tuple[Metric, Any, Labels, str]]) -> None:
        """Add samples. This is the hot path of a collection: tens of thousands of samples go through it."""
        plans, guests, host = self._plans, self._guests, self._host
        judge, left_off, room = self._judge, self.left_off, self.room
        for metric, value, labels, uuid in samples:
            plan = plans.get(metric) or self._plan(metric)
            of_guest, series, least, most, unknown, past, step, check = plan
            label_sets = guests.get(uuid) if of_guest else host
            if label_sets is None:
                left_off[UNKNOWN_GUEST] += 1
                continue
            whole = label_sets[labels]
            try:
                possible = least <= value <= most
            except TypeError:
                possible = judge.allows(metric, value)
            if (
                not possible
                or (unknown and value in unknown)
                or (
                    past is not None
                    and ((before := past.get(whole)) is None or not 0 <= value - before <= step)
                    and not judge.believes(metric, whole, value, before)
                )
                or (check is not None and not check(whole, value))
            ):
                judge.refuse(metric, whole, value)
                continue
            if whole in series:
                left_off[DUPLICATE] += 1
            elif room > 0:
                series[whole] = value
                room -= 1
            else:
                left_off[OVER_LIMIT] += 1
        self.room = room

    def _plan(self, metric: Metric) -> _Plan:
        judge, can_be = self._judge, metric.can_be
        plan = self._plans[metric] = (
            metric.scope is Scope.DOMAIN,
            judge.families.setdefault(metric, {}),
            float(can_be.least),
            float(can_be.most),
            can_be.unknown,
            judge.past(metric),
            judge.step(can_be),
            judge.check(metric),
        )
        return plan

    def identities(self) -> dict[str, Labels]:
        """Return the first labels of each guest's series, by its UUID."""
        return {uuid: sets.identity for uuid, sets in self._guests.items()}

    def label_sets(self) -> dict[str, _LabelSets]:
        """Return the label sets of this page's owners."""
        return {**self._guests, _HOST: self._host}


_UUID = "uuid"


def _split(
    families: Sequence[Family], left_out: frozenset[str]
) -> tuple[tuple[Family, ...], tuple[Family, ...]]:
    """Return the families of the page, and those of the guests that it leaves out.

    Rows of the host that name guests, such as those that have ended, are divided too.
    """
    if not left_out:
        return tuple(families), ()
    shown, hidden = [], []
    for family in families:
        names = family.metric.label_names
        place = names.index(_UUID) if _UUID in names else None
        apart = {
            labels: value
            for labels, value in family.series.items()
            if place is not None and labels[place] in left_out
        }
        rest = {labels: value for labels, value in family.series.items() if labels not in apart}
        shown += [Family(family.metric, rest)] if rest else []
        hidden += [Family(family.metric, apart)] if apart else []
    return tuple(shown), tuple(hidden)


def _sorted(guests: Iterable[Guest]) -> tuple[Guest, ...]:
    return tuple(sorted(guests, key=lambda guest: (guest.tenant.id, guest.domain.name)))


def _label_sets(identity: Labels, before: _LabelSets | None) -> _LabelSets:
    return before if before is not None and before.identity == identity else _LabelSets(identity)


def _implausible(counts: Mapping[str, int], reports: Sequence[Report]) -> Iterator[Sample]:
    read = (report.source for report in reports if report.state is not SourceState.OFF)
    for source in (*read, COLLECTOR):
        yield Sample(collection.IMPLAUSIBLE_VALUES, counts.get(source, 0), (source,))


def _left_off(counts: Mapping[str, int]) -> list[Sample]:
    return [Sample(collection.SERIES_DROPPED, count, (reason,)) for reason, count in counts.items()]
