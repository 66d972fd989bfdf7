"""The join: guests, reports and their samples to one snapshot. Label policy lives here and only here.

Every sample of a guest gets the identity labels of its guest; label values are made fit for a page; a second
sample for the same series, one for an unknown guest and what goes over the limit are left off and counted.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hostcollector.catalogue import ALL, collection
from hostcollector.model import Family, Guest, Histogram, Metric, Report, Sample, Scope, Snapshot

LONGEST_LABEL = 1024
DUPLICATE, UNKNOWN_GUEST, OVER_LIMIT = "duplicate", "unknown_guest", "over_limit"

Labels = tuple[str, ...]
Series = dict[Labels, float | Histogram]


def clean(value: str) -> str:
    """Return a label value that cannot break a page: valid UTF-8, no control characters, bounded length."""
    if value.isprintable() and len(value) <= LONGEST_LABEL:
        return value
    cut = value if len(value) <= LONGEST_LABEL else value[: LONGEST_LABEL - 1] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cut)


class Assembler:
    """Joins collections to snapshots. Keeps label sets between collections; one thread at a time."""

    def __init__(self, *, series_limit: int = 200_000) -> None:
        self._limit = series_limit
        self._label_sets: dict[str, _LabelSets] = {}

    def assemble(
        self,
        *,
        taken_at: float,
        guests: Mapping[str, Guest],
        reports: Sequence[Report],
        own: Iterable[Sample],
        facts: Mapping[str, str],
    ) -> Snapshot:
        """Return the snapshot of one collection. `own` are the collector's samples, `facts` for people."""
        join = _Join(guests, self._limit, self._label_sets)
        for report in reports:
            join.add(report.samples)
        # What explains a page that was cut off is never cut off itself.
        join.room = math.inf
        join.add(own)
        join.add([Sample(collection.SERIES_LIMIT, self._limit), *_left_off(join.left_off)])
        self._label_sets = join.label_sets()
        return Snapshot(
            taken_at=taken_at,
            families=tuple(
                Family(metric, join.families[metric]) for metric in ALL if metric in join.families
            ),
            reports=tuple(replace(report, samples=()) for report in reports),
            guests=tuple(sorted(guests.values(), key=lambda guest: (guest.tenant.id, guest.domain.name))),
            facts=facts,
        )


class _LabelSets(dict[Labels, Labels]):
    """The whole label sets of one owner's series by the labels of its samples, made once.

    All families whose samples have the same labels share one, and so do the pages that follow each other.
    """

    def __init__(self, identity: Labels, before: "_LabelSets | None") -> None:
        super().__init__()
        self.identity = identity
        self.before: Mapping[Labels, Labels] = before if before and before.identity == identity else {}

    def __missing__(self, labels: Labels) -> Labels:
        whole = self[labels] = self.before.get(labels) or self.identity + tuple(map(clean, labels))
        return whole


_HOST = ""
"""The owner, in place of a guest's UUID, of series that are no guest's."""


class _Join:
    def __init__(self, guests: Mapping[str, Guest], limit: int, before: Mapping[str, _LabelSets]) -> None:
        self.families: dict[Metric, Series] = {}
        self.left_off: Counter[str] = Counter({DUPLICATE: 0, UNKNOWN_GUEST: 0, OVER_LIMIT: 0})
        self.room: float = limit
        self._guests = {
            uuid: _LabelSets((guest.tenant.id, clean(guest.domain.name), clean(uuid)), before.get(uuid))
            for uuid, guest in guests.items()
        }
        self._host = _LabelSets((), before.get(_HOST))

    def add(self, samples: Iterable[Sample]) -> None:
        families, guests, host, domain_scope = self.families, self._guests, self._host, Scope.DOMAIN
        for metric, value, labels, uuid in samples:
            label_sets = guests.get(uuid) if metric.scope is domain_scope else host
            if label_sets is None:
                self.left_off[UNKNOWN_GUEST] += 1
                continue
            whole = label_sets[labels]
            series = families.get(metric)
            if series is None:
                series = families[metric] = {}
            if whole in series:
                self.left_off[DUPLICATE] += 1
            elif self.room <= 0:
                self.left_off[OVER_LIMIT] += 1
            else:
                self.room -= 1
                series[whole] = value

    def label_sets(self) -> dict[str, _LabelSets]:
        """Return what this page used; the labels of guests long gone would pile up."""
        used = {**self._guests, _HOST: self._host}
        for each in used.values():
            each.before = {}
        return used


def _left_off(counts: Mapping[str, int]) -> list[Sample]:
    return [Sample(collection.SERIES_DROPPED, count, (reason,)) for reason, count in counts.items()]
