"""Pools of workers: a few are kept, their number is limited, stuck ones are set aside until they return."""

import time
from collections.abc import Collection, Iterable

from hostcollector.base.lanes import Clock, Lane
from hostcollector.base.stopwatch import Stage, unmeasured
from hostcollector.protocols.libvirt.budget import (
    CALLS_BY_HAND,
    DEFINITION_CALLS,
    MONITOR_CALLS,
    POOLED_CALLS,
    STATE_CALLS,
    Budget,
    Stuck,
)
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.worker import Worker

# A single call takes milliseconds. One that has taken this long waits for a guest, or for libvirt.
STUCK_AFTER_SECONDS = 2.0


class Pool:
    """Hands out workers, up to `most` and within the budget; up to `kept` idle ones are held ready.

    `name` is the name of the source that uses the workers. A pool outlives its collector: stuck calls still
    count after a reload.
    """

    def __init__(
        self,
        link: Link,
        *,
        name: str,
        most: int,
        budget: Budget,
        clock: Clock = time.monotonic,
        stage: Stage = unmeasured,
    ) -> None:
        self._link = link
        self._name = name
        self._clock = clock
        self._stage = stage
        self.budget = budget
        self.kept = 1
        self._account = budget.open(most)
        self._idle: list[Worker] = []
        self._made = 0
        self._stuck: dict[Worker, Stuck] = {}
        self._account.set_aside = self._stuck.values()

    @property
    def stuck_calls(self) -> int:
        """Calls that were given up and have not returned."""
        with self.budget.lock:
            return len(self._account.stuck)

    @property
    def suspects(self) -> frozenset[str]:
        """Guests for which a call is stuck, or may be."""
        with self.budget.lock:
            return frozenset().union(*(stuck.suspects for stuck in self._account.stuck))

    @property
    def libvirt_silent(self) -> bool:
        """Whether a call is stuck that waits for no guest: libvirt itself does not answer."""
        with self.budget.lock:
            return any(not stuck.suspects for stuck in self._account.stuck)

    @property
    def free(self) -> int:
        """How many workers may be taken for calls that may wait for a monitor."""
        with self.budget.lock:
            return self.budget.free(self._account)

    def take(self, spare: int | None = None) -> Worker | None:
        """Return a worker; None if no more than `spare` are free.

        Without `spare` the worker is for a call that needs no monitor, but may wait for a guest's lock.
        """
        with self.budget.lock:
            if self.budget.free(self._account, for_monitors=spare is not None) <= (spare or 0):
                return None
            self._account.taken += 1
            if self._idle:
                return self._idle.pop()
            self._made += 1
            return Worker(self._link, self._name, self._made, clock=self._clock, stage=self._stage)

    def give_back(self, worker: Worker) -> None:
        """Take back a worker after its call has returned."""
        with self.budget.lock:
            self._account.taken -= 1
            self._idle.append(worker)

    def set_aside(self, worker: Worker, suspects: Iterable[str] = (), *, locked: bool = False) -> None:
        """Keep a worker whose call is stuck, because of one of `suspects`, until the call returns."""
        with self.budget.lock:
            self._account.taken -= 1
            self._stuck[worker] = Stuck(worker.lane, frozenset(suspects), locked)

    def tidy(self, guests: Collection[str]) -> None:
        """Take back stuck workers whose call has returned, and close idle ones above `kept`.

        `guests` are the present ones: the handles of others are dropped.
        """
        with self.budget.lock:
            returned = [worker for worker in self._stuck if not worker.lane.busy]
            for worker in returned:
                del self._stuck[worker]
                self._idle.append(worker)
            while len(self._idle) > self.kept:
                self._idle.pop().close()
            for worker in self._idle:
                worker.tidy(guests)

    def close(self) -> None:
        """Close all workers; stuck ones end when their call returns."""
        with self.budget.lock:
            for worker in [*self._idle, *self._stuck]:
                worker.close()
            self._idle.clear()


class Workers:
    """All that calls libvirt: the pools within their `budget`, and a worker or lane for each single call.

    There is one for the process; reloads keep it. `everything` asks for the states of all guests, `listing`
    for their list, `versions` for versions. `by_hand` is for a command beside a daemon: its pools share
    fewer workers.
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
        """Calls of the pools, and single calls, that wait for a guest or for libvirt."""
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
        """Make a pool that keeps one idle worker, until its source sets `kept`."""
        return Pool(self.link, name=name, most=most, budget=self.budget, clock=clock, stage=stage)
