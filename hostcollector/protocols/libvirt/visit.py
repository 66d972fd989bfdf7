"""The visit: asks one guest after the other, and steps over a guest that does not answer.

It costs a round trip for each guest, and a worker for each guest that does not answer. It is made for guests
without an answer to a bulk call.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic

from hostcollector.base.errors import SourceTimeoutError
from hostcollector.base.lanes import Clock
from hostcollector.protocols.libvirt.pool import Pool
from hostcollector.protocols.libvirt.worker import (
    CONTROL_ERROR,
    CONTROL_OCCUPIED,
    CONTROL_OK,
    Look,
    Probe,
    Progress,
    T,
    Worker,
)

SILENT = "libvirt accepts connections but does not answer; is its daemon stopped or out of workers?"

# An answer takes a fraction of a millisecond; a guest that gives none by then has its lock held.
PATIENCE_SECONDS = 0.5
# A new connection takes some round trips, and more on a host that is short of CPU.
CONNECTION_PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.05
# A monitor command takes milliseconds. One that takes this long will not help this collection.
BLOCKED_AFTER_SECONDS = 0.7

Call = Callable[[Worker, Sequence[str], Progress[T]], Future[None]]
"""Starts a worker's call that asks the guests one after the other."""


@dataclass(slots=True)
class Survey(Generic[T]):
    """The answers by UUID, None for a guest that is gone, and the `locked` guests that gave none."""

    found: dict[str, T | None] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)


def visit(
    pool: Pool, uuids: Sequence[str], call: Call[T], deadline: float, clock: Clock, *, answers: bool = False
) -> Survey[T]:
    """Ask the guests until `deadline`. `answers` is True if libvirt has just answered another call.

    Guests that were not reached, because no time or no worker was left, are missing from the survey. Raises
    `SourceUnavailableError` when libvirt is away. Raises `SourceTimeoutError` when libvirt itself does not
    answer: there is no connection, or neither a guest nor a call that needs no guest gets an answer.
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
            break  # no guest is to blame: the time was over
        result.locked.update(stuck_at)
        remaining = remaining[position + 1 :]
    return result


@dataclass(slots=True)
class Sweep:
    """Control states by UUID, None for a guest that is gone, and the `locked` guests without an answer."""

    probes: dict[str, Probe | None] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)

    def gone(self, uuid: str) -> bool:
        """Whether libvirt does not know the guest any more."""
        return uuid in self.probes and self.probes[uuid] is None

    def passing(self, uuid: str) -> bool:
        """Whether the guest's monitor is free, or occupied by a command so young that it may end soon."""
        probe = self.probes.get(uuid)
        return probe is not None and (
            probe.state == CONTROL_OK
            or (probe.state == CONTROL_OCCUPIED and probe.seconds < BLOCKED_AFTER_SECONDS)
        )

    def blocked(self, uuid: str) -> bool:
        """Whether a call to the guest's monitor would get stuck now."""
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
    jobs: Mapping[str, Look] = MappingProxyType({}),
    answers: bool = False,
) -> Sweep:
    """Ask for the guests' control states, and for the jobs of those in `jobs`, until `deadline`.

    `answers` is True if libvirt has just answered another call. A guest that has just answered is free and
    needs no sweep. Raises what `visit` raises.
    """

    def call(worker: Worker, remaining: Sequence[str], progress: Progress[Probe]) -> Future[None]:
        return worker.submit_probes(remaining, progress, jobs)

    survey = visit(pool, uuids, call, deadline, clock, answers=answers)
    return Sweep(survey.found, survey.locked)


def is_alive(pool: Pool, deadline: float, clock: Clock) -> bool:
    """Whether libvirt answers a call that needs no guest; True as well if no worker is left."""
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
    """Wait until the call is over, makes no progress, or the deadline has passed."""
    begins_by = min(deadline, clock() + CONNECTION_PATIENCE_SECONDS)
    while not (future.done() or progress.begun) and clock() < begins_by:
        wait([future], timeout=POLL_SECONDS)
    seen = -1
    while progress.begun and not future.done() and len(progress.found) > seen and clock() < deadline:
        seen = len(progress.found)
        wait([future], timeout=min(PATIENCE_SECONDS, max(0.0, deadline - clock())))
