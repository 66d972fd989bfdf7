"""The `libvirt_state` source, libvirt's free lane: what the daemon knows without asking any QEMU.

One bulk call for the state of all guests (and perf events where a definition switches them on). It needs no
monitor, so a hung guest cannot hold it up. A guest whose very lock libvirt holds can, when it is being
started or ended on a busy or sick host: then the others are asked for around it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait

import libvirt

from hostcollector.base.errors import LaneBusyError, SourceTimeoutError
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import host
from hostcollector.protocols.libvirt.visit import SILENT, is_alive, visit
from hostcollector.protocols.libvirt.worker import Everything, Progress, Record, Worker
from hostcollector.protocols.libvirt.workers import Workers
from hostcollector.sources.libvirt_state.states import samples_of, state_of

_GROUPS = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_PERF
# The call takes milliseconds. One that takes this long waits for something.
PATIENCE_SECONDS = 2.0
# What is left of the budget once the calls are over.
MARGIN_SECONDS = 0.2

ALL_HELD_UP = "libvirt keeps so many guests locked that no call is left: are they being started or ended?"


class LibvirtState(Source):
    """Reads all guests' states in one call. `stranger` is told of guests that the inventory does not know.

    `workers` are kept over reloads: a call that is stuck goes on to be the only one of its kind.
    """

    name = "libvirt_state"

    def __init__(
        self,
        workers: Workers,
        stranger: Callable[[str], None] = lambda _uuid: None,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self._worker = workers.everything
        self._pool = workers.states
        self._stranger = stranger
        self._clock = clock

    def read(self, request: Request) -> Reading:
        """Return state, reason and counts; of guests without an answer neither, and then no counts at all.

        Raises `SourceUnavailableError` when libvirt is away, `SourceTimeoutError` when it does not answer.
        """
        self._pool.tidy(request.guests)
        deadline = request.deadline - MARGIN_SECONDS
        answer = self._ask_for_everything()
        if answer is None:
            return self._around(request, deadline)
        if not _comes(answer, PATIENCE_SECONDS):
            try:
                reading = self._around(request, deadline)
            except SourceTimeoutError:
                if not _comes(answer, deadline - self._clock()):
                    raise
            else:
                if not answer.done():
                    return reading
        return self._whole(request, answer.result())

    def _ask_for_everything(self) -> Future[Everything] | None:
        """Make the one call for all; None while that of an earlier collection is under way."""
        if self._worker.lane.busy:
            return None
        self._worker.tidy()
        try:
            return self._worker.submit_everything(_GROUPS)
        except LaneBusyError:
            return None  # another collector was quicker, in the middle of a reload

    def _around(self, request: Request, deadline: float) -> Reading:
        """Ask guest by guest, those that have been there for long first."""

        def call(worker: Worker, uuids: Sequence[str], progress: Progress[Record]) -> Future[None]:
            return worker.submit_each(uuids, progress, _GROUPS)

        visited = visit(self._pool, list(request.guests), call, deadline, self._clock)
        if not visited.found and (visited.locked or not is_alive(self._pool, deadline, self._clock)):
            raise SourceTimeoutError(ALL_HELD_UP if visited.locked else SILENT)
        told = {uuid: record for uuid, record in visited.found.items() if record is not None}
        missing = [guest.domain.name for uuid, guest in request.guests.items() if uuid not in visited.found]
        samples = [sample for uuid, record in told.items() for sample in samples_of(uuid, record)]
        notes = tuple(_notes(missing))
        return Reading(samples=samples, notes=notes, partial=True, missing=len(missing))

    def _whole(self, request: Request, everything: Everything) -> Reading:
        samples: list[Sample] = []
        states: Counter[str] = Counter(shutoff=everything.inactive)
        for uuid, record in everything.records.items():
            states[state_of(record)[0]] += 1
            if uuid in request.guests:
                samples.extend(samples_of(uuid, record))
            else:
                # Just started, or its event was lost; it is on the next page.
                self._stranger(uuid)
        samples.append(Sample(host.DOMAINS, len(everything.records) + everything.inactive))
        samples.extend(Sample(host.DOMAINS_BY_STATE, count, (state,)) for state, count in states.items())
        return Reading(samples=samples)


def _comes(answer: Future[Everything], seconds: float) -> bool:
    """Wait for the answer or the error; says whether there is one."""
    wait([answer], timeout=max(0.0, seconds))
    return answer.done()


def _notes(missing: Sequence[str]) -> Iterator[str]:
    if missing:
        names = ", ".join(repr(name) for name in missing[:10]) + (" ..." if len(missing) > 10 else "")
        yield f"libvirt keeps {names} locked: is it being started or ended, and does its QEMU get on with it?"
    else:
        yield "libvirt does not tell of all guests at once: one that is not known yet holds it up"
