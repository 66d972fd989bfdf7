"""The arithmetic of baselines, for one device and its present owner; no file and no clock.

The rule behind every line: an owner is never shown more than the growth of a counter between two readings of
its own time. Where a failed read looks like a real value, less is shown.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hostcollector.catalogue.possible import is_unknown_count

ACCEPTED_LOWER = 2
"""A lower value is accepted at this reading: the counter was reset."""
ACCEPTED_LEAP = 3
"""A value after an impossible leap is accepted at this reading."""
FASTEST = 1e13
"""The most that any raw counter grows in a second: bytes of all NVLinks of a GPU, nanoseconds, mJ."""
SLACK_SECONDS = 60.0
"""Extra time in which a counter may have grown between two readings: some devices update seldom."""


class _Doubt(NamedTuple):
    """Readings that do not follow from the last accepted one: how many, the first, the last, its time."""

    readings: int
    first: int
    raw: int
    at: float


@dataclass(slots=True)
class Record:
    """The baseline of one device under one owner, and the last accepted reading of each counter.

    `last` may have counters that `baseline` lacks: readings under an earlier owner. With them a failed read
    (all zeros) during the change of owner is recognised. `read_at` is the time of each reading in `last`, in
    seconds since the host's boot.
    """

    owner: str
    baseline: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    read_at: dict[str, float] = field(default_factory=dict)
    _doubts: dict[str, _Doubt] = field(default_factory=dict)
    _zeros: set[str] = field(default_factory=set)

    @classmethod
    def restored(cls, owner: str, baseline: Mapping[str, int]) -> "Record":
        """Return a record from disk; the last readings were at least the baseline."""
        return cls(owner, dict(baseline), dict(baseline))

    def taken_over(self, owner: str) -> "Record":
        """Return the record of the device's next owner, without a baseline yet."""
        return Record(owner, {}, self.last, self.read_at)

    def read_off(
        self, counters: Mapping[str, int], at: float, fastest: Mapping[str, float]
    ) -> tuple[dict[str, float], bool]:
        """Return the owner's part of the raw `counters`, and whether the baseline changed.

        `at` is in seconds since the host's boot. `fastest` is the most that a counter grows in a second, by
        name (default `FASTEST`). A counter read for the first time starts at 0. Not accepted, and so NaN:

        * All ones, and negative numbers in an unsigned field.
        * 0 while no other counter went back to more than 0: drivers answer zeros when a read fails. As the
          first reading of all, 0 is accepted when it is read again.
        * A lower reading, until its second time. Below the baseline the counter restarts at 0 from the first
          one. Above the baseline it continues: after a reset or a wild reading the owner has used that much.
        * An impossible leap, until its third reading. The leap itself is never counted.

        An equal reading within a minute is the same reading.
        """
        baseline, last, read_at = self.baseline, self.last, self.read_at
        reset = any(0 < raw < last.get(name, 0) for name, raw in counters.items())
        silent = not any(counters.values())
        values: dict[str, float] = {}
        changed = False
        for name, raw in counters.items():
            start = baseline.get(name)
            if self._accepted(name, raw, at, fastest.get(name, FASTEST), reset=reset, silent=silent):
                last[name], read_at[name] = raw, at
                values[name] = raw - baseline.setdefault(name, raw)
                changed = changed or baseline[name] != start
            else:
                # A new owner starts at 0 with any possible reading.
                values[name] = 0 if start is None and not is_unknown_count(raw) else math.nan
        return values, changed

    def _accepted(self, name: str, raw: int, at: float, fastest: float, *, reset: bool, silent: bool) -> bool:
        if is_unknown_count(raw):
            return False
        before = self.last.get(name)
        if before is None:
            again = raw > 0 or not silent or name in self._zeros
            self._zeros.add(name)
            return again
        if _follows(before, self.read_at.get(name, 0.0), raw, at, fastest):
            self._doubts.pop(name, None)
            return True
        if raw == 0 and not reset:
            return False
        return self._accepted_again(name, before, raw, at, fastest)

    def _accepted_again(self, name: str, before: int, raw: int, at: float, fastest: float) -> bool:
        doubt = self._doubts.get(name)
        if doubt is not None and raw == doubt.raw and at - doubt.at < SLACK_SECONDS:
            return False  # perhaps the same reading, kept by the device or its controller
        if doubt is not None and _follows(doubt.raw, doubt.at, raw, at, fastest):
            doubt = _Doubt(doubt.readings + 1, doubt.first, raw, at)
        else:
            doubt = _Doubt(1, raw, raw, at)
        self._doubts[name] = doubt
        if doubt.readings < (ACCEPTED_LEAP if raw > before else ACCEPTED_LOWER):
            return False
        start = self.baseline.get(name, before)
        if raw > before:
            self.baseline[name] = doubt.first - (before - start)
        elif doubt.first < start:
            self.baseline[name] = doubt.first
        del self._doubts[name]
        return True


def _follows(before: int, before_at: float, raw: int, at: float, fastest: float) -> bool:
    return 0 <= raw - before <= fastest * (at - before_at + SLACK_SECONDS)
