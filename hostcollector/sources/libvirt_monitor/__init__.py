"""The `libvirt_monitor` source: statistics that only the QEMU monitors have, also while some of them hang.

A call that meets a QEMU which does not answer never returns, and costs libvirtd a worker. (NOWAIT only skips
a monitor that another call already holds.) So a reading has two rounds:

- The first reads the guests that answered last time and whose QEMU runs, in a few parallel calls. A call that
  gets stuck is left alone, and the rest of its guests is read by another call.
- The second looks at all other guests without their monitors: in /proc, and by libvirt's control state. It
  reads those that are neither halted nor occupied.
"""

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial

import libvirt

from hostcollector.base.errors import SourceDeniedError, SourceUnavailableError
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock, Lane
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.stopwatch import Stage, unmeasured
from hostcollector.base.wording import counted
from hostcollector.catalogue import collection
from hostcollector.guests.halts import BETWEEN_LOOKS_SECONDS, Halts
from hostcollector.guests.processes import QemuProcess, QemuProcesses
from hostcollector.protocols.kernel.files import KeptFiles
from hostcollector.protocols.libvirt.bulk import BulkRead, Shard
from hostcollector.protocols.libvirt.pool import Pool
from hostcollector.protocols.libvirt.visit import Sweep, sweep
from hostcollector.protocols.libvirt.worker import CONTROL_OCCUPIED, FREE, Records
from hostcollector.sources.libvirt_monitor.balloons import Balloons
from hostcollector.sources.libvirt_monitor.decode import Decoder, has_answered, is_partial, promises_counters
from hostcollector.sources.libvirt_monitor.job_history import JobHistory
from hostcollector.sources.libvirt_monitor.jobs import Jobs

# A call visits its guests one after the other. Small calls, each made by a worker that is free, spread slow
# guests over all workers.
GUESTS_PER_CALL = 8
LEAST_WIDTH, GREATEST_WIDTH = 4, 8
# The part of the budget that is kept for decoding after the calls.
MARGIN_SECONDS = 0.2

# Pauses before the attempts of the second round; later ones repeat guests that another call was reading.
SECOND_ROUND_SECONDS = (0.0, 0.05, 0.1)

# In this time the main thread of a QEMU that works wakes: that of an idle guest does 20 times a second.
WAKING_SECONDS = 0.3

# For finding the guests' QEMU processes in /proc, which takes milliseconds.
FINDING_SECONDS = 0.5

_BALLOON = libvirt.VIR_DOMAIN_STATS_BALLOON
_KVM_GROUPS = libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL

HALTED = "its QEMU is stopped or waits for a device in the kernel (state T or D of the main thread)"
HANGS = (
    "QEMU does not answer its monitor, or libvirt keeps the guest locked: look at the process (state D or T?)"
)
LATE = "no answer in time: libvirt, or one of these QEMUs, is slow"
NOT_ASKED = "it was not asked: calls wait for other guests, and libvirt has no workers to spare for more"


@dataclass(slots=True)
class Memory:
    """What is remembered of the guests' monitors between readings and over reloads.

    `pool` are the workers for monitors, `halts` the halted QEMUs, `jobs` the jobs that ended, `answered` the
    guests that answered last time. Made once for the process: stuck calls outlive a reload.
    """

    pool: Pool
    halts: Halts
    jobs: JobHistory
    answered: AbstractSet[str] = field(default_factory=frozenset)


@dataclass(slots=True)
class _Round:
    """The results of a reading so far: records, the sweep's probes, guests of `late` calls, halted QEMUs."""

    request: Request
    processes: Mapping[str, QemuProcess]
    deadline: float
    open: Sequence[str]
    """The guests without a whole record."""
    records: Records = field(default_factory=dict)
    seen: Sweep = field(default_factory=Sweep)
    late: set[str] = field(default_factory=set)
    halted: Mapping[str, float] = field(default_factory=dict)

    def hangs(self, uuid: str) -> bool:
        """Whether the guest is known not to answer, rather than only not asked."""
        return uuid in self.halted or self.seen.blocked(uuid)


