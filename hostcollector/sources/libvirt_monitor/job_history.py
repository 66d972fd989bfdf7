"""What became of the guests' jobs: counted for the host, so that a job counts also when its guest is gone.

libvirt reports the end of a job differently for each operation (tried with libvirt 9.0; qemu_migration.c,
qemu_backup.c):

- A job by QEMU's migration that completed: an event with the job's statistics. These are a migration from
  here, a save, a snapshot with memory, and a dump other than a memory-only one. QEMU sends an event for each
  iteration of theirs.
- A backup: the same event, with ``success`` false if it failed.
- A migration from here that failed or was cancelled: no event. It was seen to run or to iterate, it runs no
  more, and no event says that it completed. If no look met it, its operation is unknown.
- A migration to here: the guest starts, and then either runs or stops.
- All others (memory-only dumps, internal snapshots): no event. They are not counted.
"""

import logging
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from hostcollector.base.lanes import Clock
from hostcollector.base.model import Histogram, Metric, Sample
from hostcollector.base.units import seconds_from_ms
from hostcollector.catalogue import job
from hostcollector.protocols.libvirt.events import DomainEvent
from hostcollector.protocols.libvirt.job_words import BLOCK_OPERATIONS, block_operation, operation

logger = logging.getLogger("hostcollector")

GRACE_SECONDS = 5.0
"""How long a job that runs no more waits for its event, which comes by another connection."""

REMEMBERED_SECONDS = 600.0
"""How long the end of a job is known, so that a look which still meets the job does not reopen it."""

MIGRATION_IN, MIGRATION_OUT, UNKNOWN = "migration_in", "migration_out", "unknown"
COMPLETED, FAILED = "completed", "failed"
RESULTS = (COMPLETED, FAILED)
BLOCK_RESULTS = (COMPLETED, FAILED, "canceled")

# Those whose completion libvirt always reports with an event; a snapshot and a dump only if they iterate.
_REPORTED = (MIGRATION_OUT, "save", "backup")
_COUNTED = (MIGRATION_IN, *_REPORTED, "snapshot", "dump", UNKNOWN)
_DURATIONS = (1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, inf)
_DOWNTIMES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, inf)


@dataclass(slots=True)
class _Open:
    """A job that has begun. `gone_at` is when a look first met no job any more."""

    operation: str
    name: str = ""
    iteration: int = 0
    gone_at: float | None = None


@dataclass(slots=True)
class _Observed:
    """Observations of one metric, by operation and by bucket."""

    metric: Metric
    bounds: tuple[float, ...]
    counts: dict[str, list[int]] = field(default_factory=dict)

    def expect(self, *operations: str) -> None:
        """Show the operations from now on, also without an observation."""
        for each in operations:
            self.counts.setdefault(each, [0] * len(self.bounds))

    def add(self, what: str, milliseconds: object) -> None:
        """Add an observation, unless libvirt gave none."""
        if isinstance(milliseconds, int) and milliseconds >= 0:
            self.expect(what)
            self.counts[what][bisect_left(self.bounds, seconds_from_ms(milliseconds))] += 1

    def samples(self) -> Iterator[Sample]:
        """Yield a histogram for each operation."""
        for what, counts in self.counts.items():
            summed = [sum(counts[: position + 1]) for position in range(len(counts))]
            yield Sample(self.metric, Histogram(self.bounds, tuple(summed)), (what,))


