"""The inventory loses no event and no guest, whatever fails at libvirt meanwhile."""

import time
from collections.abc import Callable, Iterator

import libvirt
import pytest

from hostcollector.base.definition import Domain
from hostcollector.guests.ends import Ends
from hostcollector.guests.inventory import EventCounts, Inventory
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.pool import Workers
from tests.fakes.libvirt import FakeDomain, FakeLibvirt

GUESTS = 10
LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
REBOOT = libvirt.VIR_DOMAIN_EVENT_ID_REBOOT
METADATA = libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE
STARTED = (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED)
STOPPED = (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN)
ARRIVING = (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_MIGRATED)
FAILED = (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED)
UNDEFINED = (libvirt.VIR_DOMAIN_EVENT_UNDEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED_REMOVED)
UNKNOWN = Domain(uuid="", name="")
XML = "<domain type='kvm' id='1'><name>{name}</name><uuid>{uuid}</uuid><title>{title}</title></domain>"


@pytest.fixture
def daemon() -> Iterator[FakeLibvirt]:
    """Give a daemon whose guests all go free at the end."""
    fake = FakeLibvirt(GUESTS)
    yield fake
    fake.free()


@pytest.fixture
def counts() -> EventCounts:
    """Give the counts of events."""
    return EventCounts()


@pytest.fixture
def ends() -> Ends:
    """Give the account of ends."""
    return Ends()


@pytest.fixture
def states() -> list[str | None]:
    """Give what the inventory said of libvirt, the same only once in a row."""
    return []


@pytest.fixture
def inventory(
    daemon: FakeLibvirt, counts: EventCounts, ends: Ends, states: list[str | None]
) -> Iterator[Inventory]:
    """Give an inventory of that daemon which knows the QEMUs of its guests, and is not started yet."""

    def send(why: str | None) -> None:
        if states[-1:] != [why]:
            states.append(why)

    workers = Workers(Link("test:///default", opener=daemon.open))
    kept = Inventory(
        workers,
        counts,
        ends=ends,
        listing_interval=3600,
        on_state=send,
        running=lambda: [domain.uuid for domain in daemon.domains],
    )
    yield kept
    kept.close()
    workers.close()


def _started(inventory: Inventory) -> Inventory:
    inventory.start()
    assert inventory.wait_until_ready(20)
    return inventory


def _eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    ends_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.01)
    return True


def _retitle(domain: FakeDomain, title: str) -> None:
    domain.xml = XML.format(name=domain.name(), uuid=domain.uuid, title=title)


def test_a_guest_that_starts_appears_and_one_that_stops_goes(
    inventory: Inventory, daemon: FakeLibvirt, counts: EventCounts, ends: Ends
) -> None:
    """Its event is counted from the moment on that it is there, and forgotten with it; its end is kept."""
    _started(inventory)
    assert inventory.domains.keys() == {domain.uuid for domain in daemon.domains}
    new = FakeDomain("00000000-0000-4000-8000-0000000000aa")
    daemon.domains.append(new)
    daemon.happens(new, LIFECYCLE, *STARTED)
    assert _eventually(lambda: new.uuid in inventory.domains)
    assert counts.snapshot()[new.uuid] == {("started", "booted"): 1}
    daemon.domains.remove(new)
    daemon.happens(new, LIFECYCLE, *STOPPED)
    assert _eventually(lambda: new.uuid not in inventory.domains)
    assert new.uuid not in counts.snapshot()
    account = ends.account(kept_seconds=60, most=10)
    assert [(trace.uuid, trace.what) for trace in account.ended] == [(new.uuid, "shutdown_by_guest")]


