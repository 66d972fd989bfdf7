"""How guests ended, and what went wrong with them: kept after they are gone.

An end has two signs: libvirt's event, and the end of the QEMU process. The first one that is certain counts,
and the other one is then ignored:

- libvirt's event "stopped" counts at once, with its detail as the reason.
- A QEMU process that has ended counts as a failure if libvirt reports no end within a grace period. While
  libvirt runs, its event may wait behind other work. While libvirt is away, nothing but a failure or a signal
  can end QEMU: libvirt starts it with ``-no-shutdown``.
- A guest that libvirt does not list any more, without an event, ended for an unknown reason.

Sources: virDomainEventType and its details in libvirt-domain.h; qemuProcessHandleMonitorEOF in
qemu_process.c: a monitor that closes without a shutdown is "failed".
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hostcollector.base.definition import Domain
from hostcollector.base.lanes import Clock
from hostcollector.base.model import UNASSIGNED, Guest, Tenant
from hostcollector.guests.oom_kills import OomKills
from hostcollector.guests.processes import QemuProcess
from hostcollector.protocols.libvirt.events import DomainEvent

logger = logging.getLogger("hostcollector")

GRACE_SECONDS = 45.0
"""How long an end of QEMU waits for libvirt's event: longer than the inventory looks at guests."""

GRACE_WITHOUT_LIBVIRT_SECONDS = 5.0

REMEMBERED_SECONDS = 600.0
"""How long an end is known, so that a late sign of it is not counted again."""

MOST_KEPT = 1000
"""How many ended guests, incidents and tenants with incidents are kept."""


class Reason(StrEnum):
    """Why a guest ended."""

    SHUTDOWN_BY_GUEST = "shutdown_by_guest"
    SHUTDOWN_BY_HOST = "shutdown_by_host"
    DESTROYED = "destroyed"
    CRASHED = "crashed"
    FAILED = "failed"
    OOM_KILL = "oom_kill"
    MIGRATED_AWAY = "migrated_away"
    INCOMING_FAILED = "incoming_failed"
    SAVED = "saved"
    FROM_SNAPSHOT = "from_snapshot"
    UNKNOWN = "unknown"


class Incident(StrEnum):
    """What went wrong with a guest: ends by crash or signal, and what libvirt reports of a running guest."""

    CRASHED = "crashed"
    FAILED = "failed"
    OOM_KILL = "oom_kill"
    PANICKED = "panicked"
    WATCHDOG = "watchdog"
    MEMORY_FAILURE = "memory_failure"
    IO_ERROR = "io_error"


