"""The `libvirt_state` source, libvirt's free lane: what libvirtd knows without a question to any QEMU.

One bulk call reads the state of all guests, and perf events where a definition switches them on. It needs no
monitor, so a hung guest cannot hold it up. A guest whose lock libvirt holds can, while it is started or ended
on a busy host: the other guests are then asked one by one.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any

import libvirt

from hostcollector.base.errors import LaneBusyError, SourceTimeoutError
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import cpu, guest, host
from hostcollector.protocols.libvirt.pool import Workers
from hostcollector.protocols.libvirt.visit import SILENT, is_alive, visit
from hostcollector.protocols.libvirt.worker import Everything, Progress, Record, Worker

STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
# The common exporters' texts for the same states; dashboards match on them.
DESCRIPTIONS = (
    "no state",
    "the domain is running",
    "the domain is blocked on resource",
    "the domain is paused by user",
    "the domain is being shut down",
    "the domain is shut off",
    "the domain is crashed",
    "the domain is suspended by guest power management",
)
# virDomainRunningReason and its siblings, libvirt-domain.h; part of libvirt's stable interface.
REASONS: Mapping[str, tuple[str, ...]] = {
    "running": (
        "unknown",
        "booted",
        "migrated",
        "restored",
        "from_snapshot",
        "unpaused",
        "migration_canceled",
        "save_canceled",
        "wakeup",
        "crashed",
        "postcopy",
        "postcopy_failed",
    ),
    "paused": (
        "unknown",
        "user",
        "migration",
        "save",
        "dump",
        "ioerror",
        "watchdog",
        "from_snapshot",
        "shutting_down",
        "snapshot",
        "crashed",
        "starting_up",
        "postcopy",
        "postcopy_failed",
        "api_error",
    ),
    "shutdown": ("unknown", "user"),
    "crashed": ("unknown", "panicked"),
}

# Cache occupancy and memory bandwidth are no counters, and the kernel gave the events up in 4.14.
_NO_COUNTERS = frozenset({"cmt", "mbmt", "mbml"})

_GROUPS = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_PERF
# The call takes milliseconds. One that takes this long waits for something.
PATIENCE_SECONDS = 2.0
# What is left of the budget once the calls are over.
MARGIN_SECONDS = 0.2

ALL_HELD_UP = "libvirt keeps so many guests locked that no call is left: are they being started or ended?"


class LibvirtState(Source):
    """Reads all guests' states in one call.

    `report_unknown_guest` is called with the UUID of a guest that libvirt has and the inventory has not yet.

    `workers` are kept over reloads: while a bulk call is stuck, no second one is made.
    """

    name = "libvirt_state"

    def __init__(
        self,
        workers: Workers,
        report_unknown_guest: Callable[[str], None] = lambda _uuid: None,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self._worker = workers.everything
        self._pool = workers.states
        self._report_unknown_guest = report_unknown_guest
        self._clock = clock

    def read(self, request: Request) -> Reading:
        """Return states, reasons and counts. If a guest gives no answer, its state and all counts are absent.

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
        """Make the bulk call; None while that of an earlier collection is in flight."""
        if self._worker.lane.busy:
            return None
        self._worker.tidy()
        try:
            return self._worker.submit_everything(_GROUPS)
        except LaneBusyError:
            return None  # during a reload the other collector was first

    def _around(self, request: Request, deadline: float) -> Reading:
        """Ask guest by guest, in the inventory's sequence: the oldest first."""

        def call(worker: Worker, uuids: Sequence[str], progress: Progress[Record]) -> Future[None]:
            return worker.submit_each(uuids, progress, _GROUPS)

        survey = visit(self._pool, list(request.guests), call, deadline, self._clock)
        if not survey.found and (survey.locked or not is_alive(self._pool, deadline, self._clock)):
            raise SourceTimeoutError(ALL_HELD_UP if survey.locked else SILENT)
        records = {uuid: record for uuid, record in survey.found.items() if record is not None}
        missing = [guest.domain.name for uuid, guest in request.guests.items() if uuid not in survey.found]
        samples = [sample for uuid, record in records.items() for sample in _samples_of(uuid, record)]
        notes = tuple(_notes(missing))
        return Reading(samples=samples, notes=notes, partial=True, missing=len(missing))

    def _whole(self, request: Request, everything: Everything) -> Reading:
        samples: list[Sample] = []
        states: Counter[str] = Counter(shutoff=everything.inactive)
        for uuid, record in everything.records.items():
            states[_state_of(record)[0]] += 1
            if uuid in request.guests:
                samples.extend(_samples_of(uuid, record))
            else:  # it has just started, or its event was lost: it is on the next page
                self._report_unknown_guest(uuid)
        samples.append(Sample(host.DOMAINS, len(everything.records) + everything.inactive))
        samples.extend(Sample(host.DOMAINS_BY_STATE, count, (state,)) for state, count in states.items())
        return Reading(samples=samples)


def _comes(answer: Future[Everything], seconds: float) -> bool:
    """Wait for the answer or the error; return whether there is one."""
    wait([answer], timeout=max(0.0, seconds))
    return answer.done()


def _notes(missing: Sequence[str]) -> Iterator[str]:
    if missing:
        names = ", ".join(repr(name) for name in missing[:10]) + (" ..." if len(missing) > 10 else "")
        yield f"libvirt keeps {names} locked: is it being started or ended, and does its QEMU get on with it?"
    else:
        yield "libvirt does not list all guests at once: it waits for a guest that is not known yet"


def _state_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return state and reason in libvirt's words; ``unknown`` for numbers without a word here."""
    code, reason = record.get("state.state", 0), record.get("state.reason", 0)
    state = STATES[code] if 0 <= code < len(STATES) else "unknown"
    reasons = REASONS.get(state, ("unknown",))
    return state, reasons[reason] if 0 <= reason < len(reasons) else "unknown"


def _samples_of(uuid: str, record: Mapping[str, Any]) -> Iterator[Sample]:
    """Yield the series of one guest's record."""
    state, reason = _state_of(record)
    code = record.get("state.state")
    if code is not None:
        description = DESCRIPTIONS[code] if 0 <= code < len(DESCRIPTIONS) else "unknown"
        yield Sample(guest.STATE_CODE, code, (), uuid)
        yield Sample(guest.STATE, code, (description,), uuid)
        yield Sample(guest.STATE_REASON, 1.0, (state, reason), uuid)
    for key, value in record.items():
        event = key.removeprefix("perf.")
        if event != key and event not in _NO_COUNTERS:
            yield Sample(cpu.PERF_EVENTS, value, (event,), uuid)
