"""Which domains exist: kept by libvirt's events, verified by a full listing now and then.

One thread owns the inventory. Events arrive in libvirt's event loop, where no call may be made, so they are
queued. Events and listings only name the guests to look at; a guest stays on that list until its definition
was read, whatever fails meanwhile. Readers get an immutable mapping that is replaced, never changed. During
an outage of libvirt the known domains stay, and the sources that need no libvirt continue.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from types import MappingProxyType

from hostcollector.base.definition import Domain
from hostcollector.base.errors import DomainXmlError, SourceError
from hostcollector.base.lanes import Clock, Lane
from hostcollector.guests import domain_xml
from hostcollector.guests.ends import Ends
from hostcollector.protocols.libvirt.connection import Connection, Slot, Versions
from hostcollector.protocols.libvirt.events import DomainEvent, Receiver, subscribe
from hostcollector.protocols.libvirt.pool import Workers
from hostcollector.protocols.libvirt.visit import visit
from hostcollector.protocols.libvirt.worker import Definition, Progress, Worker

logger = logging.getLogger("hostcollector")

# After this the domain is gone; after every other event its XML may have changed, or it may be gone too.
_ENDING = "stopped"
# These say nothing new about the definition and can come many times a second.
_UNCHANGED_BY = frozenset(
    {
        "migration_iteration",
        "block_threshold",
        "io_error",
        "watchdog",
        "memory_failure",
        "reboot",
        "resumed",
        "suspended",
    }
)
RETRY_SECONDS = 1.0
# A listing takes milliseconds, but waits for the lock of each guest: after this the guests are looked at
# without it, one by one.
LISTING_PATIENCE_SECONDS = 2.0
LOOKS_SECONDS = 30.0
"""After so long looking at guests, events are taken in first."""

StateListener = Callable[[str | None], None]


class EventCounts:
    """How often each (event, detail) happened to each domain since the collector has known it.

    The inventory writes and the `events` source reads, in different threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[tuple[str, str]]] = {}
        self._disk_errors: dict[str, Counter[str]] = {}

    def add(self, event: DomainEvent) -> None:
        """Count one event of a domain."""
        with self._lock:
            self._counts.setdefault(event.uuid, Counter())[event.event, event.detail] += 1
            if event.event == "io_error":
                self._disk_errors.setdefault(event.uuid, Counter())[event.device] += 1

    def forget(self, uuid: str) -> None:
        """Forget the domain, which has ended: if it comes back, its series begin anew."""
        with self._lock:
            self._counts.pop(uuid, None)
            self._disk_errors.pop(uuid, None)

    def keep_only(self, uuids: frozenset[str]) -> None:
        """Forget the domains that are not among `uuids`: their series end with them."""
        with self._lock:
            self._counts = {uuid: counts for uuid, counts in self._counts.items() if uuid in uuids}
            self._disk_errors = {uuid: each for uuid, each in self._disk_errors.items() if uuid in uuids}

    def snapshot(self) -> Mapping[str, Mapping[tuple[str, str], int]]:
        """Return a copy."""
        with self._lock:
            return {uuid: dict(counts) for uuid, counts in self._counts.items()}

    def disk_errors(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many I/O errors each domain's disks had, by the disk's alias; a copy."""
        with self._lock:
            return {uuid: dict(counts) for uuid, counts in self._disk_errors.items()}


class Inventory:
    """The active domains by UUID. `on_state` is called with None when libvirt answers, else with the error.

    `ends` takes every event. `running` returns the UUIDs that the host's QEMU processes name: the guests to
    look at when libvirt's listing waits for a locked guest. `on_event` is called with each event in libvirt's
    event loop: it must not block. Nor must `on_loss`, which is called when the events of a while are lost.
    """

    def __init__(
        self,
        workers: Workers,
        counts: EventCounts,
        *,
        ends: Ends | None = None,
        listing_interval: float = 300.0,
        clock: Clock = time.monotonic,
        on_state: StateListener = lambda _why: None,
        running: Callable[[], Collection[str]] = tuple,
        on_event: Receiver = lambda _event: None,
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self._workers = workers
        self._slot = Slot(workers.link, clock)
        self._counts = counts
        self._ends = ends or Ends()
        self._listing_interval = listing_interval
        self._clock = clock
        self._on_state = on_state
        self._running = running
        self._on_event = on_event
        self._on_loss = on_loss
        self._processes = Lane("inventory-processes", clock)
        self._thread = threading.Thread(target=self._keep, name="inventory", daemon=True)
        self._arrived: SimpleQueue[DomainEvent | str] = SimpleQueue()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._connection: Connection | None = None
        self._listing: Future[Sequence[str]] | None = None
        self._due = float("-inf")
        self._to_look_at: dict[str, None] = {}
        self._unverified: frozenset[str] | None = None
        self._ready = threading.Event()
        self._verified_at: float | None = None
        self._unreadable: set[str] = set()
        self.domains: Mapping[str, Domain] = MappingProxyType({})
        self.versions: Versions | None = None

    def start(self) -> None:
        """Begin to keep the inventory, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Ask the thread to end; does not wait for a libvirt that does not answer."""
        self._stop.set()
        self._wake.set()
        self._processes.close()

    def look_at(self, uuid: str) -> None:
        """Look whether the domain exists: a source found it and no event announced it."""
        self._arrive(uuid)

    def wait_until_ready(self, timeout: float) -> bool:
        """Wait until `ready`, and return that."""
        return self._ready.wait(timeout)

    @property
    def ready(self) -> bool:
        """Whether guests have been read once: all of them, or those that libvirt does not keep locked."""
        return self._ready.is_set()

    @property
    def age(self) -> float | None:
        """Seconds since the last full listing; None before the first."""
        return None if self._verified_at is None else self._clock() - self._verified_at

    def _arrive(self, item: DomainEvent | str) -> None:
        if isinstance(item, DomainEvent):
            self._on_event(item)
        self._arrived.put(item)
        self._wake.set()

    def _lose_events(self) -> None:
        """Note that the connection was lost, or that there was none until now."""
        self._ends.lose_events()
        self._on_loss()
        self._wake.set()

    def _keep(self) -> None:
        while True:
            self._wake.clear()
            if self._stop.is_set():
                break
            try:
                pause = self._follow()
            except SourceError as error:
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001 - the thread's boundary: it outlives every error
                self._fail(f"unforeseen error in the inventory: {error!r}")
            else:
                self._on_state(None)
                self._wake.wait(pause)
        self._slot.drop()

    def _fail(self, why: str) -> None:
        """Report why, and list again in a moment: events of the time without a connection are lost."""
        if self._stop.is_set():
            return  # the lanes were closed under it
        self._on_state(why)
        self._due = float("-inf")
        self._stop.wait(RETRY_SECONDS)

    def _follow(self) -> float:
        """Take in the queued events, look at their guests, and return the seconds until the next listing."""
        connection = self._slot.get()
        if connection is not self._connection:
            self._lose_events()
            connection.on_lost = self._lose_events
            subscribe(connection, self._arrive)
            self._due = float("-inf")
            self._connection = connection
            self._ask_versions(connection)
        self._take_events()
        self._list()
        self._look()
        if self._to_look_at or self._listing is not None:
            return RETRY_SECONDS
        return max(0.0, self._due - self._clock())

    def _ask_versions(self, connection: Connection) -> None:
        """Ask in a lane of its own: libvirtd may run QEMU's binary for seconds before it answers."""

        def ask() -> None:
            self.versions = self._workers.link.versions(connection)

        if not self._workers.versions.busy:
            self._workers.versions.submit(ask)

    def _take_events(self) -> None:
        """Count the queued events, drop guests that ended, and note the others to be looked at."""
        domains = dict(self.domains)
        while True:
            try:
                item = self._arrived.get_nowait()
            except Empty:
                break
            if isinstance(item, str):
                self._to_look_at[item] = None
                continue
            self._ends.take(item, domains.get(item.uuid))
            if item.event == _ENDING:
                domains.pop(item.uuid, None)
                self._to_look_at.pop(item.uuid, None)
                self._counts.forget(item.uuid)
            else:
                if item.event != "undefined":
                    self._counts.add(item)
                if item.event not in _UNCHANGED_BY or item.uuid not in domains:
                    self._to_look_at[item.uuid] = None
        if domains.keys() != self.domains.keys():
            self._publish(domains)

    def _list(self) -> None:
        """List the guests to look at, if a listing is due; if it waits for a guest, take those of /proc."""
        worker = self._workers.listing
        fresh = self._listing is None and self._clock() >= self._due and not worker.lane.busy
        if fresh:
            worker.tidy()
            self._listing = worker.submit_list()
            self._listing.add_done_callback(lambda _done: self._wake.set())
            wait([self._listing], timeout=LISTING_PATIENCE_SECONDS)
        if self._listing is None:
            return
        if self._listing.done():
            listing, self._listing = self._listing, None
            self._unverified = frozenset(listing.result())
            self._due = self._clock() + self._listing_interval
            self._to_look_at |= dict.fromkeys((*self._unverified, *self.domains))
        elif fresh:
            default: Collection[str] = ()
            running = self._processes.attempt(self._running, default, seconds=LISTING_PATIENCE_SECONDS)
            self._to_look_at |= dict.fromkeys((*self.domains, *running))

    def _look(self) -> None:
        """Read the noted guests' definitions; those that libvirt keeps locked stay noted and known."""

        def call(worker: Worker, uuids: Sequence[str], progress: Progress[Definition]) -> Future[None]:
            return worker.submit_definitions(uuids, progress)

        if self._to_look_at:
            pool = self._workers.definitions
            pool.tidy(())  # a guest that was started again has another handle
            deadline = self._clock() + LOOKS_SECONDS
            found = visit(pool, list(self._to_look_at), call, deadline, self._clock).found
            domains = dict(self.domains)
            for uuid, definition in found.items():
                del self._to_look_at[uuid]
                if definition is None:
                    domains.pop(uuid, None)
                else:
                    domains[uuid] = self._read(uuid, definition)
            self._publish(domains)
        unknown = (self._unverified or frozenset()) - self.domains.keys()
        if self._unverified is not None and self._to_look_at.keys().isdisjoint(unknown):
            self._unverified = None
            self._verified_at = self._clock()
        if self.domains or self._verified_at is not None:
            self._ready.set()

    def _read(self, uuid: str, definition: Definition) -> Domain:
        """Return the domain as its XML describes it, or with name and UUID only if the XML is unreadable."""
        why = definition.why
        try:
            domain = domain_xml.parse(definition.xml) if definition.xml else None
        except DomainXmlError as error:
            domain, why = None, str(error)
        except Exception as error:  # noqa: BLE001 - one definition must not cost the others theirs
            domain, why = None, repr(error)
        if domain is not None and domain.uuid == uuid:
            self._unreadable.discard(uuid)
            return domain
        why = why or "it is the XML of another guest"
        if uuid not in self._unreadable:
            self._unreadable.add(uuid)
            logger.warning("the definition of guest %r cannot be read: %s", definition.name, why)
        return Domain(uuid=uuid, name=definition.name, complete=False, remarks=(why,))

    def _publish(self, domains: Mapping[str, Domain]) -> None:
        self.domains = MappingProxyType(dict(domains))
        self._unreadable &= domains.keys()
        self._counts.keep_only(frozenset((*domains, *self._to_look_at)))
