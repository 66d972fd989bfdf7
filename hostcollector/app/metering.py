"""Keeps the usage records of a running daemon: takes each collection and libvirt's events, and saves.

One thread does all of it. Collections and events only wait in its queue, so neither a scrape nor libvirt's
event loop ever waits for the disk.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from hostcollector.app.last_reading import LastReader
from hostcollector.base.definition import Domain
from hostcollector.base.model import Guest, Snapshot, Tenant
from hostcollector.catalogue.usage import Ended
from hostcollector.guests.presence import LEAVING, Presence
from hostcollector.guests.processes import QemuProcess
from hostcollector.outputs.usage.extraction import device_of_alias, round_of
from hostcollector.outputs.usage.keeper import Keeper
from hostcollector.outputs.usage.reading import Moment
from hostcollector.outputs.usage.status import Status
from hostcollector.protocols.libvirt.events import DomainEvent

logger = logging.getLogger("hostcollector")

OWN_COLLECTION_SECONDS = 30.0
"""After so long without a scrape the daemon collects for itself."""

SOON_SECONDS = 1.5
"""How long after an end the next collection is, which closes the life."""

MIGRATING_SECONDS = 4.0
"""How often the daemon collects while a guest leaves: what it does after the last one is not recorded."""

SAVE_SECONDS = 30.0
"""How often the books are saved while nothing but counters changes."""

BOOT_ID = "proc/sys/kernel/random/boot_id"

_ENDED = {"crashed": Ended.CRASH, "failed": Ended.CRASH, "migrated": Ended.MIGRATED}
"""By libvirt's detail of "stopped"; anything else is a shutdown."""

_NEWS = frozenset(
    {"started", "resumed", "suspended", "stopped", "shutdown", "reboot", "device_removed"}
    | {"migration_iteration"}
)


@dataclass(frozen=True, slots=True)
class _Collected:
    """A collection, with the QEMUs that it found."""

    snapshot: Snapshot
    processes: Mapping[str, QemuProcess]
    listed: bool


@dataclass(frozen=True, slots=True)
class _Happened:
    """An event, with the guest as the inventory knew it."""

    event: DomainEvent
    at: Moment
    domain: Domain | None


def look_at_clocks() -> Moment:
    """Return the wall's clock and the one that is never set, looked at in the same moment."""
    while True:
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if after - before < 10_000_000:  # a process may be held up between two looks
            return Moment(wall // 1000, after // 1000)


def boot_id(root: Path) -> str:
    """Return what names the host's boot; the same text on a host that hides it."""
    try:
        return (root / BOOT_ID).read_text().strip()
    except OSError:
        return "unknown"


class Metering:
    """Feeds a `keeper`. Nothing is recorded before `start`; the other methods may be called by any thread.

    `domains` are the inventory's, `listed` whether it has listed all guests once, and `tenant_of` finds a
    tenant. `collect` starts a collection; it is set after the collector is made.
    """

    def __init__(
        self,
        keeper: Keeper,
        last_reader: LastReader,
        presence: Presence,
        domains: Callable[[], Mapping[str, Domain]],
        tenant_of: Callable[[Domain], Tenant],
        listed: Callable[[], bool],
        clock: Callable[[], Moment] = look_at_clocks,
    ) -> None:
        self.keeper = keeper
        self.collect: Callable[[], object] = lambda: None
        self._last_reader = last_reader
        self._presence = presence
        self._domains, self._tenant_of, self._listed = domains, tenant_of, listed
        self._clock = clock
        self._was_listed = False
        self._queue: SimpleQueue[_Collected | _Happened | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._due = time.monotonic() + OWN_COLLECTION_SECONDS
        self._save_due = 0.0
        self._started = False

    def start(self) -> None:
        """Begin to record, in a thread of its own."""
        self._started = True
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Save and end; waits at most so long for the disk."""
        if self._started:
            self._queue.put(None)
            self._thread.join(seconds)

    def take(self, snapshot: Snapshot, processes: Mapping[str, QemuProcess]) -> None:
        """Take a collection that has ended. Does not block."""
        # The listing must be older than the collection, so it counts from the next one on.
        listed, self._was_listed = self._was_listed, self._listed()
        if self._started:
            self._queue.put(_Collected(snapshot, processes, listed))

    def happened(self, event: DomainEvent) -> None:
        """Take one of libvirt's events, in its event loop. Does not block."""
        if self._started and event.event in _NEWS:
            self._queue.put(_Happened(event, self._clock(), self._domains().get(event.uuid)))

    @property
    def status(self) -> Status:
        """What is known of the records."""
        return Status.of(self.keeper, self._clock())

    def _run(self) -> None:
        self.keeper.open()
        while True:
            try:
                item = self._queue.get(timeout=max(0.0, self._due - time.monotonic()))
            except Empty:
                self._due = time.monotonic() + OWN_COLLECTION_SECONDS
                self.collect()
                continue
            if item is None:
                break
            try:
                self._handle(item)
            except Exception:
                logger.exception("unforeseen error in the usage records")
                self.keeper.errors += 1
        self.keeper.save()
        self.keeper.ledger.close()
        self._last_reader.close()

    def _handle(self, item: _Collected | _Happened) -> None:
        books = self.keeper.open()
        if books is None:
            if isinstance(item, _Collected):
                self._due = time.monotonic() + OWN_COLLECTION_SECONDS
            return
        lives = books.account.lives.keys()
        before = set(lives)
        if isinstance(item, _Collected):
            self._due = time.monotonic() + OWN_COLLECTION_SECONDS
            now = self._clock()
            books.take(round_of(item.snapshot, item.processes, self._presence, now, listed=item.listed))
            if item.listed:
                self._presence.keep_only(self._domains().keys())
        elif item.event.event == "migration_iteration":
            self._soon(MIGRATING_SECONDS)
        else:
            self._event(item)
        if books.account.lines or before != lives or time.monotonic() >= self._save_due:
            self._save_due = time.monotonic() + SAVE_SECONDS
            self.keeper.save()

    def _event(self, item: _Happened) -> None:
        books, event, at = self.keeper.books, item.event, item.at
        assert books is not None
        vm = event.uuid
        match event.event, event.detail:
            case "started", detail:
                books.started(vm, at, incoming=detail == "migrated")
            case "resumed", _:
                books.resumed(vm, at)
            case "suspended", "paused":
                books.arrived_paused(vm, at)
            case "suspended", detail if detail in LEAVING:
                self._read_last(item)
                books.ended(vm, at, Ended.MIGRATED)
                self._soon()
            case "shutdown", _:
                self._read_last(item)
            case "stopped", detail:
                books.ended(vm, at, _ENDED.get(detail, Ended.SHUTDOWN))
                self._soon()
            case "reboot", _:
                self._read_last(item)
                books.restarted(vm, at)
                self._soon()
            case "device_removed", _:
                device = item.domain and device_of_alias(item.domain, event.device)
                if device:
                    books.unplugged(vm, device)

    def _read_last(self, item: _Happened) -> None:
        """Read what the kernel counts for the guest, now."""
        books = self.keeper.books
        if item.domain is None or books is None or item.event.uuid not in books.account.lives:
            return
        reading = self._last_reader.read(Guest(domain=item.domain, tenant=self._tenant_of(item.domain)))
        if reading is not None:
            books.take_last(item.event.uuid, reading, item.at)

    def _soon(self, seconds: float = SOON_SECONDS) -> None:
        """Collect soon, unless a scrape comes before."""
        self._due = min(self._due, time.monotonic() + seconds)
