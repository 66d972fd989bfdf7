"""Asks NVML, and keeps in mind what a driver or a GPU does not have: each call is probed once."""

from collections.abc import Callable, Collection
from typing import Any

from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.faults import NoAnswerError, UnsupportedError

Call = Callable[..., Any]


class Asker:
    """Asks about subjects: GPUs by PCI address, MIG and vGPU instances by ``address/...``."""

    def __init__(self, call: Call = binding.call) -> None:
        self._call = call
        self._unsupported: dict[str, set[tuple[Any, ...]]] = {}

    def ask(self, subject: str, function: str, handle: Any, *arguments: Any, varying: Any = None) -> Any:
        """Return the answer; None where there is none this time, or never.

        `varying` is a last argument that differs from call to call. Raises `LostError` for a GPU that is
        gone and `ClosedError` for a driver that is.
        """
        unsupported = self._unsupported.setdefault(subject, set())
        key = (function, *arguments)
        if key in unsupported:
            return None
        last = () if varying is None else (varying,)
        try:
            return self._call(function, handle, *arguments, *last)
        except UnsupportedError:
            unsupported.add(key)
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
