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
    """Joins collections to snapshots. Keeps cleaned labels between collections; one thread at a time."""

    def __init__(self, *, series_limit: int = 200_000) -> None:
        self._limit = series_limit
        self._clean: dict[Labels, Labels] = {}

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
        join = _Join(guests, self._limit, self._clean)
        for report in reports:
            join.add(report.samples)
        # What explains a page that was cut off is never cut off itself.
        join.room = math.inf
        join.add(own)
        join.add([Sample(collection.SERIES_LIMIT, self._limit), *_left_off(join.left_off)])
        # Only what this page used: labels of guests long gone would pile up.
        self._clean = join.used
        return Snapshot(
            taken_at=taken_at,
            families=tuple(
                Family(metric, join.families[metric]) for metric in ALL if metric in join.families
            ),
            reports=tuple(replace(report, samples=()) for report in reports),
            guests=tuple(sorted(guests.values(), key=lambda guest: (guest.tenant.id, guest.domain.name))),
            facts=facts,
        )


class _Join:
    def __init__(self, guests: Mapping[str, Guest], limit: int, cleaned: Mapping[Labels, Labels]) -> None:
        self.families: dict[Metric, Series] = {}
        self.left_off: Counter[str] = Counter({DUPLICATE: 0, UNKNOWN_GUEST: 0, OVER_LIMIT: 0})
        self.used: dict[Labels, Labels] = {}
        self.room: float = limit
        self._cleaned = cleaned
        self._identities = {
            uuid: (guest.tenant.id, clean(guest.domain.name), clean(uuid)) for uuid, guest in guests.items()
        }

    def add(self, samples: Iterable[Sample]) -> None:
        families, identities, used = self.families, self._identities, self.used
        for metric, value, labels, uuid in samples:
            own = used.get(labels)
            if own is None:
                own = used[labels] = self._cleaned.get(labels) or tuple(map(clean, labels))
            if metric.scope is Scope.DOMAIN:
                identity = identities.get(uuid)
                if identity is None:
                    self.left_off[UNKNOWN_GUEST] += 1
                    continue
                own = identity + own
            series = families.get(metric)
            if series is None:
                series = families[metric] = {}
            if own in series:
                self.left_off[DUPLICATE] += 1
            elif self.room <= 0:
                self.left_off[OVER_LIMIT] += 1
            else:
                self.room -= 1
                series[own] = value


def _left_off(counts: Mapping[str, int]) -> list[Sample]:
    return [Sample(collection.SERIES_DROPPED, count, (reason,)) for reason, count in counts.items()]
