"""Limits and quotas are settings: they are read again now and then, not in every collection."""

import time
from collections.abc import Callable

from hostcollector.base.lanes import Clock
from hostcollector.sources.cgroup.files import limit

LOOK_SECONDS = 30.0

Limit = Callable[[str], int | None]


class Limits:
    """The limit in each file, as of the last look at most `LOOK_SECONDS` ago. `clock` is monotonic."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._look_at = float("-inf")
        self._known: dict[str, int | None] = {}

    def begin(self) -> bool:
        """Begin a collection; says whether the limits are looked at again in it."""
        due = self._clock() >= self._look_at
        if due:
            self._look_at = self._clock() + LOOK_SECONDS
            self._known.clear()
        return due

    def of(self, path: str) -> int | None:
        """Return the limit in a file, None where none is set. Raises `SourceMalformedError`."""
        if path not in self._known:
            self._known[path] = limit(path)
        return self._known[path]
