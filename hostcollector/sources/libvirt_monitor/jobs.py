"""Background jobs (migration, backup, dump): looked for now and then, and in each reading while there is one.

A guest that is new, or answers again, is looked at at once. libvirt has no bulk call for jobs and no event
when one begins. One call per guest and collection would cost as much as the states of all guests together.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import libvirt

from hostcollector.base.lanes import Clock
from hostcollector.base.model import Metric, Sample
from hostcollector.base.units import seconds_from_ms
from hostcollector.catalogue import guest
from hostcollector.protocols.libvirt.pool import Pool
from hostcollector.protocols.libvirt.visit import sweep
from hostcollector.protocols.libvirt.worker import CONTROL_OCCUPIED, CONTROL_OK, Probe

LOOK_SECONDS = 10.0
BUSY = Probe(state=CONTROL_OCCUPIED, seconds=0.0)
"""The probe of a guest that a look has not reached."""

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


class _Known(NamedTuple):
    job: Sequence[int]
    asked_at: float


class Jobs:
    """The jobs as of the last look. A guest that was not looked at, or did not answer, has none."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self.unasked = 0
        """How many guests of the last reading neither its look nor an earlier one has reached."""

    def read(self, answering: Sequence[str], deadline: float) -> Iterator[Sample]:
        """Yield the job samples of the guests that have just answered their monitor."""
        now = self._clock()
        known = {uuid: self._known[uuid] for uuid in answering if uuid in self._known}
        wanted = [uuid for uuid in answering if uuid not in known or _is_due(known[uuid], now)]
        found = (
            sweep(self._pool, wanted, deadline, self._clock, jobs=True, answers=True).probes if wanted else {}
        )
        fresh = {uuid: _Known(probe.job, now) for uuid, probe in found.items() if probe and probe.job}
        self._known = {
            uuid: seen
            for uuid, seen in known.items()
            if _says_nothing(found.get(uuid, BUSY)) and _is_recent(seen, now)
        } | fresh
        self.unasked = sum(
            _says_nothing(found.get(uuid, BUSY)) and uuid not in self._known for uuid in wanted
        )
        for uuid, seen in self._known.items():
            yield from _samples(uuid, seen.job)


def _says_nothing(probe: Probe | None) -> bool:
    """Whether a look did not reach the guest, or met it in the middle of a command."""
    return probe is not None and probe.state != CONTROL_OK


def _is_due(seen: _Known, now: float) -> bool:
    return _is_active(seen.job) or now - seen.asked_at >= LOOK_SECONDS


def _is_recent(seen: _Known, now: float) -> bool:
    return not _is_active(seen.job) and now - seen.asked_at < 2 * LOOK_SECONDS


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
