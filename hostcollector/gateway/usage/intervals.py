"""Running time within an hour: half-open intervals of its seconds, and how a column has them."""

import struct
from collections.abc import Iterable, Sequence

from hostcollector.catalogue.usage import SECONDS_PER_HOUR

Intervals = tuple[tuple[int, int], ...]

WHOLE: Intervals = ((0, SECONDS_PER_HOUR),)


def packed(running: Intervals) -> bytes | None:
    """Return intervals as bytes; None for the whole hour, which most records have."""
    if running == WHOLE:
        return None
    ends = [end for interval in running for end in interval]
    return struct.pack(f">{len(ends)}H", *ends)


def unpacked(content: bytes | None) -> Intervals:
    """Return the intervals that were packed."""
    if content is None:
        return WHOLE
    ends = struct.unpack(f">{len(content) // 2}H", content)
    return tuple(zip(ends[::2], ends[1::2], strict=True))


def union(several: Iterable[Intervals]) -> Intervals:
    """Return the seconds that any of them has."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(interval for intervals in several for interval in intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def common_seconds(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> int:
    """Return the length of what both have; each is without overlaps of its own."""
    return sum(max(0, min(end, last) - max(start, first)) for start, end in one for first, last in other)
