"""A guest is on the page of one host only, whatever libvirt lists during a migration."""

from collections.abc import Iterator

import pytest

from hostcollector.guests.presence import Presence
from hostcollector.protocols.libvirt.events import DomainEvent

UUID = "11111111-1111-4111-8111-111111111111"
RUNNING, PAUSED = ("running", "booted"), ("paused", "user")
LEFT, UNREAD = ("paused", "migration"), ("", "")


class Host:
    """A host's presence with a clock of its own: each event and each look happens a second later."""

    def __init__(self) -> None:
        self._times: Iterator[float] = iter(range(1000))
        self.now = 0.0
        self.presence = Presence(lambda: self.now)

    def event(self, event: str, detail: str = "") -> None:
        """Let libvirt report an event."""
        self.now = next(self._times)
        self.presence.take(DomainEvent(uuid=UUID, name="web", event=event, detail=detail))

    def shows(self, state: tuple[str, str], *, age: float = 0.0) -> bool:
        """Whether the guest is here, with a state that was read `age` seconds ago."""
        self.now = next(self._times)
        return self.presence.is_here(UUID, *state, self.now - age)


def test_a_guest_that_was_never_seen_running_is_not_here() -> None:
    """A daemon that starts while libvirt does not answer shows nothing; a paused guest is here."""
    assert not Host().shows(UNREAD)
    assert Host().shows(RUNNING)
    assert Host().shows(PAUSED)


@pytest.mark.parametrize("reason", ["migration", "postcopy", "postcopy_failed", "starting_up"])
def test_a_daemon_that_starts_during_a_migration(reason: str) -> None:
    """Without any event the state says that the guest runs elsewhere, or not yet."""
    assert not Host().shows(("paused", reason))


def test_the_source_drops_the_guest_at_the_switch() -> None:
    """From the event on, also with an older collection, and while libvirt is stuck and lists it for ever."""
    source = Host()
    assert source.shows(RUNNING)
    source.event("suspended", "migrated")
    assert not source.shows(RUNNING, age=10)
    assert not source.shows(UNREAD)
    assert not source.shows(LEFT)
    source.event("stopped", "migrated")
    assert not source.shows(RUNNING, age=10)


def test_the_target_shows_the_guest_when_it_runs() -> None:
    """Not when its QEMU starts, but at the event that resumes it, also with an older collection."""
    target = Host()
    target.event("started", "migrated")
    assert not target.shows(LEFT)
    assert not target.shows(UNREAD)
    target.event("resumed", "migrated")
    assert target.shows(LEFT, age=10)
    assert target.shows(RUNNING)


def test_a_migration_that_fails() -> None:
    """The source shows the guest again, the target forgets it."""
    source, target = Host(), Host()
    source.event("suspended", "migrated")
    source.event("resumed", "migrated")
    assert source.shows(RUNNING)
    target.event("started", "migrated")
    target.event("stopped", "failed")
    assert not target.shows(UNREAD)


def test_a_guest_that_is_migrated_while_it_is_paused() -> None:
    """It arrives paused: the event after its start says so, and the source's end ends it there."""
    target = Host()
    target.event("started", "migrated")
    target.event("suspended", "paused")
    assert target.shows(PAUSED)


def test_a_pause_of_its_own_keeps_the_guest_on_the_page() -> None:
    """A disk error, a watchdog or the owner pauses it: its tenant must see that."""
    for detail in ("paused", "ioerror", "watchdog"):
        host = Host()
        host.event("started", "booted")
        host.event("suspended", detail)
        assert host.shows(("paused", detail)), detail


def test_the_owner_pauses_a_guest_that_has_left() -> None:
    """A late pause on the source does not bring it back there."""
    source = Host()
    source.event("suspended", "migrated")
    source.event("suspended", "paused")
    assert not source.shows(UNREAD)


def test_a_state_that_was_read_later_counts_more_than_an_event() -> None:
    """Events of a lost connection never arrive: the next collection makes up for them."""
    host = Host()
    host.event("suspended", "migrated")
    assert host.shows(RUNNING)
    assert not host.shows(LEFT)


def test_guests_that_are_gone_are_forgotten() -> None:
    """What libvirt does not list is forgotten, except a guest that is about to arrive."""
    host = Host()
    host.event("stopped", "destroyed")
    host.presence.keep_only([])
    host.event("started", "migrated")
    host.presence.keep_only([])
    assert not host.shows(UNREAD)
    host.event("resumed", "migrated")
    host.presence.keep_only([UUID])
    assert host.shows(UNREAD)