@pytest.mark.parametrize("failing", ["lookupByUUIDString", "listAllDomains"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_change_is_known_although_libvirt_fails_when_it_is_looked_at(
    times: int, failing: str, inventory: Inventory, daemon: FakeLibvirt
) -> None:
    """Neither the event that met the failure is lost nor those behind it."""
    _started(inventory)
    daemon.failing = {failing: times, "lookupByUUIDString": 1}
    for domain in daemon.domains[:3]:
        _retitle(domain, "new")
        daemon.happens(domain, METADATA, 0, 0)
    assert _eventually(lambda: all(inventory.domains[one.uuid].title == "new" for one in daemon.domains[:3]))


def test_a_first_listing_that_fails_on_a_living_connection_is_made_again(
    inventory: Inventory, daemon: FakeLibvirt, states: list[str | None]
) -> None:
    """The failure is said, and then that it is over."""
    daemon.failing = {"listAllDomains": 2}
    _started(inventory)
    assert inventory.domains.keys() == {domain.uuid for domain in daemon.domains}
    assert _eventually(lambda: states[-1] is None)
    assert states[0] is not None
    assert "listAllDomains fails" in states[0]
    assert daemon.calls["listAllDomains"] == 3


def test_guests_that_access_rules_hide_keep_no_other_guest_from_the_inventory(
    inventory: Inventory, daemon: FakeLibvirt, states: list[str | None]
) -> None:
    """Their QEMUs are known from /proc, and libvirt refuses questions about them: it is up all the same."""
    for domain in daemon.domains[:3]:
        domain.hidden = True
    _started(inventory)
    assert inventory.domains.keys() == {domain.uuid for domain in daemon.domains[3:]}
    later = daemon.domains[5]
    later.hidden = True
    daemon.happens(later, METADATA, 0, 0)
    assert _eventually(lambda: later.uuid not in inventory.domains)
    assert set(states) == {None}


@pytest.mark.parametrize("locked", [1, 2, 3])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_a_start_shows_all_guests_but_those_that_libvirt_keeps_locked(
    *, locked: int, last: bool, inventory: Inventory, daemon: FakeLibvirt
) -> None:
    """Libvirt's own list waits for them; they follow once they are free, and only then all is verified."""
    held = daemon.domains[-locked:] if last else daemon.domains[:locked]
    for domain in held:
        domain.lock()
    _started(inventory)
    assert inventory.domains.keys() == {one.uuid for one in daemon.domains if one not in held}
    assert inventory.age is None
    daemon.free()
    assert _eventually(lambda: inventory.age is not None)
    assert inventory.domains.keys() == {domain.uuid for domain in daemon.domains}


def test_events_of_others_are_followed_while_a_guest_is_locked(
    inventory: Inventory, daemon: FakeLibvirt
) -> None:
    """The locked one stays known as it was, and its change is seen once it is free."""
    _started(inventory)
    held, other = daemon.domains[0], daemon.domains[1]
    held.lock()
    for domain in (held, other):
        _retitle(domain, "new")
        daemon.happens(domain, METADATA, 0, 0)
    assert _eventually(lambda: inventory.domains[other.uuid].title == "new")
    assert inventory.domains[held.uuid].title == ""
    held.free()
    assert _eventually(lambda: inventory.domains[held.uuid].title == "new")


def test_a_reboot_reads_no_definition(inventory: Inventory, daemon: FakeLibvirt, counts: EventCounts) -> None:
    """It changes none, and a guest may reboot as often as it likes."""
    _started(inventory)
    asked = daemon.calls["lookupByUUIDString"]
    for _ in range(100):
        daemon.happens(daemon.domains[0], REBOOT)
    uuid = daemon.domains[0].uuid
    assert _eventually(lambda: counts.snapshot().get(uuid) == {("reboot", ""): 100})
    assert daemon.calls["lookupByUUIDString"] == asked


def test_many_events_of_a_guest_cost_one_look(
    inventory: Inventory, daemon: FakeLibvirt, counts: EventCounts
) -> None:
    """Events that wait together are counted each, and the guest is looked at once for all of them."""
    _started(inventory)
    asked = daemon.calls["lookupByUUIDString"]
    busy, noisy = daemon.domains[0], daemon.domains[1]
    busy.lock()
    daemon.happens(busy, METADATA, 0, 0)
    assert _eventually(lambda: daemon.calls["lookupByUUIDString"] > asked)
    for _ in range(100):
        daemon.happens(noisy, METADATA, 0, 0)
    assert _eventually(lambda: counts.snapshot().get(noisy.uuid) == {("metadata_change", ""): 100})
    busy.free()
    assert daemon.calls["lookupByUUIDString"] - asked < 10


def test_a_running_guest_that_is_undefined_stays(inventory: Inventory, daemon: FakeLibvirt) -> None:
    """It has become transient; one that is gone goes."""
    _started(inventory)
    transient, gone = daemon.domains[0], daemon.domains[1]
    gone.end()
    for domain in (transient, gone):
        daemon.happens(domain, LIFECYCLE, *UNDEFINED)
    assert _eventually(lambda: gone.uuid not in inventory.domains)
    assert transient.uuid in inventory.domains


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<domain",
        "<domain/>",
        XML.format(name="x", uuid="another", title=""),
        "<a>" * 100_000,
        "\0",
        "&x;",
    ],
    ids=["empty", "cut", "bare", "another guest's", "deep", "NUL", "entity"],
)
def test_a_definition_that_cannot_be_read_costs_its_own_guest_the_definition(
    xml: str, inventory: Inventory, daemon: FakeLibvirt, caplog: pytest.LogCaptureFixture
) -> None:
    """The guest is known by name and UUID, the others whole; the log says so once."""
    daemon.domains[4].xml = xml
    _started(inventory)
    assert [one.uuid for one in inventory.domains.values() if not one.complete] == [daemon.domains[4].uuid]
    daemon.happens(daemon.domains[4], METADATA, 0, 0)
    _retitle(daemon.domains[5], "new")
    daemon.happens(daemon.domains[5], METADATA, 0, 0)
    assert _eventually(lambda: inventory.domains[daemon.domains[5].uuid].title == "new")
    assert sum("cannot be read" in record.message for record in caplog.records) == 1


