"""The `libvirt_monitor` source: what only the guests' QEMU monitors know, around those that hang.

Every call may meet a QEMU that does not answer and then never returns (NOWAIT only steps over a monitor that
somebody else already holds). So guests for which a call is stuck are left out, the others are read in a few
parallel calls, a call that gets stuck is left alone while the rest is asked for again, and guests without an
answer are probed for how long their monitor has been blocked.
"""

import os
import time
from collections.abc import Iterator, Sequence

import libvirt

from hostcollector.catalogue import collection
from hostcollector.errors import SourceDeniedError, SourceUnavailableError
from hostcollector.lanes import Clock
from hostcollector.libvirt_calls.bulk import BulkRead, Shard
from hostcollector.libvirt_calls.pool import Pool
from hostcollector.libvirt_calls.sweep import Sweep, sweep
from hostcollector.libvirt_calls.worker import CONTROL_OCCUPIED, FREE, Records
from hostcollector.libvirt_link import Link
from hostcollector.model import Sample
from hostcollector.sources.base import Reading, Request, Source
from hostcollector.sources.libvirt_monitor.balloons import Balloons
from hostcollector.sources.libvirt_monitor.decode import Decoder, has_answered, is_partial
from hostcollector.sources.libvirt_monitor.jobs import Jobs
from hostcollector.stopwatch import Stage, unmeasured
from hostcollector.wording import counted

# A call visits its guests one after the other. Small calls, each made by whichever worker is free, share the
# work out by how long the guests really take.
GUESTS_PER_CALL = 8
LEAST_WIDTH, GREATEST_WIDTH = 4, 8
# What is left of the budget for decoding once the calls are over.
MARGIN_SECONDS = 0.2

# Pauses before a guest is asked again that somebody else was asking.
AGAIN_AFTER_SECONDS = (0.0, 0.05, 0.1)

_BALLOON = libvirt.VIR_DOMAIN_STATS_BALLOON
_KVM_GROUPS = libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL


