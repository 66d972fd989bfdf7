"""Which domains exist: kept by libvirt's events, verified by a full listing now and then.

One thread owns the inventory. Events arrive in libvirt's event loop, where no call may be made, so they only
queue; the thread reads the XML. Readers get an immutable mapping that is replaced, never changed. During an
outage of libvirt the known domains stay, so that the sources that need no libvirt go on.
"""

import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from types import MappingProxyType

from hostcollector import domain_xml
from hostcollector.errors import DomainXmlError, SourceDeniedError, SourceUnavailableError
from hostcollector.event_counts import EventCounts
from hostcollector.lanes import Clock, Lane
from hostcollector.libvirt_link import (
    Connection,
    DomainEvent,
    Link,
    ListedDomain,
    Slot,
    Versions,
    find_active,
    list_active,
    read_xml,
    subscribe,
)
from hostcollector.model import Domain

# After these the domain is gone; after every other event its XML may have changed.
_ENDING = frozenset({"stopped", "undefined"})
# These say nothing new about the definition and can come many times a second.
_UNCHANGED_BY = frozenset(
    {
        "migration_iteration",
        "block_threshold",
        "io_error",
        "watchdog",
        "memory_failure",
        "resumed",
        "suspended",
    }
)
RETRY_SECONDS = 1.0

StateListener = Callable[[str | None], None]


class Inventory:
    """The active domains by UUID. `on_state` hears None when libvirt answers, else why it does not."""

    def __init__(
        self,
        link: Link,
        counts: EventCounts,
        *,
        listing_interval: float = 300.0,
        clock: Clock = time.monotonic,
        on_state: StateListener = lambda _why: None,
    ) -> None:
        self._link = link
        self._slot = Slot(link, clock)
        self._counts = counts
        self._listing_interval = listing_interval
        self._clock = clock
        self._on_state = on_state
        self._queue: SimpleQueue[DomainEvent | Connection | str | None] = SimpleQueue()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._keep, name="inventory", daemon=True)
        self._versions_lane = Lane("libvirt-versions", clock)
        self._stopping = False
        self._verified = threading.Event()
        self._verified_at: float | None = None
        self.domains: Mapping[str, Domain] = MappingProxyType({})
        self.versions: Versions | None = None

    def start(self) -> None:
        """Begin to keep the inventory, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Ask the thread to end; does not wait for a libvirt that does not answer."""
        self._stopping = True
        self._versions_lane.close()
        self._queue.put(None)

    def look_at(self, uuid: str) -> None:
        """Look whether the domain exists: somebody saw it whom no event announced."""
        self._queue.put(uuid)

    def wait_until_verified(self, timeout: float) -> bool:
        """Wait for the first full listing; says whether there has been one."""
        return self._verified.wait(timeout)

    @property
    def age(self) -> float | None:
        """Seconds since the last full listing; None before the first."""
        return None if self._verified_at is None else self._clock() - self._verified_at

    def _keep(self) -> None:
        while not self._stopping:
            try:
                self._follow(self._slot.get())
            except (SourceUnavailableError, SourceDeniedError) as error:
                self._on_state(str(error))
                self._pause()
        self._slot.drop()

    def _pause(self) -> None:
        """Wait before the next try; what is queued now is outdated by the listing that will follow."""
        try:
            self._queue.get(timeout=RETRY_SECONDS)
        except Empty:
            return

    def _follow(self, connection: Connection) -> None:
        """Verify when that is due, and handle what arrives in between; returns to check the connection."""
        if connection is not self._connection:
            self._connection = connection
            connection.on_lost = lambda: self._queue.put(connection)
            subscribe(connection, self._queue.put)
            self._verify(connection)
            self._ask_versions(connection)
            self._on_state(None)
        age = self.age
        due = 0.0 if age is None else self._listing_interval - age
        if due <= 0:
            self._verify(connection)
            return
        try:
            item = self._queue.get(timeout=due)
        except Empty:
            return
        if isinstance(item, DomainEvent):
            self._handle(connection, item)
        elif isinstance(item, str):
            self._refresh(connection, item)

    def _ask_versions(self, connection: Connection) -> None:
        """Ask in a lane of its own: the daemon may run QEMU's binary for seconds before it knows."""

        def ask() -> None:
            self.versions = self._link.versions(connection)

        if not self._versions_lane.busy:
            self._versions_lane.submit(ask)

    def _verify(self, connection: Connection) -> None:
        """Replace the inventory by what libvirt lists now."""
        listed = list_active(connection)
        self._publish({domain.uuid: _read(connection, domain) for domain in listed})
        self._verified_at = self._clock()
        self._verified.set()

    def _handle(self, connection: Connection, event: DomainEvent) -> None:
        if event.event in _ENDING:
            if event.event == "undefined" and find_active(connection, event.uuid) is not None:
                return  # a running domain became transient, or is being renamed
            self._publish({uuid: domain for uuid, domain in self.domains.items() if uuid != event.uuid})
            return
        self._counts.add(event.uuid, event.event, event.detail)
        if event.event in _UNCHANGED_BY and event.uuid in self.domains:
            return
        self._refresh(connection, event.uuid)

    def _refresh(self, connection: Connection, uuid: str) -> None:
        """Read one domain again, if it is there."""
        listed = find_active(connection, uuid)
        if listed is not None:
            self._publish({**self.domains, uuid: _read(connection, listed)})

    def _publish(self, domains: Mapping[str, Domain]) -> None:
        self.domains = MappingProxyType(dict(domains))
        self._counts.keep_only(frozenset(domains))


def _read(connection: Connection, listed: ListedDomain) -> Domain:
    """Return the domain as its XML describes it, or as a name and a UUID when the XML is unreadable."""
    try:
        domain = domain_xml.parse(read_xml(connection, listed))
    except DomainXmlError as error:
        return _unread(listed, str(error))
    return domain if domain.uuid == listed.uuid else _unread(listed, "it is the XML of another guest")


def _unread(listed: ListedDomain, why: str) -> Domain:
    return Domain(uuid=listed.uuid, name=listed.name, complete=False, remarks=(why,))