class LibvirtMonitor(Source):
    """Reads block and balloon statistics. `kvm_extras` adds halt polling: three more round trips a guest.

    `memory` is kept over reloads.
    """

    name = "libvirt_monitor"

    def __init__(
        self,
        memory: Memory,
        processes: QemuProcesses,
        *,
        kvm_extras: bool = False,
        width: int = min(max(LEAST_WIDTH, os.cpu_count() or 1), GREATEST_WIDTH),
        clock: Clock = time.monotonic,
        stage: Stage = unmeasured,
    ) -> None:
        self._width = width
        self._memory = memory
        self._pool = memory.pool
        self._pool.kept = width + 1
        self._processes = processes
        self._lane = Lane("libvirt_monitor-processes", clock)
        self._files = KeptFiles()
        self._found: Mapping[str, QemuProcess] = {}
        self._groups = libvirt.VIR_DOMAIN_STATS_BLOCK | (_KVM_GROUPS if kvm_extras else 0)
        self._clock = clock
        self._stage = stage
        self._decoder = Decoder()
        self._balloons = Balloons(clock)
        self._jobs = Jobs(self._pool, memory.jobs, clock)

    def read(self, request: Request) -> Reading:
        """Return the series of the guests that answer. Raises `SourceUnavailableError` without libvirt."""
        self._pool.tidy(request.guests)
        deadline = request.deadline - MARGIN_SECONDS
        reading = _Round(request, self._find(request), deadline, list(request.guests))
        looked_at = self._clock()
        self._files.begin()
        halted = self._memory.halts.look(reading.processes, request.guests, self._files.read)
        with self._stage("libvirt_monitor: shards"):
            self._ask_trusted(reading, halted)
        self._pool.budget.foreign = 0
        if reading.open:
            with self._stage("libvirt_monitor: sweep"):
                self._look_at_others(reading, halted, looked_at)
                self._memory.halts.take_pulses(reading.processes, reading.open)
                self._ask_others(reading)
                self._ask_living(reading)
        else:
            self._memory.halts.remember({}, ())
        self._memory.answered = request.guests.keys() - reading.open
        self._memory.halts.take_pulses(reading.processes, reading.open)
        with self._stage("libvirt_monitor: decode"):
            samples = list(self._samples(reading))
        with self._stage("libvirt_monitor: jobs"):
            answered = [uuid for uuid in request.guests if uuid in self._memory.answered]
            samples.extend(self._jobs.read(answered, request.guests, deadline))
        gaps = self._gaps(reading)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def close(self) -> None:
        """End the lane and close the files; the workers stay for the source's successor."""
        self._lane.close()
        self._files.close()

    def _find(self, request: Request) -> Mapping[str, QemuProcess]:
        """Return the guests' processes. The state of a QEMU that is not found is known to libvirt only.

        In a lane of its own: reading the command line of a process that hangs may hang too.
        """

        def find() -> Mapping[str, QemuProcess]:
            return self._processes.find(request.guests, request.taken_at).processes

        self._found = self._lane.attempt(find, self._found, seconds=FINDING_SECONDS)
        return self._found

    def _ask_trusted(self, reading: _Round, halted: Collection[str]) -> None:
        """Read the guests that answered last time, for which no call is stuck, and whose QEMUs run.

        Also those that the last reading left out and whose QEMUs have woken since.
        """
        doubted = self._pool.suspects | self._pool.budget.locked
        answered = self._memory.answered - doubted
        guests = reading.request.guests
        alive = self._memory.halts.alive(reading.processes, guests.keys() - answered)
        trusted = [uuid for uuid in guests if uuid in answered | alive and uuid not in halted]
        due = self._balloons.due(reading.request.guests)
        # The long calls first.
        with_balloon = [uuid for uuid in trusted if uuid in due]
        without = [uuid for uuid in trusted if uuid not in due]
        shards = (*_cut(with_balloon, self._groups | _BALLOON), *_cut(without, self._groups))
        self._ask(reading, shards)

    def _look_at_others(self, reading: _Round, halted: AbstractSet[str], looked_at: float) -> None:
        """Find out which guests of the second round must not be asked."""
        self._sweep(reading, reading.open)
        halts, processes = self._memory.halts, reading.processes
        suspects = halts.look(processes, reading.open)
        if not suspects <= halted:
            looked_at = self._clock()
        if not halts.remembers(processes, suspects):
            time.sleep(max(0.0, looked_at + BETWEEN_LOOKS_SECONDS - self._clock()))
        reading.halted = halts.remember(processes, halts.look(processes, suspects))

    def _sweep(self, reading: _Round, uuids: Sequence[str]) -> None:
        answers = bool(reading.records)
        found = sweep(self._pool, uuids, reading.deadline, self._clock, answers=answers)
        reading.seen.probes |= found.probes
        reading.seen.locked |= found.locked
        occupied = {uuid for uuid in reading.seen.probes if reading.seen.blocked(uuid)}
        self._pool.budget.foreign = len(occupied - self._pool.suspects)

    def _ask_others(self, reading: _Round) -> None:
        """Read those that may be read, and again those that NOWAIT skipped.

        Another call was reading a skipped guest at that moment. Often it is the collector's own call of an
        earlier reading: once the guest where it was stuck answers, it goes through the rest of its guests.
        """
        asked: set[str] = set()
        for pause in SECOND_ROUND_SECONDS:
            wanted = [
                uuid
                for uuid in reading.open
                if reading.seen.probes.get(uuid) is not None
                and not reading.hangs(uuid)
                and (uuid not in asked or uuid in reading.records)
            ]
            if not wanted:
                break
            time.sleep(pause)
            asked.update(wanted)
            try:
                self._ask(reading, list(_cut(wanted, self._groups | _BALLOON, self._pool.budget.spared)))
            except (SourceUnavailableError, SourceDeniedError):
                if not reading.records:
                    raise
                break  # the answers of the others are kept
        if silent := [uuid for uuid in reading.open if uuid in asked and uuid not in reading.records]:
            self._sweep(reading, silent)

    def _ask_living(self, reading: _Round) -> None:
        """Read those for which no call was risked, if their QEMUs have woken meanwhile."""
        unasked = [uuid for uuid in reading.open if uuid not in reading.records and not reading.hangs(uuid)]
        if not self._memory.answered.isdisjoint(unasked):
            time.sleep(WAKING_SECONDS)
        alive = self._memory.halts.alive(reading.processes, unasked)
        wanted = [uuid for uuid in unasked if uuid in alive]
        try:
            self._ask(reading, list(_cut(wanted, self._groups | _BALLOON)))
        except (SourceUnavailableError, SourceDeniedError):
            if not reading.records:
                raise

    def _ask(self, reading: _Round, shards: Sequence[Shard]) -> None:
        """Read the shards. Each record gets its balloon fields: those just read, or the kept ones."""
        halted = partial(self._memory.halts.look, reading.processes)
        bulk = BulkRead(
            self._pool, self._width, reading.deadline, self._clock, whole=has_answered, halted=halted
        )
        guests, taken_at = reading.request.guests, reading.request.taken_at
        whole = set()
        for uuid, record in bulk.run(shards).items():
            reading.records[uuid] = self._balloons.completed(guests[uuid], record, taken_at)
            if not is_partial(reading.records[uuid], guests[uuid]):
                whole.add(uuid)
        reading.open = [uuid for uuid in reading.open if uuid not in whole]
        reading.late |= bulk.late

    def _samples(self, reading: _Round) -> Iterator[Sample]:
        still_open = set(reading.open)
        for uuid in reading.request.guests:
            record = reading.records.get(uuid)
            if record is not None:
                yield from self._decoder.decode(uuid, record, reading.request.taken_at)
            yield from _condition(reading, uuid, whole=uuid not in still_open)
        yield Sample(collection.UNKNOWN_FIELDS, len(self._decoder.unknown_fields))

    def _gaps(self, reading: _Round) -> Gaps:
        gaps = Gaps()
        for uuid, guest in reading.request.guests.items():
            name = f"guest {guest.domain.name!r}"
            if uuid not in reading.records and not reading.seen.gone(uuid):
                gaps.unread(name, _why(reading, uuid))
            if not promises_counters(guest):
                gaps.fact(f"{name} has no disk that QEMU counts for: their data passes QEMU by")
        if unasked := self._jobs.unasked:
            gaps.note(f"{counted(unasked, 'guest')} could not be asked for a job: libvirt is slow")
        if stuck := self._pool.stuck_calls:
            gaps.fact(f"{stuck} calls to libvirt have not returned; they end when their guests answer")
        return gaps


