"""Background jobs (migration, backup, dump): looked for now and then, followed closely while there is one.

A guest that is new, or answers again, is asked at once.

libvirt has no bulk call for them, no event when one begins, and one question per guest in every collection
would cost as much as the states of all guests together.
"""

from collections.abc import Iterator, Sequence

import libvirt

from hostcollector.catalogue import guest
from hostcollector.lanes import Clock
from hostcollector.model import Metric, Sample
from hostcollector.sources.libvirt_monitor.pool import Pool
from hostcollector.sources.libvirt_monitor.sweep import sweep
from hostcollector.units import seconds_from_ms

LOOK_SECONDS = 10.0

# Positions in virDomainJobInfo.
_SECONDS = ((guest.JOB_ELAPSED, 1), (guest.JOB_REMAINING, 2))
_BYTES: tuple[tuple[Metric, int], ...] = (
    (guest.JOB_DATA_TOTAL, 3),
    (guest.JOB_DATA_PROCESSED, 4),
    (guest.JOB_DATA_REMAINING, 5),
    (guest.JOB_MEMORY_TOTAL, 6),
    (guest.JOB_MEMORY_PROCESSED, 7),
    (guest.JOB_MEMORY_REMAINING, 8),
    (guest.JOB_FILE_TOTAL, 9),
    (guest.JOB_FILE_PROCESSED, 10),
    (guest.JOB_FILE_REMAINING, 11),
)


class Jobs:
    """The jobs as of the last look. A guest that was not asked yet, or did not answer, has none to show."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._look_at = 0.0
        self._known: dict[str, Sequence[int]] = {}

    def read(self, answering: Sequence[str], deadline: float) -> Iterator[Sample]:
        """Yield the job samples of the guests that have just answered their monitor."""
        due = self._clock() >= self._look_at
        if due:
            self._look_at = self._clock() + LOOK_SECONDS
        before = self._known
        wanted = [uuid for uuid in answering if due or uuid not in before or _is_active(before[uuid])]
        found = (
            sweep(self._pool, wanted, deadline, self._clock, jobs=True, answers=True).probes if wanted else {}
        )
        kept = (
            {} if due else {uuid: before[uuid] for uuid in answering if uuid in before and uuid not in wanted}
        )
        fresh = {uuid: probe.job for uuid, probe in found.items() if probe and probe.job is not None}
        self._known = kept | fresh
        for uuid, job in self._known.items():
            yield from _samples(uuid, job)


def _is_active(job: Sequence[int]) -> bool:
    return bool(job[0] != libvirt.VIR_DOMAIN_JOB_NONE)


def _samples(uuid: str, job: Sequence[int]) -> Iterator[Sample]:
    yield Sample(guest.JOB_TYPE, job[0], (), uuid)
    if not _is_active(job):
        return
    for metric, position in _SECONDS:
        yield Sample(metric, seconds_from_ms(job[position]), (), uuid)
    for metric, position in _BYTES:
        yield Sample(metric, job[position], (), uuid)
