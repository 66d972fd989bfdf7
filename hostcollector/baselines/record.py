"""What one device's counters stood at when its present owner took over: pure arithmetic, no file, no clock.

The rule behind every line: whatever the readings do, an owner is never shown more than the counters grew
between two readings of its own time. Where the truth cannot be told apart from a failed read, less is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Record:
    """The baseline of one device under one owner, and the counters as they were last read.

    `last` may hold counters that `baseline` lacks: what they showed under an owner before, so that a failed
    read (all zeros) at the moment of the take-over is not taken for a fresh start.
    """

    owner: str
    baseline: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)

    @classmethod
    def restored(cls, owner: str, baseline: Mapping[str, int]) -> "Record":
        """Return a record as it was kept on disk; the baseline is the least that the counters showed last."""
        return cls(owner, dict(baseline), dict(baseline))

    def taken_over(self, owner: str) -> "Record":
        """Return the record of the next owner of the same device: nothing is counted yet."""
        return Record(owner, {}, self.last)

    def read_off(self, counters: Mapping[str, int]) -> tuple[dict[str, int], bool]:
        """Return what the owner has used by the raw `counters`, and whether the baseline changed.

        A counter met for the first time starts at 0 from this reading. One that went back was reset and
        starts at 0 again. One that went back to exactly 0 while nothing else went back is a read that failed
        (drivers answer with zeros then, and say nothing): it is left out until the counter says more.
        """
        baseline, last = self.baseline, self.last
        values: dict[str, int] = {}
        changed = False
        reset: bool | None = None
        for name, raw in counters.items():
            before = last.get(name, 0)
            if raw < before:
                if reset is None:
                    reset = any(0 < value < last.get(key, 0) for key, value in counters.items())
                if not raw and not reset:
                    if name not in baseline:
                        values[name] = 0
                    continue
                baseline[name] = raw
                changed = True
            elif name not in baseline:
                baseline[name] = raw
                changed = True
            last[name] = raw
            values[name] = raw - baseline[name]
        return values, changed
