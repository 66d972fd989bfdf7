"""The visit: guests are asked one after the other, and one that holds the question up is stepped over.

It costs a round trip for each guest and a worker for each that is stuck: for guests of which a call for many
gave nothing.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Generic

from hostcollector.errors import SourceTimeoutError
from hostcollector.lanes import Clock
from hostcollector.libvirt_calls.pool import Pool
from hostcollector.libvirt_calls.worker import Progress, T, Worker

SILENT = "libvirt accepts connections but does not answer; is its daemon stopped or out of workers?"

# A question answers in a fraction of a millisecond; a guest that holds it up has its lock held.
PATIENCE_SECONDS = 0.5
# A connection takes some round trips: on a machine that is short of CPU that is no silence yet.
CONNECTION_PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.05

Call = Callable[[Worker, Sequence[str], Progress[T]], Future[None]]
"""Begins to ask the guests, one after the other."""


@dataclass(slots=True)
class Visit(Generic[T]):
    """Answers by UUID (None: gone), and the `locked` guests that gave none."""

    found: dict[str, T | None] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)


def visit(
    pool: Pool, uuids: Sequence[str], call: Call[T], deadline: float, clock: Clock, *, answers: bool = False
) -> Visit[T]:
    """Ask the guests until `deadline`. `answers` says that libvirt has just answered something else.

    It ends early when not even a connection stands, or the second guest in a row holds up the question.
    If libvirt `answers`, these are guests that are being started or ended, and nothing is known of those
    that were not reached. Otherwise it is libvirt itself: raises `SourceTimeoutError`, and
    `SourceUnavailableError` when libvirt is away.
    """
    if pool.libvirt_silent and not answers:
        raise SourceTimeoutError(SILENT)
    pool_locked = pool.locked
    result: Visit[T] = Visit(locked=set(pool_locked.intersection(uuids)))
    remaining = [uuid for uuid in uuids if uuid not in result.locked]
    while remaining and clock() < deadline:
        worker = pool.take()
        if worker is None:
            break
        progress: Progress[T] = Progress()
        future = call(worker, remaining, progress)
        _await_progress(future, progress, deadline, clock)
        result.found.update(dict(progress.found))
        if future.done():
            pool.give_back(worker)
            future.result()
            break
        silent = not progress.begun
        if silent or (not result.found and result.locked - pool_locked):
            pool.set_aside(worker, () if silent else remaining[:1], locked=not silent)
            if answers:
                break
            raise SourceTimeoutError(SILENT)
        position = len(progress.found)
        stuck_at = remaining[position : position + 1]
        pool.set_aside(worker, stuck_at or remaining, locked=True)
        result.locked.update(stuck_at)
        remaining = remaining[position + 1 :]
    return result


def _await_progress(future: Future[None], progress: Progress[T], deadline: float, clock: Clock) -> None:
    """Wait until the call is over, stands still, or has no time left."""
    begins_by = min(deadline, clock() + CONNECTION_PATIENCE_SECONDS)
    while not (future.done() or progress.begun) and clock() < begins_by:
        wait([future], timeout=POLL_SECONDS)
    seen = -1
    while progress.begun and not future.done() and len(progress.found) > seen and clock() < deadline:
        seen = len(progress.found)
        wait([future], timeout=min(PATIENCE_SECONDS, max(0.0, deadline - clock())))
