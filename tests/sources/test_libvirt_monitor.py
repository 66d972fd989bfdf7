"""The monitor lane reads around guests that hang, with few stuck calls and none in vain."""

import time
from collections.abc import Iterator

import pytest

from hostcollector.catalogue import block, collection, guest
from hostcollector.libvirt_calls.pool import MOST_WORKERS
from hostcollector.libvirt_link import Link
from hostcollector.model import Domain, Guest, Histogram, Metric
from hostcollector.sources.base import Reading, Request
from hostcollector.sources.libvirt_monitor import GREATEST_WIDTH, LibvirtMonitor
from tests.fakes.libvirt import FakeDomain, FakeLibvirt

GUESTS = 20


@pytest.fixture
def daemon() -> Iterator[FakeLibvirt]:
    """Give a daemon whose guests all go free at the end."""
    fake = FakeLibvirt(GUESTS)
    yield fake
    fake.free()


@pytest.fixture
def source(daemon: FakeLibvirt) -> Iterator[LibvirtMonitor]:
    """Give the source on that daemon."""
    monitor = LibvirtMonitor(Link("test:///default", opener=daemon.open))
    yield monitor
    monitor.close()


def _read(source: LibvirtMonitor, daemon: FakeLibvirt, budget: float = 8.0) -> Reading:
    guests = {
        domain.uuid: Guest(domain=Domain(uuid=domain.uuid, name=domain.uuid[-4:]))
        for domain in daemon.domains
    }
    return source.read(Request(guests=guests, deadline=time.monotonic() + budget, taken_at=time.time()))


def _read_until_complete(source: LibvirtMonitor, daemon: FakeLibvirt) -> Reading:
    """Return the first reading with all guests; a freed call returns when its thread is next scheduled."""
    ends_at = time.monotonic() + 20
    while _complete(reading := _read(source, daemon)) != _all_but(daemon):
        assert time.monotonic() < ends_at, "the freed guests are not read again"
        time.sleep(0.01)
    return reading


def _values(reading: Reading, metric: Metric) -> dict[str, float]:
    found = ((sample.uuid, sample.value) for sample in reading.samples if sample.metric is metric)
    return {uuid: value for uuid, value in found if not isinstance(value, Histogram)}


def _complete(reading: Reading) -> set[str]:
    return set(_values(reading, block.READ_BYTES))


def _all_but(daemon: FakeLibvirt, *hung: FakeDomain) -> set[str]:
    return {domain.uuid for domain in daemon.domains if domain not in hung}


def test_every_guest_is_read_when_all_answer(source: LibvirtMonitor, daemon: FakeLibvirt) -> None:
    """Each guest is asked once, and none is marked."""
    reading = _read(source, daemon)
    assert _complete(reading) == _all_but(daemon)
    assert set(_values(reading, collection.TIMED_OUT).values()) == {0.0}
    assert [domain.calls for domain in daemon.domains] == [1] * GUESTS
    assert not reading.partial


@pytest.mark.parametrize("hung", [1, 5, 8])
def test_hung_guests_cost_only_themselves_already_when_they_are_met(
    hung: int, source: LibvirtMonitor, daemon: FakeLibvirt
) -> None:
    """Also the collection that meets several hung guests for the first time has all the others complete."""
    victims = daemon.domains[:hung]
    for domain in victims:
        domain.stick()
    for reading in (_read(source, daemon), _read(source, daemon)):
        assert _complete(reading) == _all_but(daemon, *victims)
        timed_out = {uuid for uuid, value in _values(reading, collection.TIMED_OUT).items() if value}
        assert timed_out == {domain.uuid for domain in victims}
        assert reading.partial
        assert _values(reading, collection.LIBVIRT_STUCK_CALLS)[""] <= MOST_WORKERS
    # The first collection probed them before they hung.
    blocked = _values(_read(source, daemon), collection.MONITOR_BLOCKED)
    assert all(blocked[domain.uuid] > 0.5 for domain in victims)
    assert [domain.calls for domain in victims] == [1] * hung


def test_the_widest_source_leaves_workers_for_the_rest(daemon: FakeLibvirt) -> None:
    """Also with a hung guest in each of its calls at once the others are complete."""
    monitor = LibvirtMonitor(Link("test:///default", opener=daemon.open), width=GREATEST_WIDTH)
    victims = daemon.domains[:3]
    for domain in victims:
        domain.stick()
    assert _complete(_read(monitor, daemon)) == _all_but(daemon, *victims)
    monitor.close()