def _why(reading: _Round, uuid: str) -> str:
    """Return why the guest has no record. Only a guest that is known to hang is blamed."""
    if uuid in reading.halted:
        return HALTED
    if reading.seen.blocked(uuid):
        return HANGS
    return LATE if uuid in reading.late else NOT_ASKED


def _condition(reading: _Round, uuid: str, *, whole: bool) -> Iterator[Sample]:
    """Yield whether the guest's monitor answered, and the monitor's state as far as known."""
    silent = uuid not in reading.records
    if not (silent and reading.seen.gone(uuid)):
        timed_out = silent and (reading.hangs(uuid) or uuid in reading.late)
        yield Sample(collection.TIMED_OUT, float(timed_out), (), uuid)
        yield Sample(collection.STATS_PARTIAL, float(not whole), (), uuid)
    # A guest that has just answered has a free monitor. Only the others were probed.
    probe = FREE if whole else reading.seen.probes.get(uuid)
    if probe is not None:
        yield Sample(collection.MONITOR_STATE, probe.state, (), uuid)
    blocked = [] if probe is None else [probe.seconds if probe.state == CONTROL_OCCUPIED else 0.0]
    if not whole and uuid in reading.halted:
        blocked.append(reading.halted[uuid])
    if blocked:
        yield Sample(collection.MONITOR_BLOCKED, max(blocked), (), uuid)


def _cut(uuids: Sequence[str], groups: int, spare: int = 0) -> Iterator[Shard]:
    count = -(-len(uuids) // GUESTS_PER_CALL)
    for start in range(count):
        yield Shard(uuids[start::count], groups, spare)
