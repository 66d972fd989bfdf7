"""The sweep: asks for guests' control state and jobs, and finds those that are stuck even for that.

Only guests whose statistics did not come are worth the question: one that has just answered is free.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from hostcollector.base.lanes import Clock
from hostcollector.protocols.libvirt.pool import Pool
from hostcollector.protocols.libvirt.visit import visit
from hostcollector.protocols.libvirt.worker import (
    CONTROL_ERROR,
    CONTROL_OCCUPIED,
    CONTROL_OK,
    Probe,
    Progress,
    Worker,
)

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

    Raises what `visit` raises.
    """

    def call(worker: Worker, remaining: Sequence[str], progress: Progress[Probe]) -> Future[None]:
        return worker.submit_probes(remaining, progress, jobs=jobs)

    visited = visit(pool, uuids, call, deadline, clock, answers=answers)
    return Sweep(visited.found, visited.locked)
