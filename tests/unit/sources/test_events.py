"""The events source shows every count from 0 on, and ended guests under their own names."""

from dataclasses import replace

from hostcollector.base.definition import Disk, Domain
from hostcollector.base.model import Guest, Tenant
from hostcollector.base.source import Request
from hostcollector.catalogue import block, ends, guest
from hostcollector.config.settings import CollectionSettings
from hostcollector.guests.ends import Ends, Incident, Reason
from hostcollector.guests.inventory import EventCounts
from hostcollector.guests.oom_kills import OomKills
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.libvirt.events import DomainEvent
from hostcollector.sources.events import Events
from tests.fakes.guests import A, series

WEB = Domain(uuid=A, name="web", disks=(Disk(target="vda", alias="virtio-disk0"), Disk(target="vdb")))
REQUEST = Request(guests={A: Guest(domain=WEB, tenant=Tenant(id="acme"))}, deadline=0.0, taken_at=0.0)
ERROR = DomainEvent(uuid=A, name="web", event="io_error", detail="enospc", device="virtio-disk0")


class Parts:
    """The source and what the inventory writes into."""

    def __init__(self, settings: CollectionSettings | None = None) -> None:
        self.counts = EventCounts()
        self.ends = Ends(OomKills(), wall_clock=lambda: 1e9)
        self.source = Events(self.counts, self.ends, QemuProcesses(), settings or CollectionSettings())

    def happens(self, event: DomainEvent) -> None:
        """Take an event as the inventory does."""
        self.ends.take(event, WEB)
        self.counts.add(event)


def test_every_count_begins_at_0() -> None:
    """All reasons, all incidents of a tenant with a guest, and each disk whose alias is known."""
    reading = Parts().source.read(REQUEST)
    assert series(reading, ends.ENDS, "") == {(reason.value,): 0 for reason in Reason}
    assert series(reading, ends.INCIDENTS, "") == {("acme", incident.value): 0 for incident in Incident}
    assert series(reading, block.IO_ERRORS) == {("vda",): 0}
    assert series(reading, ends.ENDED, "") == series(reading, ends.INCIDENT, "") == {}


def test_an_io_error_is_counted_for_its_disk_and_named_by_the_disks_alias() -> None:
    """The guest's events count it with libvirt's reason."""
    parts = Parts()
    parts.source.read(REQUEST)
    parts.happens(ERROR)
    reading = parts.source.read(REQUEST)
    assert series(reading, block.IO_ERRORS) == {("vda",): 1}
    assert series(reading, guest.EVENTS) == {("io_error", "enospc"): 1}
    assert series(reading, ends.INCIDENT, "") == {("acme", "web", A, "io_error", "virtio-disk0"): 1e9}


def test_an_ended_guest_is_named_with_reason_and_time() -> None:
    """Its own series are gone with it."""
    parts = Parts()
    parts.source.read(REQUEST)
    parts.happens(ERROR)
    parts.ends.take(DomainEvent(uuid=A, name="web", event="stopped", detail="failed"), WEB)
    parts.counts.forget(A)
    reading = parts.source.read(replace(REQUEST, guests={}))
    assert series(reading, ends.ENDED, "") == {("acme", "web", A, "failed"): 1e9}
    assert series(reading, ends.INCIDENTS, "")["acme", "failed"] == 1
    assert series(reading, ends.INCIDENTS, "")["acme", "io_error"] == 1
    assert series(reading, guest.EVENTS) == series(reading, block.IO_ERRORS) == {}


def test_the_configuration_limits_how_many_are_named() -> None:
    """With 0 none is."""
    parts = Parts(CollectionSettings(ended_guests_limit=0))
    parts.happens(ERROR)
    assert series(parts.source.read(REQUEST), ends.INCIDENT, "") == {}
