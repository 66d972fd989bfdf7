"""All that calls libvirt: one set of workers for the process, which reloads leave alone."""

import time

from hostcollector.base.lanes import Clock, Lane
from hostcollector.base.stopwatch import Stage, unmeasured
from hostcollector.protocols.libvirt.budget import (
    CALLS_BY_HAND,
    DEFINITION_CALLS,
    MONITOR_CALLS,
    POOLED_CALLS,
    STATE_CALLS,
    Budget,
)
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.pool import Pool
from hostcollector.protocols.libvirt.worker import Worker

# A single call takes milliseconds. One that has taken this long waits for a guest, or for libvirt.
STUCK_AFTER_SECONDS = 2.0


class Workers:
    """The pools within their `budget`, and the worker or lane of each single call.

    `everything` asks for the states of all guests, `listing` for the list of them, `versions` for versions.
    A collection `by_hand` has fewer for calls around guests that hold one up: there may be no more.
    """

    def __init__(
        self,
        link: Link,
        *,
        by_hand: bool = False,
        clock: Clock = time.monotonic,
        stage: Stage = unmeasured,
    ) -> None:
        self.link = link
        self.budget = Budget(CALLS_BY_HAND if by_hand else POOLED_CALLS)
        self.everything = Worker(link, "libvirt_state", clock=clock)
        self.listing = Worker(link, "inventory", clock=clock)
        self.versions = Lane("libvirt-versions", clock)
        self.monitors = self._pool("libvirt_monitor", MONITOR_CALLS, clock, stage)
        self.states = self._pool("libvirt_state", STATE_CALLS, clock, stage)
        self.definitions = self._pool("inventory", DEFINITION_CALLS, clock, stage)

    @property
    def stuck_calls(self) -> int:
        """Calls that wait for a guest or for libvirt, of the pools and of the single ones."""
        lanes = (self.everything.lane, self.listing.lane, self.versions)
        return self.budget.stuck_calls + sum(lane.busy_seconds >= STUCK_AFTER_SECONDS for lane in lanes)

    def close(self) -> None:
        """Close the connections; a stuck call ends with the process, or when its guest answers."""
        self.everything.close()
        self.listing.close()
        self.versions.close()
        for pool in (self.monitors, self.states, self.definitions):
            pool.close()

    def _pool(self, name: str, most: int, clock: Clock, stage: Stage) -> Pool:
        """Make a pool that keeps one idle worker, until its source says how many it wants."""
        return Pool(self.link, name=name, most=most, budget=self.budget, clock=clock, stage=stage)
