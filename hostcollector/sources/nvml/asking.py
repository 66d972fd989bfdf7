"""Asks NVML, and keeps in mind for a while what a driver or a GPU does not have."""

import time
from collections.abc import Callable, Collection
from typing import Any

from hostcollector.base.lanes import Clock
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.faults import NoAnswerError, UnsupportedError

Call = Callable[..., Any]

PROBE_SECONDS = 300.0
"""After how long a call that was not supported is made again: a driver may say so of a moment only."""


class Asker:
    """Asks about subjects: GPUs by PCI address, MIG and vGPU instances by ``address/...``."""

    def __init__(self, call: Call = binding.call, clock: Clock = time.monotonic) -> None:
        self._call = call
        self._clock = clock
        self._unsupported: dict[str, dict[tuple[Any, ...], float]] = {}

    def ask(self, subject: str, function: str, handle: Any, *arguments: Any, varying: Any = None) -> Any:
        """Return the answer; None where there is none this time, or none to be had.

        `varying` is a last argument that differs from call to call. Raises `LostError` for a GPU that is
        gone and `ClosedError` for a driver that is.
        """
        unsupported = self._unsupported.setdefault(subject, {})
        key = (function, *arguments)
        if self._clock() < unsupported.get(key, float("-inf")):
            return None
        last = () if varying is None else (varying,)
        try:
            return self._call(function, handle, *arguments, *last)
        except UnsupportedError:
            unsupported[key] = self._clock() + PROBE_SECONDS
        except NoAnswerError:
            pass
        return None

    def forget(self, subject: str) -> None:
        """Probe everything of a subject and of what is in it anew."""
        for known in list(self._unsupported):
            if known == subject or known.startswith(f"{subject}/"):
                del self._unsupported[known]

    def retain(self, prefix: str, subjects: Collection[str]) -> None:
        """Forget the subjects that begin with `prefix` and are not there any more."""
        for known in list(self._unsupported):
            if known.startswith(prefix) and known not in subjects:
                del self._unsupported[known]
