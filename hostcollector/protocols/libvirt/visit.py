"""The visit: guests are asked one after the other, and one that holds the question up is stepped over.

It costs a round trip for each guest and a worker for each that is stuck: for guests of which a call for many
gave nothing.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Generic

from hostcollector.base.errors import SourceTimeoutError
from hostcollector.base.lanes import Clock
from hostcollector.protocols.libvirt.pool import Pool
from hostcollector.protocols.libvirt.worker import (
    CONTROL_ERROR,
    CONTROL_OCCUPIED,
    CONTROL_OK,
    Probe,
    Progress,
    T,
    Worker,
)

SILENT = "libvirt accepts connections but does not answer; is its daemon stopped or out of workers?"

# A question answers in a fraction of a millisecond; a guest that holds it up has its lock held.
PATIENCE_SECONDS = 0.5
# A connection takes some round trips: on a machine that is short of CPU that is no silence yet.
CONNECTION_PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.05
# A monitor command takes milliseconds. One that takes this long will not help this collection.
BLOCKED_AFTER_SECONDS = 0.7

Call = Callable[[Worker, Sequence[str], Progress[T]], Future[None]]
"""Begins to ask the guests, one after the other."""


@dataclass(slots=True)
class Survey(Generic[T]):
    """Answers by UUID (None: gone), and the `locked` guests that gave none."""

    found: dict[str, T | None] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)


def visit(
    pool: Pool, uuids: Sequence[str], call: Call[T], deadline: float, clock: Clock, *, answers: bool = False
) -> Survey[T]:
    """Ask the guests until `deadline`. `answers` says that libvirt has just answered something else.

    Of guests that were not reached, because no time or no worker was left, nothing is known. Raises
    `SourceUnavailableError` when libvirt is away, and `SourceTimeoutError` when libvirt itself is silent: no
    connection stands, or guests hold up the question and so does one that needs no guest.
    """
    if pool.libvirt_silent and not answers:
        raise SourceTimeoutError(SILENT)
    result: Survey[T] = Survey(locked=set(pool.budget.locked.intersection(uuids)))
    remaining = [uuid for uuid in uuids if uuid not in result.locked]
    while remaining and clock() < deadline:
        worker = pool.take()
        if worker is None:
            break
        progress: Progress[T] = Progress()
        future = call(worker, remaining, progress)
        _await_progress(future, progress, deadline, clock)
        result.found.update(dict(progress.found))
        position = len(progress.found)
        if future.done() or position == len(remaining):
            wait([future])
            pool.give_back(worker)
            future.result()
            break
        stuck_at = remaining[position : position + 1] if progress.begun else []
        pool.set_aside(worker, stuck_at, locked=bool(stuck_at))
        answers = answers or bool(result.found) or (bool(stuck_at) and is_alive(pool, deadline, clock))
        if not answers:
            raise SourceTimeoutError(SILENT)
        if not stuck_at or clock() >= deadline:
            break  # which blames no guest: the time was over
        result.locked.update(stuck_at)
        remaining = remaining[position + 1 :]
    return result


@dataclass(slots=True)
class Sweep:
    """What a sweep found: `probes` by UUID (None: gone), and the `locked` guests that did not answer it."""

    probes: dict[str, Probe | None] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)

    def gone(self, uuid: str) -> bool:
        """Whether libvirt does not know the guest any more."""
        return uuid in self.probes and self.probes[uuid] is None

    def passing(self, uuid: str) -> bool:
        """Whether the guest's monitor is free, or so busy as with a command that is over in a moment."""
        probe = self.probes.get(uuid)
        return probe is not None and (
            probe.state == CONTROL_OK
            or (probe.state == CONTROL_OCCUPIED and probe.seconds < BLOCKED_AFTER_SECONDS)
        )

    def blocked(self, uuid: str) -> bool:
        """Whether asking the guest's monitor now would get stuck."""
        probe = self.probes.get(uuid)
        if uuid in self.locked:
            return True
        if probe is None:
            return False
        occupied = probe.state == CONTROL_OCCUPIED and probe.seconds >= BLOCKED_AFTER_SECONDS
        return occupied or probe.state == CONTROL_ERROR


def sweep(
    pool: Pool,
    uuids: Sequence[str],
    deadline: float,
    clock: Clock,
    *,
    jobs: bool = False,
    answers: bool = False,
) -> Sweep:
    """Probe the guests until `deadline`. `answers` says that libvirt has just answered something else.

    Raises what `visit` raises.
    """

    def call(worker: Worker, remaining: Sequence[str], progress: Progress[Probe]) -> Future[None]:
        return worker.submit_probes(remaining, progress, jobs=jobs)

    survey = visit(pool, uuids, call, deadline, clock, answers=answers)
    return Sweep(survey.found, survey.locked)


def is_alive(pool: Pool, deadline: float, clock: Clock) -> bool:
    """Whether libvirt answers a question that needs no guest; taken for granted where no worker is left."""
    worker = pool.take()
    if worker is None:
        return True
    future = worker.submit_greeting()
    wait([future], timeout=max(0.0, min(CONNECTION_PATIENCE_SECONDS, deadline - clock())))
    if not future.done():
        pool.set_aside(worker)
        return False
    pool.give_back(worker)
    return future.exception() is None


def _await_progress(future: Future[None], progress: Progress[T], deadline: float, clock: Clock) -> None:
    """Wait until the call is over, stands still, or has no time left."""
    begins_by = min(deadline, clock() + CONNECTION_PATIENCE_SECONDS)
    while not (future.done() or progress.begun) and clock() < begins_by:
        wait([future], timeout=POLL_SECONDS)
    seen = -1
    while progress.begun and not future.done() and len(progress.found) > seen and clock() < deadline:
        seen = len(progress.found)
        wait([future], timeout=min(PATIENCE_SECONDS, max(0.0, deadline - clock())))
