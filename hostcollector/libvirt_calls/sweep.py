"""The sweep: asks for guests' control state and jobs, and finds guests that are stuck even for that.

Only guests whose statistics did not come are worth the question: one that has just answered is free.
"""

from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from hostcollector.errors import SourceTimeoutError
from hostcollector.lanes import Clock
from hostcollector.libvirt_calls.pool import Pool
from hostcollector.libvirt_calls.worker import (
    CONTROL_ERROR,
    CONTROL_OCCUPIED,
    CONTROL_OK,
    Probe,
    Probing,
)

SILENT = "libvirt accepts connections but does not answer; is its daemon stopped or out of workers?"

# A probe answers in a fraction of a millisecond; a guest that holds it up has its lock held.
PROBE_PATIENCE_SECONDS = 0.5
# A connection takes some round trips and a listing: on a machine that is short of CPU that is no silence yet.
CONNECTION_PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.05
# A monitor command takes milliseconds. One that takes this long will not help this collection.
BLOCKED_AFTER_SECONDS = 0.7


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

    It ends early when not even a connection stands, or the second guest in a row holds up the question.
    If libvirt `answers`, these are guests that are being started or ended, and nothing is known of those
    that were not reached. Otherwise it is libvirt itself: raises `SourceTimeoutError`, and
    `SourceUnavailableError` when libvirt is away.
    """
    if pool.libvirt_silent and not answers:
        raise SourceTimeoutError(SILENT)
    pool_locked = pool.locked
    result = Sweep(locked=set(pool_locked.intersection(uuids)))
    remaining = [uuid for uuid in uuids if uuid not in result.locked]
    while remaining and clock() < deadline:
        worker = pool.take()
        if worker is None:
            break
        probing = Probing()
        future = worker.submit_probes(remaining, probing, jobs=jobs)
        _await_progress(future, probing, deadline, clock)
        result.probes.update(dict(probing.found))
        if future.done():
            pool.give_back(worker)
            future.result()
            break
        silent = not probing.begun
        if silent or (not result.probes and result.locked - pool_locked):
            pool.set_aside(worker, () if silent else remaining[:1], locked=not silent)
            if answers:
                break
            raise SourceTimeoutError(SILENT)
        position = len(probing.found)
        stuck_at = remaining[position : position + 1]
        pool.set_aside(worker, stuck_at or remaining, locked=True)
        result.locked.update(stuck_at)
        remaining = remaining[position + 1 :]
    return result


def _await_progress(future: Future[None], probing: Probing, deadline: float, clock: Clock) -> None:
    """Wait until the probing is over, stands still, or has no time left."""
    begins_by = min(deadline, clock() + CONNECTION_PATIENCE_SECONDS)
    while not (future.done() or probing.begun) and clock() < begins_by:
        wait([future], timeout=POLL_SECONDS)
    seen = -1
    while probing.begun and not future.done() and len(probing.found) > seen and clock() < deadline:
        seen = len(probing.found)
        wait([future], timeout=min(PROBE_PATIENCE_SECONDS, max(0.0, deadline - clock())))