def test_a_hung_guest_comes_back_complete(source: LibvirtMonitor, daemon: FakeLibvirt) -> None:
    """Once it answers, its stuck call is forgotten and the guest is read again; no worker is lost."""
    daemon.domains[3].stick()
    _read(source, daemon)
    daemon.free()
    reading = _read_until_complete(source, daemon)
    assert _values(reading, collection.LIBVIRT_STUCK_CALLS)[""] == 0
    assert daemon.opened <= MOST_WORKERS


def test_a_guest_whose_lock_is_held_is_left_alone(source: LibvirtMonitor, daemon: FakeLibvirt) -> None:
    """A guest that does not even answer the probe costs two stuck calls, not two per collection."""
    daemon.domains[7].lock()
    for reading in [_read(source, daemon) for _ in range(3)]:
        assert _complete(reading) == _all_but(daemon, daemon.domains[7])
        assert _values(reading, collection.LIBVIRT_STUCK_CALLS)[""] == 2
        assert daemon.domains[7].uuid not in _values(reading, collection.MONITOR_STATE)


@pytest.mark.parametrize("first", [0, GUESTS - 5])
def test_guests_that_are_being_started_cost_only_themselves(
    first: int, source: LibvirtMonitor, daemon: FakeLibvirt
) -> None:
    """Several guests whose locks are held are no silent libvirt: what the others said is not thrown away."""
    starting = daemon.domains[first : first + 5]
    for domain in starting:
        domain.lock()
    for _ in range(2):
        reading = _read(source, daemon)
        assert _complete(reading) == _all_but(daemon, *starting)
        marked = {uuid for uuid, value in _values(reading, collection.TIMED_OUT).items() if value}
        assert marked == {domain.uuid for domain in starting}
    for domain in starting:
        domain.free()
    _read_until_complete(source, daemon)


def test_a_guest_that_was_stepped_over_while_its_monitor_is_free_is_asked_again(
    source: LibvirtMonitor, daemon: FakeLibvirt
) -> None:
    """Two calls that meet at a guest cost it nothing: NOWAIT steps over it only for that moment."""
    for domain in daemon.domains[::3]:
        domain.meet()
    daemon.domains[0].meet()
    reading = _read(source, daemon)
    assert _complete(reading) == _all_but(daemon)
    assert set(_values(reading, collection.STATS_PARTIAL).values()) == {0.0}


def test_the_deadline_holds_when_everything_hangs(source: LibvirtMonitor, daemon: FakeLibvirt) -> None:
    """With all guests hung the source still answers in time, with a bounded number of stuck calls."""
    for domain in daemon.domains:
        domain.stick()
    for _ in range(2):
        reading = _read(source, daemon, budget=2.5)
        assert _complete(reading) == set()
        assert _values(reading, collection.LIBVIRT_STUCK_CALLS)[""] <= MOST_WORKERS


def test_a_guest_that_is_gone_leaves_no_mark(source: LibvirtMonitor, daemon: FakeLibvirt) -> None:
    """A guest that vanished between listing and reading is absent without being blamed."""
    gone = daemon.domains.pop()
    daemon.domains.append(FakeDomain("00000000-0000-4000-8000-00000000ffff"))
    guests = {uuid: Guest(domain=Domain(uuid=uuid, name="x")) for uuid in (gone.uuid, daemon.domains[0].uuid)}
    reading = source.read(Request(guests=guests, deadline=time.monotonic() + 5, taken_at=0.0))
    assert gone.uuid not in _values(reading, collection.TIMED_OUT)
    assert _complete(reading) == {daemon.domains[0].uuid}


def test_a_guest_that_answers_again_has_its_job_at_once(source: LibvirtMonitor, daemon: FakeLibvirt) -> None:
    """Jobs are looked for now and then; who was not there at the last look is asked at once."""
    daemon.domains[3].stick()
    _read(source, daemon)
    daemon.free()
    reading = _read_until_complete(source, daemon)
    assert set(_values(reading, guest.JOB_TYPE)) == _all_but(daemon)