class JobHistory:
    """The jobs that ended, and those that have begun and not ended yet.

    Events arrive in libvirt's event loop and looks in a collection's thread. Made once for the process: the
    counts outlive a reload.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._closed_at: dict[str, float] = {}
        self._arriving: set[str] = set()
        self._ended = Counter({(what, result): 0 for what in _COUNTED for result in RESULTS})
        self._blocks = Counter({(what, result): 0 for what in BLOCK_OPERATIONS for result in BLOCK_RESULTS})
        self._durations = _Observed(job.DURATIONS, _DURATIONS)
        self._durations.expect(*_REPORTED)
        self._downtimes = _Observed(job.DOWNTIMES, _DOWNTIMES)
        self._downtimes.expect(MIGRATION_OUT)

    def take(self, event: DomainEvent) -> None:
        """Take in an event; those that say nothing about jobs are ignored."""
        with self._lock:
            if event.event == "migration_iteration":
                begun = self._open.setdefault(event.uuid, _Open(UNKNOWN))
                begun.name, begun.iteration = event.name, int(event.job.get("memory_iteration", 0))
            elif event.event == "job_completed":
                self._completed(event)
            elif event.event == "block_job":
                self._blocks_add(event)
            else:
                self._lifecycle(event)

    def lose_events(self) -> None:
        """Note that events are lost: how a job has ended that runs no more is not known, and not counted.

        A job that still runs is met by the next look.
        """
        with self._lock:
            self._open.clear()
            self._arriving.clear()

    def begun(self) -> frozenset[str]:
        """Return the guests with a job that has begun, for all that is known here."""
        with self._lock:
            return frozenset(self._open)

    def saw(self, uuid: str, name: str, stats: Mapping[str, Any], asked_at: float) -> None:
        """Take in a guest's running job, as a look met it."""
        began_at = asked_at - seconds_from_ms(int(stats.get("time_elapsed", 0)))
        with self._lock:
            if began_at <= self._closed_at.get(uuid, -inf):
                return  # its end was reported already
            begun = self._open.setdefault(uuid, _Open(UNKNOWN))
            begun.operation, begun.name, begun.gone_at = operation(stats.get("operation")), name, None
            begun.iteration = int(stats.get("memory_iteration", begun.iteration))

    def saw_none(self, uuid: str, asked_at: float) -> None:
        """Take in that a look met no job of the guest."""
        with self._lock:
            self._closed_at.pop(uuid, None)
            begun = self._open.get(uuid)
            if begun is not None and begun.gone_at is None:
                begun.gone_at = asked_at

    def settle(self, guests: Collection[str]) -> None:
        """Count jobs that ended without a report; forget those of guests that are gone."""
        now = self._clock()
        with self._lock:
            for uuid, begun in list(self._open.items()):
                if uuid not in guests:
                    del self._open[uuid]
                elif begun.gone_at is not None and now - begun.gone_at >= GRACE_SECONDS:
                    self._unreported(uuid)
            self._closed_at = {
                uuid: at for uuid, at in self._closed_at.items() if now - at < REMEMBERED_SECONDS
            }

    def samples(self) -> Iterator[Sample]:
        """Yield the host's counters and histograms."""
        with self._lock:
            ended, blocks = dict(self._ended), dict(self._blocks)
            observed = [*self._durations.samples(), *self._downtimes.samples()]
        yield from (Sample(job.JOBS, count, labels) for labels, count in ended.items())
        yield from (Sample(job.BLOCK_JOBS, count, labels) for labels, count in blocks.items())
        yield from observed

    def _completed(self, event: DomainEvent) -> None:
        what = operation(event.job.get("operation"))
        succeeded = event.job.get("success", True)
        self._open.pop(event.uuid, None)
        self._closed_at[event.uuid] = self._clock()
        self._ended[what, COMPLETED if succeeded else FAILED] += 1
        if succeeded:
            self._durations.add(what, event.job.get("time_elapsed"))
            if what == MIGRATION_OUT:
                self._downtimes.add(what, event.job.get("downtime"))
        _log(event.name, event.uuid, what, COMPLETED if succeeded else FAILED, event.job)

    def _lifecycle(self, event: DomainEvent) -> None:
        uuid, kind, detail = event.uuid, event.event, event.detail
        if kind == "started":
            self._arriving.discard(uuid)
            if detail == "migrated":
                self._arriving.add(uuid)
        elif kind == "stopped":
            if uuid in self._arriving:
                self._end(uuid, event.name, MIGRATION_IN, FAILED)
            elif detail in {"migrated", "saved"}:
                self._open.pop(uuid, None)  # the event of its completion follows, or came before
            elif uuid in self._open:
                self._open[uuid].name = event.name
                self._unreported(uuid)
        elif uuid in self._arriving and (kind, detail) in {("resumed", "migrated"), ("suspended", "paused")}:
            self._end(uuid, event.name, MIGRATION_IN, COMPLETED)

    def _unreported(self, uuid: str) -> None:
        begun = self._open.pop(uuid)
        if begun.iteration or begun.operation in _REPORTED:
            self._ended[begun.operation, FAILED] += 1
            _log(begun.name, uuid, begun.operation, FAILED, {"memory_iteration": begun.iteration})

    def _end(self, uuid: str, name: str, what: str, result: str) -> None:
        self._arriving.discard(uuid)
        self._ended[what, result] += 1
        _log(name, uuid, what, result, {})

    def _blocks_add(self, event: DomainEvent) -> None:
        if event.detail in BLOCK_RESULTS:
            self._blocks[block_operation(event.job.get("type")), event.detail] += 1


def _log(name: str, uuid: str, what: str, result: str, stats: Mapping[str, Any]) -> None:
    """Log the end of a job. libvirt's error text is free text: it is here and in no label."""
    shown = {
        "duration_ms": stats.get("time_elapsed"),
        "downtime_ms": stats.get("downtime"),
        "iterations": stats.get("memory_iteration"),
        "error": stats.get("errmsg"),
    }
    context = {key: str(value) for key, value in shown.items() if value not in (None, 0, "")}
    level = logging.INFO if result == COMPLETED else logging.WARNING
    logger.log(
        level,
        "job %s of guest %r: %s",
        what,
        name,
        result,
        extra={"uuid": uuid, "operation": what, "result": result, **context},
    )
