"""What one device's counters stood at when its present owner took over: pure arithmetic, no file, no clock.

The rule behind every line: whatever the readings do, an owner is never shown more than the counters grew
between two readings of its own time. Where the truth cannot be told apart from a failed read, less is shown.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hostcollector.catalogue.possible import is_unknown_count

BELIEVED_BACK = 2
"""The reading at which a counter that went back is believed: it was reset."""
BELIEVED_AHEAD = 3
"""The reading at which a counter that leapt is believed."""
FASTEST = 1e13
"""By how much any raw counter grows in a second at most: bytes of all NVLinks of a GPU; nanoseconds, mJ."""
SLACK_SECONDS = 60.0
"""How much longer than between two readings a counter may have grown: some devices update theirs seldom."""


class _Doubt(NamedTuple):
    """Readings that do not go on from the last one that was believed: how many, the first, and the last."""

    readings: int
    first: int
    raw: int
    at: float


@dataclass(slots=True)
class Record:
    """The baseline of one device under one owner, and the counters as they were last read and believed.

    `last` may hold counters that `baseline` lacks: what they showed under an owner before, so that a failed
    read (all zeros) at the moment of the take-over is not taken for a fresh start. `read_at` is when that
    was, on the clock of the host's boot.
    """

    owner: str
    baseline: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    read_at: dict[str, float] = field(default_factory=dict)
    _doubts: dict[str, _Doubt] = field(default_factory=dict)
    _zeros: set[str] = field(default_factory=set)

    @classmethod
    def restored(cls, owner: str, baseline: Mapping[str, int]) -> "Record":
        """Return a record as it was kept on disk; the baseline is the least that the counters showed last."""
        return cls(owner, dict(baseline), dict(baseline))

    def taken_over(self, owner: str) -> "Record":
        """Return the record of the next owner of the same device: nothing is counted yet."""
        return Record(owner, {}, self.last, self.read_at)

    def read_off(
        self, counters: Mapping[str, int], at: float, fastest: Mapping[str, float]
    ) -> tuple[dict[str, float], bool]:
        """Return what the owner has used by the raw `counters`, and whether the baseline changed.

        `at` is the seconds since the host's boot, `fastest` by how much a counter grows in a second at most
        (`FASTEST` if it is not named). A counter whose reading cannot be believed is NaN:

        * All ones, or a negative number in unsigned clothes.
        * 0 while no other counter went back to more than that: drivers answer with zeros, and say nothing,
          when a read fails. As the very first reading, 0 is believed when it is read again.
        * One that went back. It is believed at its second reading. Below the baseline it starts at 0 again
          from the first. Above it it goes on from the baseline: whether it was reset or the reading before
          was wild, the owner has used that much.
        * One that leapt. It is believed at its third reading; the leap itself is never counted.

        An equal reading within a minute is the same one. A counter met for the first time starts at 0.
        """
        baseline, last, read_at = self.baseline, self.last, self.read_at
        reset = any(0 < raw < last.get(name, 0) for name, raw in counters.items())
        silent = not any(counters.values())
        values: dict[str, float] = {}
        changed = False
        for name, raw in counters.items():
            start = baseline.get(name)
            if self._believed(name, raw, at, fastest.get(name, FASTEST), reset=reset, silent=silent):
                last[name], read_at[name] = raw, at
                values[name] = raw - baseline.setdefault(name, raw)
                changed = changed or baseline[name] != start
            else:
                # The next owner starts at 0, whatever the reading is; not so what it cannot be.
                values[name] = 0 if start is None and not is_unknown_count(raw) else math.nan
        return values, changed

    def _believed(self, name: str, raw: int, at: float, fastest: float, *, reset: bool, silent: bool) -> bool:
        if is_unknown_count(raw):
            return False
        before = self.last.get(name)
        if before is None:
            again = raw > 0 or not silent or name in self._zeros
            self._zeros.add(name)
            return again
        if _goes_on(before, self.read_at.get(name, 0.0), raw, at, fastest):
            self._doubts.pop(name, None)
            return True
        if raw == 0 and not reset:
            return False
        return self._believed_after_all(name, before, raw, at, fastest)

    def _believed_after_all(self, name: str, before: int, raw: int, at: float, fastest: float) -> bool:
        doubt = self._doubts.get(name)
        if doubt is not None and raw == doubt.raw and at - doubt.at < SLACK_SECONDS:
            return False  # it may be the same reading, which the device or its controller has kept
        if doubt is not None and _goes_on(doubt.raw, doubt.at, raw, at, fastest):
            doubt = _Doubt(doubt.readings + 1, doubt.first, raw, at)
        else:
            doubt = _Doubt(1, raw, raw, at)
        self._doubts[name] = doubt
        if doubt.readings < (BELIEVED_AHEAD if raw > before else BELIEVED_BACK):
            return False
        start = self.baseline.get(name, before)
        if raw > before:
            self.baseline[name] = doubt.first - (before - start)
        elif doubt.first < start:
            self.baseline[name] = doubt.first
        del self._doubts[name]
        return True


def _goes_on(before: int, before_at: float, raw: int, at: float, fastest: float) -> bool:
    return 0 <= raw - before <= fastest * (at - before_at + SLACK_SECONDS)
