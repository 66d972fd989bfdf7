"""The pool of workers: a few kept, a small fixed number in all, stuck ones set aside until they return."""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hostcollector.lanes import Clock
from hostcollector.libvirt_calls.worker import Worker
from hostcollector.libvirt_link import Link
from hostcollector.stopwatch import Stage, unmeasured

# libvirtd has 20 workers by default, shared with whoever manages the guests: one source takes half at most.
MOST_WORKERS = 10


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why a worker does not return: the guests it may be waiting for, none when libvirt itself is silent.

    `locked` says that not even a probe returned, so that the guests cannot be probed either.
    """

    suspects: frozenset[str] = frozenset()
    locked: bool = False


class Pool:
    """Hands out workers. `kept` idle ones are held ready; more are made for spare calls up to `most`.

    `name` is that of the source whose workers they are.
    """

    def __init__(
        self,
        link: Link,
        *,
        name: str,
        kept: int,
        most: int = MOST_WORKERS,
        clock: Clock = time.monotonic,
        stage: Stage = unmeasured,
    ) -> None:
        self._link = link
        self._name = name
        self._kept = kept
        self._most = most
        self._clock = clock
        self._stage = stage
        self._idle: list[Worker] = []
        self._taken = 0
        self._made = 0
        self._stuck: dict[Worker, Stuck] = {}

    @property
    def stuck_calls(self) -> int:
        """Calls that were given up and have not returned."""
        return len(self._stuck)

    @property
    def suspects(self) -> frozenset[str]:
        """Guests for which a call is stuck: their statistics may not be asked for before it returns."""
        return frozenset().union(*(stuck.suspects for stuck in self._stuck.values()))

    @property
    def locked(self) -> frozenset[str]:
        """Guests that may not even be probed before a stuck probe returns."""
        return frozenset().union(*(stuck.suspects for stuck in self._stuck.values() if stuck.locked))

    @property
    def libvirt_silent(self) -> bool:
        """Whether a worker waits for libvirt itself."""
        return any(not stuck.suspects for stuck in self._stuck.values())

    def take(self) -> Worker | None:
        """Return a free worker, or None when all are taken or stuck."""
        if self._idle:
            self._taken += 1
            return self._idle.pop()
        if self._taken + len(self._stuck) >= self._most:
            return None
        self._taken += 1
        self._made += 1
        return Worker(self._link, self._name, self._made, clock=self._clock, stage=self._stage)

    def give_back(self, worker: Worker) -> None:
        """Take back a worker whose call has returned."""
        self._taken -= 1
        self._idle.append(worker)

    def set_aside(self, worker: Worker, suspects: Iterable[str] = (), *, locked: bool = False) -> None:
        """Leave a worker alone whose call is stuck because of one of `suspects`."""
        self._taken -= 1
        self._stuck[worker] = Stuck(frozenset(suspects), locked)

    def tidy(self, guests: Collection[str]) -> None:
        """Welcome back stuck workers whose call has returned, and close idle ones that are too many.

        `guests` are those that there are now: of others nothing is kept.
        """
        returned = [worker for worker in self._stuck if not worker.lane.busy]
        for worker in returned:
            del self._stuck[worker]
            self._idle.append(worker)
        while len(self._idle) > self._kept:
            self._idle.pop().close()
        for worker in self._idle:
            worker.tidy(guests)

    def close(self) -> None:
        """Close all workers; stuck ones end when their call returns."""
        for worker in [*self._idle, *self._stuck]:
            worker.close()
        self._idle.clear()
