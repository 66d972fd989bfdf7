"""The free lane reads every guest's state in one call, and around a guest whose lock libvirt holds."""

import time
from collections.abc import Iterator

import pytest

from hostcollector.base.definition import Domain
from hostcollector.base.errors import SourceTimeoutError, SourceUnavailableError
from hostcollector.base.model import Guest, Metric
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import guest, host
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.pool import Workers
from hostcollector.sources.libvirt_state import LibvirtState
from tests.fakes.libvirt import SHUT_OFF, FakeDomain, FakeLibvirt

GUESTS = 6


@pytest.fixture
def daemon() -> Iterator[FakeLibvirt]:
    """Give a daemon whose guests all go free at the end."""
    fake = FakeLibvirt(GUESTS)
    yield fake
    fake.free()


@pytest.fixture
def unknown_guests() -> list[str]:
    """Give the list of guests that the source did not know."""
    return []


@pytest.fixture
def source(daemon: FakeLibvirt, unknown_guests: list[str]) -> Iterator[LibvirtState]:
    """Give the source on that daemon."""
    workers = Workers(Link("test:///default", opener=daemon.open))
    yield LibvirtState(workers, unknown_guests.append)
    workers.close()


def _read(source: LibvirtState, domains: list[FakeDomain], budget: float = 8.0) -> Reading:
    guests = {
        domain.uuid: Guest(domain=Domain(uuid=domain.uuid, name=domain.uuid[-4:])) for domain in domains
    }
    return source.read(Request(guests=guests, deadline=time.monotonic() + budget, taken_at=time.time()))


def _told(reading: Reading, metric: Metric) -> set[str]:
    return {sample.uuid for sample in reading.samples if sample.metric is metric}


def _counts(reading: Reading) -> list[object]:
    return [sample.value for sample in reading.samples if sample.metric is host.DOMAINS]


def test_all_states_come_in_one_call(
    source: LibvirtState, daemon: FakeLibvirt, unknown_guests: list[str]
) -> None:
    """A guest that the inventory does not know is reported and has no series."""
    known, unknown = daemon.domains[:-1], daemon.domains[-1]
    reading = _read(source, known)
    assert (reading.partial, reading.notes) == (False, ())
    assert _told(reading, guest.STATE_REASON) == {domain.uuid for domain in known}
    assert _counts(reading) == [GUESTS + SHUT_OFF]
    assert unknown_guests == [unknown.uuid]


@pytest.mark.parametrize("count", [1, 3])
def test_locked_guests_cost_their_own_state_only(
    count: int, source: LibvirtState, daemon: FakeLibvirt
) -> None:
    """Also in the collection that meets them; libvirt's counts are absent, and all is back with the locks."""
    others, locked = daemon.domains[:-count], daemon.domains[-count:]
    for domain in locked:
        domain.lock()
    for _ in range(2):
        reading = _read(source, daemon.domains)
        assert _told(reading, guest.STATE_REASON) == {domain.uuid for domain in others}
        assert reading.partial
        assert all(repr(domain.uuid[-4:]) in reading.notes[0] for domain in locked)
        assert _counts(reading) == []
    daemon.free()
    ends_at = time.monotonic() + 20
    while (reading := _read(source, daemon.domains)).partial:
        assert time.monotonic() < ends_at, "the freed guests are not read again"
    assert _told(reading, guest.STATE_REASON) == {domain.uuid for domain in daemon.domains}


def test_a_locked_guest_that_is_not_known_yet_costs_no_other_state(
    source: LibvirtState, daemon: FakeLibvirt
) -> None:
    """It is being started: the call for all waits for it, and those that are known are shown."""
    daemon.domains[-1].lock()
    reading = _read(source, daemon.domains[:-1])
    assert _told(reading, guest.STATE_REASON) == {domain.uuid for domain in daemon.domains[:-1]}
    assert "not known yet" in reading.notes[0]


def test_a_start_beside_a_locked_guest_waits_no_longer_than_its_patience(
    source: LibvirtState, daemon: FakeLibvirt
) -> None:
    """While no guest is known yet libvirt is not called silent, and nothing is shown of any guest."""
    daemon.domains[-1].lock()
    began = time.monotonic()
    reading = _read(source, [], budget=60.0)
    assert time.monotonic() - began < 30
    assert (reading.partial, reading.samples) == (True, [])
    assert "not known yet" in reading.notes[0]


def test_a_silent_libvirt_is_no_page_without_states(source: LibvirtState, daemon: FakeLibvirt) -> None:
    """When nothing answers the source fails, and says what to look at."""
    daemon.silence()
    for _ in range(2):
        with pytest.raises(SourceTimeoutError, match="does not answer"):
            _read(source, daemon.domains, budget=4.0)


def test_a_libvirt_that_keeps_everyone_locked_is_not_called_silent(
    source: LibvirtState, daemon: FakeLibvirt
) -> None:
    """It answers what needs no guest: the guests hold up the calls, and that is what is said."""
    for domain in daemon.domains:
        domain.lock()
    with pytest.raises(SourceTimeoutError, match="keeps so many guests locked"):
        _read(source, daemon.domains)


@pytest.mark.parametrize("locked", [2, 3])
def test_locked_guests_in_front_of_all_others_cost_their_own_state_only(
    locked: int, source: LibvirtState, daemon: FakeLibvirt
) -> None:
    """Also when the first questions of all hang, libvirt is asked on."""
    for domain in daemon.domains[:locked]:
        domain.lock()
    reading = _read(source, daemon.domains)
    assert _told(reading, guest.STATE_REASON) == {domain.uuid for domain in daemon.domains[locked:]}


def test_a_libvirt_that_hangs_up_in_the_middle_does_not_make_guests_gone(
    source: LibvirtState, daemon: FakeLibvirt
) -> None:
    """What was asked on a connection that is closed by now says nothing about the guest."""
    starting, *known = daemon.domains
    starting.lock()
    known[1].end()
    daemon.hung_up = True
    with pytest.raises(SourceUnavailableError, match="was lost"):
        _read(source, known)
