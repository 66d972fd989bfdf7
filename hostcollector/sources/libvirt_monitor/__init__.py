"""The `libvirt_monitor` source: what only the guests' QEMU monitors know, around those that hang.

Every call may meet a QEMU that does not answer and then never returns (NOWAIT only steps over a monitor that
somebody else already holds). So a sweep leaves out guests whose monitor is known to be stuck, the others are
read in a few parallel calls, and a call that gets stuck is left alone while the rest is asked for again.
"""

import os
import time
from collections.abc import Iterator, Sequence

import libvirt

from hostcollector.catalogue import collection, guest
from hostcollector.lanes import Clock
from hostcollector.libvirt_link import Link
from hostcollector.model import Metric, Sample
from hostcollector.sources.base import Reading, Request
from hostcollector.sources.libvirt_monitor.bulk import BulkRead
from hostcollector.sources.libvirt_monitor.decode import Decoder, is_partial
from hostcollector.sources.libvirt_monitor.pool import Pool
from hostcollector.sources.libvirt_monitor.sweep import Sweep, sweep
from hostcollector.sources.libvirt_monitor.worker import CONTROL_OCCUPIED, Probe, Records
from hostcollector.units import seconds_from_ms

GUESTS_PER_SHARD = 8
MOST_SHARDS = 4
# What is left of the budget for decoding once the calls are over.
MARGIN_SECONDS = 0.2

_USUAL_GROUPS = libvirt.VIR_DOMAIN_STATS_BALLOON | libvirt.VIR_DOMAIN_STATS_BLOCK
_KVM_GROUPS = libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL

_JOB_SECONDS = ((guest.JOB_ELAPSED, 1), (guest.JOB_REMAINING, 2))
_JOB_BYTES: tuple[tuple[Metric, int], ...] = (
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


class LibvirtMonitor:
    """Reads block and balloon statistics. `kvm_extras` adds halt polling: three more round trips a guest."""

    name = "libvirt_monitor"

    def __init__(self, link: Link, *, kvm_extras: bool = False, clock: Clock = time.monotonic) -> None:
        self._shards = min(MOST_SHARDS, 2 * (os.cpu_count() or 1))
        self._pool = Pool(link, kept=self._shards + 1, clock=clock)
        self._groups = _USUAL_GROUPS | (_KVM_GROUPS if kvm_extras else 0)
        self._clock = clock
        self._decoder = Decoder()

    def read(self, request: Request) -> Reading:
        """Return what the monitors that answer say. Raises `SourceUnavailableError` when libvirt is away."""
        deadline = request.deadline - MARGIN_SECONDS
        self._pool.tidy()
        uuids = list(request.guests)
        seen = sweep(self._pool, uuids, deadline, self._clock, jobs=True)
        suspects = self._pool.suspects
        healthy = [
            uuid
            for uuid in uuids
            if seen.probes.get(uuid) is not None and not seen.blocked(uuid) and uuid not in suspects
        ]
        count = min(self._shards, -(-len(healthy) // GUESTS_PER_SHARD))
        shards = [healthy[start::count] for start in range(count)]
        records = BulkRead(self._pool, self._groups, deadline, self._clock).run(shards)
        samples = list(self._samples(uuids, records, seen, request.taken_at))
        missing = [request.guests[uuid].domain.name for uuid in _missing(uuids, records, seen)]
        return Reading(samples=samples, notes=tuple(_notes(missing, self._pool)), partial=bool(missing))

    def close(self) -> None:
        """Close the idle connections; a stuck call ends with the process or when its guest answers."""
        self._pool.close()

    def _samples(
        self, uuids: Sequence[str], records: Records, seen: Sweep, taken_at: float
    ) -> Iterator[Sample]:
        missing = frozenset(_missing(uuids, records, seen))
        for uuid in uuids:
            probe = seen.probes.get(uuid)
            record = records.get(uuid)
            if record is not None:
                yield from self._decoder.decode(uuid, record, taken_at)
            if record is not None or uuid in missing:
                yield Sample(collection.TIMED_OUT, float(record is None), (), uuid)
                yield Sample(collection.STATS_PARTIAL, float(record is None or is_partial(record)), (), uuid)
            if probe is not None:
                yield from _health(uuid, probe)
        yield Sample(collection.LIBVIRT_STUCK_CALLS, self._pool.stuck_calls)
        yield Sample(collection.UNKNOWN_FIELDS, len(self._decoder.unknown_fields))


def _missing(uuids: Sequence[str], records: Records, seen: Sweep) -> list[str]:
    """Return the guests that are there but gave no record."""
    gone = {uuid for uuid, probe in seen.probes.items() if probe is None}
    return [uuid for uuid in uuids if uuid not in records and uuid not in gone]


def _notes(missing: Sequence[str], pool: Pool) -> Iterator[str]:
    if missing:
        names = ", ".join(repr(name) for name in missing[:10]) + (" ..." if len(missing) > 10 else "")
        yield f"no answer from the monitor of {names}: look at these guests' QEMU processes (state D or T?)"
    if pool.stuck_calls:
        yield f"{pool.stuck_calls} calls to libvirt have not returned; they end when their guests answer"


def _health(uuid: str, probe: Probe) -> Iterator[Sample]:
    blocked = probe.seconds if probe.state == CONTROL_OCCUPIED else 0.0
    yield Sample(collection.MONITOR_STATE, probe.state, (), uuid)
    yield Sample(collection.MONITOR_BLOCKED, blocked, (), uuid)
    if probe.job is not None:
        yield from _job(uuid, probe.job)


def _job(uuid: str, job: Sequence[int]) -> Iterator[Sample]:
    yield Sample(guest.JOB_TYPE, job[0], (), uuid)
    if job[0] == libvirt.VIR_DOMAIN_JOB_NONE:
        return
    for metric, position in _JOB_SECONDS:
        yield Sample(metric, seconds_from_ms(job[position]), (), uuid)
    for metric, position in _JOB_BYTES:
        yield Sample(metric, job[position], (), uuid)