_ENDS = {Reason(name.value): name for name in (Incident.CRASHED, Incident.FAILED, Incident.OOM_KILL)}
# libvirt's event "crashed" is the panic of the guest's kernel; the detail "crashed" of "stopped" is the end.
_EVENTS = {
    "crashed": Incident.PANICKED,
    "watchdog": Incident.WATCHDOG,
    "memory_failure": Incident.MEMORY_FAILURE,
    "io_error": Incident.IO_ERROR,
}
_STOPPED = {
    "destroyed": Reason.DESTROYED,
    "recreated": Reason.DESTROYED,
    "crashed": Reason.CRASHED,
    "migrated": Reason.MIGRATED_AWAY,
    "saved": Reason.SAVED,
    "failed": Reason.FAILED,
    "from_snapshot": Reason.FROM_SNAPSHOT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The last time that `what` happened to a guest: a reason or an incident; `at` is a Unix time.

    `detail` is libvirt's detail of the event, for an I/O error the disk.
    """

    uuid: str
    name: str
    tenant: str
    what: str
    detail: str = ""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All ends by reason, incidents by tenant, and the last ones with their guests, newest last."""

    ends: Mapping[Reason, int]
    incidents: Mapping[str, Mapping[Incident, int]]
    ended: tuple[Trace, ...]
    happened: tuple[Trace, ...]


@dataclass(slots=True)
class _Run:
    """One run of a guest, from its start to its end.

    `incoming` is True while the guest arrives by migration, `missing_since` the first look without it.
    """

    name: str
    domain: Domain | None = None
    tenant: Tenant | None = None
    process: QemuProcess | None = None
    incoming: bool = False
    shut_down_by: str = ""
    missing_since: float | None = None
    missing_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Over:
    """An end that was counted: the QEMU process, if known, and the time on the monotonic clock."""

    process: QemuProcess | None
    since: float


@dataclass(slots=True)
class _Traces:
    """The last traces by key, at most `MOST_KEPT`."""

    by_key: dict[tuple[str, ...], Trace] = field(default_factory=dict)

    def add(self, key: tuple[str, ...], trace: Trace) -> None:
        self.by_key.pop(key, None)
        self.by_key[key] = trace
        if len(self.by_key) > MOST_KEPT:
            del self.by_key[next(iter(self.by_key))]

    def last(self, since: float, most: int) -> tuple[Trace, ...]:
        kept = [trace for trace in self.by_key.values() if trace.at >= since]
        return tuple(kept[-most:]) if most else ()


class Ends:
    """Counts ends and incidents. The inventory gives libvirt's events, the `events` source the processes.

    `libvirt_answers` is set by the inventory's listener. `tenant_of` finds the tenant of a guest that ended
    before the first collection with it. `wall_clock` gives Unix times.
    """

    def __init__(
        self,
        oom_kills: OomKills | None = None,
        *,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
    ) -> None:
        self.libvirt_answers = True
        self.tenant_of: Callable[[Domain], Tenant] = lambda _domain: UNASSIGNED
        self._oom_kills = oom_kills or OomKills()
        self._clock, self._wall_clock = clock, wall_clock
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._over: dict[str, _Over] = {}
        self._ends: Counter[Reason] = Counter()
        self._incidents: dict[str, Counter[Incident]] = {}
        self._ended = _Traces()
        self._happened = _Traces()

    def take(self, event: DomainEvent, domain: Domain | None) -> None:
        """Take libvirt's event of a guest, whose definition may not be known."""
        with self._lock:
            run = self._runs.get(event.uuid)
            if event.event == "started":
                self._over.pop(event.uuid, None)
                run = _Run(event.name, incoming=event.detail == "migrated")
                self._runs[event.uuid] = run
            elif event.event == "stopped":
                self._stopped(event, run, domain)
            elif run is not None and event.event == "shutdown":
                run.shut_down_by = event.detail
            elif run is not None and event.event == "resumed":
                run.incoming = False
            incident = _EVENTS.get(event.event)
            if incident is not None:
                detail = event.device or event.detail
                self._happens(event.uuid, run or _Run(event.name), domain, incident, detail)

    def lose_events(self) -> None:
        """Note that events are lost: guests that were arriving may run since."""
        with self._lock:
            for run in self._runs.values():
                run.incoming = False

    def look(
        self,
        guests: Mapping[str, Guest],
        processes: Mapping[str, QemuProcess],
        is_running: Callable[[QemuProcess], bool],
    ) -> None:
        """Look which guests have lost their QEMU, or are not among libvirt's guests any more.

        `guests` are those of the inventory, `processes` their QEMUs as of the last look at /proc.
        `is_running` verifies one.
        """
        with self._lock:
            for uuid, guest in guests.items():
                process = processes.get(uuid)
                run = self._runs.get(uuid) or self._found(uuid, guest, process, is_running)
                if run is not None:
                    run.domain, run.tenant = guest.domain, guest.tenant
                    run.process = process or run.process
            self._oom_kills.note(self._runs)
            now = self._clock()
            grace = GRACE_SECONDS if self.libvirt_answers else GRACE_WITHOUT_LIBVIRT_SECONDS
            for uuid, run in list(self._runs.items()):
                if not _lost(run, processes.get(uuid), is_running, listed=uuid in guests):
                    run.missing_since = None
                elif run.missing_since is None:
                    run.missing_since, run.missing_at = now, self._wall_clock()
                elif now - run.missing_since >= grace:
                    reason = Reason.FAILED if uuid in guests else Reason.UNKNOWN
                    self._end(uuid, run, reason, run.missing_at)
            forgotten = now - REMEMBERED_SECONDS
            for uuid in [uuid for uuid, over in self._over.items() if over.since < forgotten]:
                if uuid not in guests:
                    del self._over[uuid]

    def account(self, kept_seconds: float, most: int) -> Account:
        """Return the counts, and at most so many ended guests and incidents of the last `kept_seconds`."""
        with self._lock:
            since = self._wall_clock() - kept_seconds
            tenants = {run.tenant.id for run in self._runs.values() if run.tenant is not None}
            known = dict.fromkeys([*self._incidents, *sorted(tenants)])
            return Account(
                ends={reason: self._ends[reason] for reason in Reason},
                incidents={tenant: dict(self._incidents.get(tenant, {})) for tenant in known},
                ended=self._ended.last(since, most),
                happened=self._happened.last(since, most),
            )

    def _found(
        self,
        uuid: str,
        guest: Guest,
        process: QemuProcess | None,
        is_running: Callable[[QemuProcess], bool],
    ) -> _Run | None:
        """Return a new run of a guest without one; None for a guest whose end was counted."""
        over = self._over.get(uuid)
        if over is not None:
            if process is None or process == over.process or not is_running(process):
                return None
            del self._over[uuid]
        run = self._runs[uuid] = _Run(guest.domain.name)
        return run

    def _stopped(self, event: DomainEvent, run: _Run | None, domain: Domain | None) -> None:
        if run is None:
            if event.uuid in self._over:
                return
            run = _Run(event.name)
        run.domain = domain or run.domain
        reason = _STOPPED.get(event.detail, Reason.UNKNOWN)
        if event.detail == "shutdown":
            by_host = run.shut_down_by == "host"
            reason = Reason.SHUTDOWN_BY_HOST if by_host else Reason.SHUTDOWN_BY_GUEST
        if run.incoming and reason in (Reason.FAILED, Reason.DESTROYED):
            reason = Reason.INCOMING_FAILED
        self._end(event.uuid, run, reason, self._wall_clock())

    def _end(self, uuid: str, run: _Run, reason: Reason, at: float) -> None:
        if reason in (Reason.FAILED, Reason.UNKNOWN) and self._oom_kills.claim(uuid):
            reason = Reason.OOM_KILL
        self._runs.pop(uuid, None)
        self._over[uuid] = _Over(run.process, self._clock())
        self._ends[reason] += 1
        tenant = self._tenant(run, None)
        trace = Trace(uuid=uuid, name=run.name, tenant=tenant, what=reason.value, at=at)
        self._ended.add((uuid,), trace)
        if reason in _ENDS:
            self._count(tenant, _ENDS[reason])
        level = logging.WARNING if reason in _ENDS else logging.INFO
        context = {"guest": run.name, "uuid": uuid, "tenant": tenant, "reason": reason.value}
        if run.process is not None:
            context["qemu_pid"] = str(run.process.pid)
        logger.log(level, "a guest ended", extra=context)

    def _happens(self, uuid: str, run: _Run, domain: Domain | None, incident: Incident, detail: str) -> None:
        tenant = self._tenant(run, domain)
        self._count(tenant, incident)
        trace = Trace(
            uuid=uuid, name=run.name, tenant=tenant, what=incident.value, detail=detail, at=self._wall_clock()
        )
        self._happened.add((uuid, incident, detail), trace)

    def _count(self, tenant: str, incident: Incident) -> None:
        if tenant in self._incidents or len(self._incidents) < MOST_KEPT:
            self._incidents.setdefault(tenant, Counter())[incident] += 1

    def _tenant(self, run: _Run, domain: Domain | None) -> str:
        domain = domain or run.domain
        if run.tenant is None and domain is not None:
            return self.tenant_of(domain).id
        return (run.tenant or UNASSIGNED).id


def _lost(
    run: _Run, process: QemuProcess | None, is_running: Callable[[QemuProcess], bool], *, listed: bool
) -> bool:
    """Whether the guest has lost its QEMU, or is not listed any more."""
    if run.domain is None:
        return False  # no collection has seen the guest yet
    if not listed:
        return True
    return process is None and run.process is not None and not is_running(run.process)
