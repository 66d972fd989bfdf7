"""Background jobs (migration, backup, dump): looked for now and then, and in each reading while there is one.

A guest that is new, or answers again, is looked at at once. libvirt has no bulk call for jobs and no event
when one begins. One call per guest and collection would cost as much as the states of all guests together.

A block job is looked for only on disks whose mirror the guest's XML names: a copy or an active commit.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import libvirt

from hostcollector.base.definition import Domain
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Guest, Metric, Sample
from hostcollector.base.units import seconds_from_ms
from hostcollector.catalogue import job
from hostcollector.protocols.libvirt.job_words import block_operation, operation
from hostcollector.protocols.libvirt.pool import Pool
from hostcollector.protocols.libvirt.visit import sweep
from hostcollector.protocols.libvirt.worker import (
    CONTROL_OCCUPIED,
    CONTROL_OK,
    BlockJob,
    JobStats,
    Look,
    Probe,
)
from hostcollector.sources.libvirt_monitor.job_history import MIGRATION_IN, JobHistory

LOOK_SECONDS = 10.0
BUSY = Probe(state=CONTROL_OCCUPIED, seconds=0.0)
"""The probe of a guest that a look has not reached."""

RUNNING = frozenset({libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED})

# By libvirt's names of virDomainGetJobStats.
_MILLISECONDS: tuple[tuple[Metric, str], ...] = (
    (job.ELAPSED, libvirt.VIR_DOMAIN_JOB_TIME_ELAPSED),
    (job.REMAINING, libvirt.VIR_DOMAIN_JOB_TIME_REMAINING),
    (job.DOWNTIME_EXPECTED, libvirt.VIR_DOMAIN_JOB_DOWNTIME),
    (job.SETUP, libvirt.VIR_DOMAIN_JOB_SETUP_TIME),
)
_AS_IT_IS: tuple[tuple[Metric, str], ...] = (
    (job.MEMORY_TOTAL, libvirt.VIR_DOMAIN_JOB_MEMORY_TOTAL),
    (job.MEMORY_PROCESSED, libvirt.VIR_DOMAIN_JOB_MEMORY_PROCESSED),
    (job.MEMORY_REMAINING, libvirt.VIR_DOMAIN_JOB_MEMORY_REMAINING),
    (job.FILE_TOTAL, libvirt.VIR_DOMAIN_JOB_DISK_TOTAL),
    (job.FILE_PROCESSED, libvirt.VIR_DOMAIN_JOB_DISK_PROCESSED),
    (job.FILE_REMAINING, libvirt.VIR_DOMAIN_JOB_DISK_REMAINING),
    (job.MEMORY_RATE, libvirt.VIR_DOMAIN_JOB_MEMORY_BPS),
    (job.DISK_RATE, libvirt.VIR_DOMAIN_JOB_DISK_BPS),
    (job.ITERATION, libvirt.VIR_DOMAIN_JOB_MEMORY_ITERATION),
    (job.POSTCOPY_REQUESTS, libvirt.VIR_DOMAIN_JOB_MEMORY_POSTCOPY_REQS),
)
# All data; where libvirt does not sum it up, it is the memory and the disk data together.
_SUMS: tuple[tuple[Metric, str], ...] = (
    (job.DATA_TOTAL, "total"),
    (job.DATA_PROCESSED, "processed"),
    (job.DATA_REMAINING, "remaining"),
)


class _Known(NamedTuple):
    """The answers of a look: the job, the migration by which the guest came, its block jobs, and when."""

    job: JobStats
    arrival: JobStats | None
    block_jobs: Mapping[str, BlockJob]
    asked_at: float


class Jobs:
    """The jobs as of the last look. A guest that was not looked at, or did not answer, has none."""

    def __init__(self, pool: Pool, history: JobHistory, clock: Clock) -> None:
        self._pool = pool
        self._history = history
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._arrivals: dict[str, tuple[int, JobStats | None]] = {}
        self._ended: dict[str, tuple[Domain, frozenset[str]]] = {}
        self.unasked = 0
        """How many guests of the last reading neither its look nor an earlier one has reached."""

    def read(
        self, answering: Sequence[str], guests: Mapping[str, Guest], deadline: float
    ) -> Iterator[Sample]:
        """Yield the job samples of the guests that have just answered their monitor, and of the host."""
        self._forget(guests)
        fresh = self._look(guests, answering, deadline)
        self._history.settle(guests)
        for uuid, seen in self._known.items():
            yield from _job(uuid, seen.job)
        for uuid, seen in fresh.items():
            yield from _block_jobs(uuid, seen.block_jobs)
        for uuid, (_, arrival) in self._arrivals.items():
            yield from _arrival(uuid, arrival)
        yield from self._history.samples()

    def _forget(self, guests: Mapping[str, Guest]) -> None:
        """Forget what is of guests that ended or began anew, and of definitions that changed."""
        self._arrivals = {
            uuid: arrival
            for uuid, arrival in self._arrivals.items()
            if uuid in guests and guests[uuid].domain.id == arrival[0]  # each start has another id
        }
        self._ended = {
            uuid: ended
            for uuid, ended in self._ended.items()
            if uuid in guests and guests[uuid].domain is ended[0]
        }

    def _look(
        self, guests: Mapping[str, Guest], answering: Sequence[str], deadline: float
    ) -> Mapping[str, _Known]:
        """Query the guests that may have news; return the answers, and keep them beside the recent ones."""
        now = self._clock()
        known = {uuid: self._known[uuid] for uuid in answering if uuid in self._known}
        begun = self._history.begun()
        looks = {
            uuid: Look(uuid not in self._arrivals, disks)
            for uuid in answering
            if (disks := self._mirrored(guests[uuid].domain))
            or uuid not in known
            or uuid in begun
            or _is_due(known[uuid], now)
        }
        found: Mapping[str, Probe | None] = (
            sweep(self._pool, list(looks), deadline, self._clock, jobs=looks, answers=True).probes
            if looks
            else {}
        )
        fresh = {
            uuid: _Known(probe.job, probe.arrival, probe.block_jobs, now)
            for uuid, probe in found.items()
            if probe and probe.job is not None
        }
        for uuid, seen in fresh.items():
            self._take(guests[uuid].domain, seen)
        self._known = {
            uuid: seen
            for uuid, seen in known.items()
            if _says_nothing(found.get(uuid, BUSY)) and _is_recent(seen, now)
        } | fresh
        self.unasked = sum(_says_nothing(found.get(uuid, BUSY)) and uuid not in self._known for uuid in looks)
        return fresh

    def _mirrored(self, domain: Domain) -> Sequence[str]:
        """Return the disks to ask for a block job: those with a mirror, but for those whose job has ended."""
        _, ended = self._ended.get(domain.uuid, (domain, frozenset()))
        return [disk.target for disk in domain.disks if disk.mirror and disk.target not in ended]

    def _take(self, domain: Domain, seen: _Known) -> None:
        """Take in the answers of a look."""
        uuid = domain.uuid
        if _is_active(seen.job):
            self._history.saw(uuid, domain.name, seen.job, seen.asked_at)
        else:
            self._history.saw_none(uuid, seen.asked_at)
        self._arrivals.setdefault(uuid, (domain.id, seen.arrival))
        if ended := {disk for disk, answer in seen.block_jobs.items() if not answer}:
            _, before = self._ended.get(uuid, (domain, frozenset()))
            self._ended[uuid] = (domain, before | ended)


def _says_nothing(probe: Probe | None) -> bool:
    """Whether a look did not reach the guest, or met it in the middle of a command."""
    return probe is not None and probe.state != CONTROL_OK


def _is_due(seen: _Known, now: float) -> bool:
    return _is_active(seen.job) or now - seen.asked_at >= LOOK_SECONDS


def _is_recent(seen: _Known, now: float) -> bool:
    return not _is_active(seen.job) and now - seen.asked_at < 2 * LOOK_SECONDS


def _is_active(stats: JobStats) -> bool:
    return stats.get("type", libvirt.VIR_DOMAIN_JOB_NONE) in RUNNING


def _job(uuid: str, stats: JobStats) -> Iterator[Sample]:
    yield Sample(job.TYPE, stats.get("type", libvirt.VIR_DOMAIN_JOB_NONE), (), uuid)
    if not _is_active(stats):
        return
    yield Sample(job.OPERATION, 1.0, (operation(stats.get(libvirt.VIR_DOMAIN_JOB_OPERATION)),), uuid)
    for metric, key in _MILLISECONDS:
        if key in stats:
            yield Sample(metric, seconds_from_ms(stats[key]), (), uuid)
    for metric, key in _AS_IT_IS:
        if key in stats:
            yield Sample(metric, stats[key], (), uuid)
    for metric, part in _SUMS:
        parts = [stats[key] for key in (f"memory_{part}", f"disk_{part}") if key in stats]
        if f"data_{part}" in stats or parts:
            yield Sample(metric, stats.get(f"data_{part}", sum(parts)), (), uuid)
    throttle = stats.get(libvirt.VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE)
    if throttle is not None:
        yield Sample(job.THROTTLE, throttle / 100, (), uuid)
    yield from _memory(uuid, stats)


def _memory(uuid: str, stats: JobStats) -> Iterator[Sample]:
    """Yield how fast the guest changes its memory, and what was moved of it by kind."""
    page: int | None = stats.get(libvirt.VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE)
    rate: int | None = stats.get(libvirt.VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE)
    constant: int | None = stats.get(libvirt.VIR_DOMAIN_JOB_MEMORY_CONSTANT)
    # QEMU measures the rate from one iteration to the next, and says 0 before.
    if page and rate is not None and stats.get(libvirt.VIR_DOMAIN_JOB_MEMORY_ITERATION, 0) > 1:
        yield Sample(job.DIRTY_RATE, rate * page, (), uuid)
    kinds = {
        "normal": stats.get(libvirt.VIR_DOMAIN_JOB_MEMORY_NORMAL_BYTES),
        "constant": constant * page if page and constant is not None else None,
        "compressed": stats.get(libvirt.VIR_DOMAIN_JOB_COMPRESSION_BYTES),
    }
    for kind, value in kinds.items():
        if value is not None:
            yield Sample(job.MEMORY_BYTES, value, (kind,), uuid)


def _arrival(uuid: str, stats: JobStats | None) -> Iterator[Sample]:
    if stats and operation(stats.get(libvirt.VIR_DOMAIN_JOB_OPERATION)) == MIGRATION_IN:
        for metric, key in (
            (job.LAST_DOWNTIME, libvirt.VIR_DOMAIN_JOB_DOWNTIME),
            (job.LAST_DURATION, libvirt.VIR_DOMAIN_JOB_TIME_ELAPSED),
        ):
            if key in stats:
                yield Sample(metric, seconds_from_ms(stats[key]), (), uuid)


def _block_jobs(uuid: str, jobs: Mapping[str, Any]) -> Iterator[Sample]:
    for disk, answer in jobs.items():
        end, current = answer.get("end", 0), answer.get("cur", 0)
        if 0 <= current <= end:
            labels = (disk, block_operation(answer.get("type")))
            yield Sample(job.BLOCK_REMAINING, end - current, labels, uuid)
            if end:
                yield Sample(job.BLOCK_PROGRESS, current / end, labels, uuid)
