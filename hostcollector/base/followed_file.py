"""An operator's file, read again when it changes, in a lane: a disk that hangs delays no collection."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Generic, TypeVar

from hostcollector.base.errors import ConfigError, ConfigUnreachableError, LaneBusyError
from hostcollector.base.lanes import Lane
from hostcollector.base.log import Transitions

logger = logging.getLogger("hostcollector")

Content = TypeVar("Content")

FIRST_PATIENCE_SECONDS = 20.0
"""How long the first reading may take."""

PATIENCE_SECONDS = 0.1
"""How long a collection waits for a look at the file."""

HANGS_AFTER_SECONDS = 10.0
"""A look that takes longer is reported as a failure; the largest map takes half as long."""

Stamp = tuple[int, int, int] | None


class FollowedFile(Generic[Content]):
    """A file that `read` understands. The first reading raises `ConfigError`.

    If a later change cannot be read, the old content stays in use. `transitions` reports each new failure
    once, and the recovery; `what` names the content there. Looks at the file run in `lane`, which may be
    shared by readers of the same path.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], Content],
        what: str,
        transitions: Transitions | None = None,
        *,
        lane: Lane | None = None,
        patience: float = PATIENCE_SECONDS,
        first_patience: float = FIRST_PATIENCE_SECONDS,
        hangs_after: float = HANGS_AFTER_SECONDS,
    ) -> None:
        self._path = path
        self._read = read
        self._what = what
        self._transitions = transitions or Transitions(logger)
        self._lane = lane or Lane(what)
        self._patience = patience
        self._hangs_after = hangs_after
        self._begun = 0.0
        self._reported = self._problem = ""
        self._flight: Future[tuple[Stamp, Content | None, str] | None] | None = None
        self._stamp, self.current = self._first(time.monotonic() + first_patience)

    def changed(self) -> bool:
        """Look at the file; return whether `current` is new content.

        A look that takes longer than `patience` goes on, and a later call returns its result.
        """
        patience = 0.0  # an earlier call has waited for the look that still runs
        if self._flight is None:
            try:
                self._flight = self._lane.submit(self._look)
            except LaneBusyError:
                return False
            patience, self._begun = self._patience, time.monotonic()
        if not wait([self._flight], timeout=patience).done:
            if time.monotonic() - self._begun >= self._hangs_after:
                self._report(f"{self._path} does not answer")
            return False
        flight, self._flight = self._flight, None
        if error := flight.exception():
            self._report(f"{self._path} cannot be read: {error!r}")
            return False
        found = flight.result()
        if found is not None:
            self._stamp, content, self._problem = found
            self.current = content if content is not None else self.current
        self._report(self._problem)
        return found is not None and not self._problem

    @property
    def stale(self) -> bool:
        """Whether `current` is older than the content of the file."""
        return bool(self._reported)

    def _first(self, deadline: float) -> tuple[Stamp, Content]:
        flight: Future[tuple[Stamp, Content]] | None = None
        while flight is None and time.monotonic() < deadline:
            try:
                flight = self._lane.submit(lambda: (_stamp(self._path), self._read(self._path)))
            except LaneBusyError:
                time.sleep(self._patience)
        if flight is None or not wait([flight], timeout=max(0.0, deadline - time.monotonic())).done:
            raise ConfigUnreachableError(
                str(self._path), ["does not answer: is it on a file system that hangs?"]
            )
        found = flight.result()
        self._transitions.succeeded(self._what)  # a failure from before a reload has ended
        return found

    def _look(self) -> tuple[Stamp, Content | None, str] | None:
        """Return the new stamp with the content, or why it cannot be read; None for an unchanged file."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return None
        try:
            return stamp, self._read(self._path), ""
        except ConfigError as error:
            return stamp, None, str(error)

    def _report(self, problem: str) -> None:
        if problem == self._reported:
            return
        self._reported = problem
        if problem:
            self._transitions.forget(self._what)  # a failure that differs from the last one is reported too
            self._transitions.failed(self._what, f"the old one stays in use: {problem}")
        else:
            self._transitions.succeeded(self._what)


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
