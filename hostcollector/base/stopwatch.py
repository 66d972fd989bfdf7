"""Where the time goes: seconds and CPU seconds of named stages, for ``collect --profile``.

A part with stages takes a `Stage` and enters it around each; in the daemon it is `unmeasured`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

Stage = Callable[[str], AbstractContextManager[None]]
"""Returns the context in which the named stage runs."""

_NOTHING = nullcontext()


def unmeasured(_name: str) -> AbstractContextManager[None]:
    """Return a context that measures nothing."""
    return _NOTHING


class Lap(NamedTuple):
    """One run of a stage. `seconds` passed on the clock, `cpu` is what its thread used of them."""

    stage: str
    seconds: float
    cpu: float


class Stopwatch:
    """Keeps the laps of all stages. `stage` may be entered by several threads at once."""

    def __init__(self) -> None:
        self._laps: list[Lap] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block as a lap of the stage `name`."""
        started, used = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self._laps.append(Lap(name, time.perf_counter() - started, time.thread_time() - used))

    def take(self) -> list[Lap]:
        """Return the laps since the last call."""
        laps, self._laps = self._laps, []
        return laps