def test_the_thread_outlives_an_unforeseen_error(
    inventory: Inventory, daemon: FakeLibvirt, states: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is raised, it is said, and the inventory goes on."""
    _started(inventory)
    raised = []

    def raises(*_: object) -> None:
        raised.append(True)
        monkeypatch.undo()
        raise MemoryError

    monkeypatch.setattr("hostcollector.guests.inventory.visit", raises)
    _retitle(daemon.domains[0], "new")
    daemon.happens(daemon.domains[0], METADATA, 0, 0)
    assert _eventually(lambda: inventory.domains[daemon.domains[0].uuid].title == "new")
    assert raised
    assert _eventually(lambda: states[-1] is None)
    assert any(why and "MemoryError" in why for why in states)


def test_a_silent_libvirt_is_said_and_followed_again(
    inventory: Inventory, daemon: FakeLibvirt, states: list[str | None]
) -> None:
    """The guests that are known stay until it answers."""
    _started(inventory)
    daemon.silence()
    daemon.happens(daemon.domains[0], METADATA, 0, 0)
    assert _eventually(lambda: bool(states[-1]) and "does not answer" in str(states[-1]))
    assert len(inventory.domains) == GUESTS
    _retitle(daemon.domains[0], "new")
    daemon.free()
    assert _eventually(lambda: inventory.domains[daemon.domains[0].uuid].title == "new")
    assert _eventually(lambda: states[-1] is None)


def test_a_guest_that_a_source_saw_is_looked_at(inventory: Inventory, daemon: FakeLibvirt) -> None:
    """One that is there appears, and one that is not does not."""
    _started(inventory)
    unannounced = FakeDomain("00000000-0000-4000-8000-0000000000aa")
    daemon.domains.append(unannounced)
    inventory.look_at("00000000-0000-4000-8000-0000000000bb")
    inventory.look_at(unannounced.uuid)
    assert _eventually(lambda: unannounced.uuid in inventory.domains)
    assert len(inventory.domains) == GUESTS + 1


def test_a_connection_that_is_lost_in_the_middle_of_a_look_loses_no_event(
    inventory: Inventory, daemon: FakeLibvirt
) -> None:
    """An error that is the connection's says nothing about the guest: it stays, and is looked at again."""
    _started(inventory)
    known = dict(inventory.domains)
    victim, other = daemon.domains[0], daemon.domains[1]
    for domain in (victim, other):
        _retitle(domain, "new")
    victim.refuses = True
    daemon.hung_up = True
    for domain in (victim, other):
        daemon.happens(domain, METADATA, 0, 0)
    time.sleep(0.3)
    assert inventory.domains.keys() == known.keys()
    assert all(domain.complete for domain in inventory.domains.values())
    victim.refuses = False
    daemon.hung_up = False
    both = (victim.uuid, other.uuid)
    assert _eventually(lambda: all(inventory.domains[uuid].title == "new" for uuid in both))


def test_what_was_under_way_when_events_were_lost_is_not_taken_to_go_on(
    daemon: FakeLibvirt, counts: EventCounts, ends: Ends
) -> None:
    """A guest that was arriving may have arrived meanwhile: its end much later is no failed arrival."""
    workers = Workers(Link("test:///default", opener=daemon.open))
    losses: list[None] = []
    inventory = _started(Inventory(workers, counts, ends=ends, on_loss=lambda: losses.append(None)))
    coming = FakeDomain("00000000-0000-4000-8000-0000000000aa")
    daemon.domains.append(coming)
    daemon.happens(coming, LIFECYCLE, *ARRIVING)
    assert _eventually(lambda: coming.uuid in inventory.domains)
    before, opened = len(losses), daemon.opened
    daemon.restart()
    assert _eventually(lambda: daemon.opened > opened and LIFECYCLE in daemon.callbacks)
    assert len(losses) > before
    daemon.domains.remove(coming)
    daemon.happens(coming, LIFECYCLE, *FAILED)
    assert _eventually(lambda: coming.uuid not in inventory.domains)
    assert [trace.what for trace in ends.account(kept_seconds=60, most=10).ended] == ["failed"]
    inventory.close()
    workers.close()


def test_a_guest_that_was_stopped_and_started_again_is_there_with_its_new_definition(
    inventory: Inventory, daemon: FakeLibvirt, counts: EventCounts
) -> None:
    """Events that wait together are taken in their order; the counts of the earlier life are gone."""
    _started(inventory)
    held, again = daemon.domains[0], daemon.domains[1]
    daemon.happens(again, REBOOT)
    held.lock()
    daemon.happens(held, METADATA, 0, 0)
    _retitle(again, "new")
    for event in (STOPPED, STARTED):
        daemon.happens(again, LIFECYCLE, *event)
    assert _eventually(lambda: inventory.domains.get(again.uuid, UNKNOWN).title == "new")
    assert counts.snapshot()[again.uuid] == {("started", "booted"): 1}


def test_an_event_that_comes_during_the_listing_is_not_undone_by_it(
    inventory: Inventory, daemon: FakeLibvirt
) -> None:
    """A list that libvirt made before a guest started does not take the guest away again."""
    daemon.domains[-1].lock()
    _started(inventory)
    new = FakeDomain("00000000-0000-4000-8000-0000000000aa")
    daemon.domains.append(new)
    daemon.happens(new, LIFECYCLE, *STARTED)
    assert _eventually(lambda: new.uuid in inventory.domains)
    daemon.free()
    assert _eventually(lambda: inventory.age is not None)
    assert new.uuid in inventory.domains


def test_an_end_in_the_middle_of_a_look_is_no_failure(
    daemon: FakeLibvirt, counts: EventCounts, states: list[str | None]
) -> None:
    """The workers are closed with the inventory: what that interrupts is not said to be libvirt's."""
    workers = Workers(Link("test:///default", opener=daemon.open))
    inventory = Inventory(workers, counts, on_state=states.append)
    _started(inventory)
    daemon.domains[0].lock()
    daemon.happens(daemon.domains[0], METADATA, 0, 0)
    inventory.close()
    workers.close()
    daemon.free()
    inventory._thread.join(20)
    assert not inventory._thread.is_alive()
    assert set(states) <= {None}