class LibvirtMonitor(Source):
    """Reads block and balloon statistics. `kvm_extras` adds halt polling: three more round trips a guest."""

    name = "libvirt_monitor"

    def __init__(
        self,
        link: Link,
        *,
        kvm_extras: bool = False,
        width: int = min(max(LEAST_WIDTH, os.cpu_count() or 1), GREATEST_WIDTH),
        clock: Clock = time.monotonic,
        stage: Stage = unmeasured,
    ) -> None:
        self._width = width
        self._pool = Pool(link, name=self.name, kept=width + 1, clock=clock, stage=stage)
        self._groups = libvirt.VIR_DOMAIN_STATS_BLOCK | (_KVM_GROUPS if kvm_extras else 0)
        self._clock = clock
        self._stage = stage
        self._decoder = Decoder()
        self._balloons = Balloons(clock)
        self._jobs = Jobs(self._pool, clock)

    def read(self, request: Request) -> Reading:
        """Return what the monitors that answer say. Raises `SourceUnavailableError` when libvirt is away."""
        deadline = request.deadline - MARGIN_SECONDS
        self._pool.tidy(request.guests)
        suspects = self._pool.suspects
        free = [uuid for uuid in request.guests if uuid not in suspects]
        with self._stage("libvirt_monitor: shards"):
            records = self._ask(request, self._shards(request, free), deadline)
        others = [uuid for uuid in request.guests if uuid not in records or is_partial(records[uuid])]
        with self._stage("libvirt_monitor: sweep"):
            answers = bool(records)
            seen = sweep(self._pool, others, deadline, self._clock, answers=answers) if others else Sweep()
        stepped_over = [uuid for uuid in others if uuid in records and seen.passing(uuid)]
        records |= self._ask_again(request, stepped_over, deadline)
        answering = [uuid for uuid, record in records.items() if not is_partial(record)]
        with self._stage("libvirt_monitor: decode"):
            samples = list(self._samples(request, records, seen))
        with self._stage("libvirt_monitor: jobs"):
            samples.extend(self._jobs.read(answering, deadline))
        missing = [
            request.guests[uuid].domain.name for uuid in others if uuid not in records and not seen.gone(uuid)
        ]
        notes = tuple(_notes(missing, self._pool, self._jobs.unasked))
        return Reading(samples=samples, notes=notes, partial=bool(missing or self._jobs.unasked))

    def close(self) -> None:
        """Close the idle connections; a stuck call ends with the process or when its guest answers."""
        self._pool.close()

    def _shards(self, request: Request, free: Sequence[str]) -> list[Shard]:
        """Return the calls to make, the long ones first: those that ask for balloons too."""
        due = self._balloons.due(request.guests)
        with_balloon = [uuid for uuid in free if uuid in due]
        without = [uuid for uuid in free if uuid not in due]
        return [*_cut(with_balloon, self._groups | _BALLOON), *_cut(without, self._groups)]

    def _ask(self, request: Request, shards: Sequence[Shard], deadline: float) -> Records:
        """Return the guests' records, each with its balloon: asked for, or known to be the same."""
        answers = BulkRead(self._pool, self._width, deadline, self._clock, whole=has_answered).run(shards)
        return {
            uuid: self._balloons.completed(request.guests[uuid], record, request.taken_at)
            for uuid, record in answers.items()
        }

    def _ask_again(self, request: Request, stepped_over: Sequence[str], deadline: float) -> Records:
        """Return what guests say that NOWAIT stepped over although their monitors are as good as free.

        Somebody else asked them in that very moment: often it was our own call of an earlier collection,
        which goes through the rest of its guests once the one that it was stuck at answers.
        """
        answers: Records = {}
        for pause in AGAIN_AFTER_SECONDS:
            if missing := [uuid for uuid in stepped_over if uuid not in answers]:
                time.sleep(pause)
                try:
                    again = self._ask(request, [Shard(missing, self._groups | _BALLOON)], deadline)
                except (SourceUnavailableError, SourceDeniedError):
                    break  # what the others said stands
                answers |= {uuid: record for uuid, record in again.items() if not is_partial(record)}
        return answers

    def _samples(self, request: Request, records: Records, seen: Sweep) -> Iterator[Sample]:
        for uuid in request.guests:
            record = records.get(uuid)
            if record is not None:
                yield from self._decoder.decode(uuid, record, request.taken_at)
            partial = record is None or is_partial(record)
            if record is not None or not seen.gone(uuid):
                yield Sample(collection.TIMED_OUT, float(record is None), (), uuid)
                yield Sample(collection.STATS_PARTIAL, float(partial), (), uuid)
            # Who has just answered has a free monitor; only the others were asked.
            probe = seen.probes.get(uuid) if partial else FREE
            if probe is not None:
                blocked = probe.seconds if probe.state == CONTROL_OCCUPIED else 0.0
                yield Sample(collection.MONITOR_STATE, probe.state, (), uuid)
                yield Sample(collection.MONITOR_BLOCKED, blocked, (), uuid)
        yield Sample(collection.LIBVIRT_STUCK_CALLS, self._pool.stuck_calls)
        yield Sample(collection.UNKNOWN_FIELDS, len(self._decoder.unknown_fields))


def _cut(uuids: Sequence[str], groups: int) -> Iterator[Shard]:
    count = -(-len(uuids) // GUESTS_PER_CALL)
    for start in range(count):
        yield Shard(uuids[start::count], groups)


def _notes(missing: Sequence[str], pool: Pool, unasked: int) -> Iterator[str]:
    if missing:
        names = ", ".join(repr(name) for name in missing[:10]) + (" ..." if len(missing) > 10 else "")
        yield f"no answer from the monitor of {names}: look at these guests' QEMU processes (state D or T?)"
    if unasked:
        yield f"{counted(unasked, 'guest')} could not be asked for a job: libvirt is slow"
    if pool.stuck_calls:
        yield f"{pool.stuck_calls} calls to libvirt have not returned; they end when their guests answer"
