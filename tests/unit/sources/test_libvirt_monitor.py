"""The monitor lane reads around guests that hang, with few stuck calls and none in vain."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hostcollector.base.definition import Disk, Domain
from hostcollector.base.model import Guest, Histogram, Metric
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import block, collection, job
from hostcollector.guests.halts import Halts
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.libvirt.budget import LIBVIRTD_WORKERS, MONITOR_CALLS, NEVER_TAKEN, SINGLE_CALLS
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.pool import Workers
from hostcollector.sources.libvirt_monitor import GREATEST_WIDTH, LEAST_WIDTH, LibvirtMonitor, Memory
from hostcollector.sources.libvirt_monitor.job_history import JobHistory
from tests.fakes.libvirt import FakeDomain, FakeLibvirt
from tests.fakes.procfs import Procfs

GUESTS = 20


@pytest.fixture
def daemon() -> Iterator[FakeLibvirt]:
    """Give a daemon whose guests all go free at the end."""
    fake = FakeLibvirt(GUESTS)
    yield fake
    fake.free()


@pytest.fixture
def procfs(daemon: FakeLibvirt, tmp_path: Path) -> Procfs:
    """Give a /proc in which the QEMU of each guest sleeps, as one does that waits for work."""
    procfs = Procfs(tmp_path)
    for number, domain in enumerate(daemon.domains):
        procfs.qemu(1000 + number, domain.uuid, domain.name())
    return procfs


@pytest.fixture
def workers(daemon: FakeLibvirt) -> Iterator[Workers]:
    """Give the workers on that daemon."""
    workers = Workers(Link("test:///default", opener=daemon.open))
    yield workers
    workers.close()


@pytest.fixture
def source(workers: Workers, procfs: Procfs) -> LibvirtMonitor:
    """Give the source on that daemon."""
    return _source(workers, procfs)


def _source(workers: Workers, procfs: Procfs, width: int = LEAST_WIDTH) -> LibvirtMonitor:
    memory = Memory(workers.monitors, Halts(procfs.root), JobHistory(time.monotonic))
    return LibvirtMonitor(memory, QemuProcesses(procfs.root), width=width)


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
    hung: int, source: LibvirtMonitor, daemon: FakeLibvirt, workers: Workers
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
        assert workers.stuck_calls <= MONITOR_CALLS
    # The first collection probed them before they hung.
    blocked = _values(_read(source, daemon), collection.MONITOR_BLOCKED)
    assert all(blocked[domain.uuid] > 0.5 for domain in victims)
    assert [domain.calls for domain in victims] == [1] * hung


def test_the_widest_source_leaves_workers_for_the_rest(
    daemon: FakeLibvirt, workers: Workers, procfs: Procfs
) -> None:
    """Also with a hung guest in each of its calls at once the others are complete."""
    monitor = _source(workers, procfs, width=GREATEST_WIDTH)
    victims = daemon.domains[:3]
    for domain in victims:
        domain.stick()
    assert _complete(_read(monitor, daemon)) == _all_but(daemon, *victims)


def test_a_hung_guest_comes_back_complete(
    source: LibvirtMonitor, daemon: FakeLibvirt, workers: Workers
) -> None:
    """Once it answers, its stuck call is forgotten and the guest is read again; no worker is lost."""
    daemon.domains[3].stick()
    _read(source, daemon)
    daemon.free()
    _read_until_complete(source, daemon)
    assert workers.stuck_calls == 0
    assert daemon.opened <= MONITOR_CALLS


def test_a_guest_whose_lock_is_held_is_left_alone(
    source: LibvirtMonitor, daemon: FakeLibvirt, workers: Workers
) -> None:
    """A guest that does not even answer the probe costs one stuck call, not one per collection."""
    daemon.domains[7].lock()
    for reading in [_read(source, daemon) for _ in range(3)]:
        assert _complete(reading) == _all_but(daemon, daemon.domains[7])
        assert workers.stuck_calls == 1
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


def test_the_deadline_holds_when_everything_hangs(
    source: LibvirtMonitor, daemon: FakeLibvirt, workers: Workers
) -> None:
    """With all guests hung the source still answers in time, with a bounded number of stuck calls."""
    for domain in daemon.domains:
        domain.stick()
    for _ in range(2):
        reading = _read(source, daemon, budget=6)
        assert _complete(reading) == set()
        assert workers.stuck_calls <= MONITOR_CALLS


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
    assert set(_values(reading, job.TYPE)) == _all_but(daemon)


def _halt(procfs: Procfs, daemon: FakeLibvirt, *hung: FakeDomain, state: str = "T") -> None:
    for number, domain in enumerate(daemon.domains):
        if domain in hung:
            domain.stick()
            procfs.qemu(1000 + number, domain.uuid, domain.name(), state=state)


@pytest.mark.parametrize("state", ["T", "t", "D"])
@pytest.mark.parametrize("hung", [5, 9, 10, 15, GUESTS - 1])
def test_halted_qemus_are_not_asked_however_many_there_are(
    hung: int, state: str, source: LibvirtMonitor, daemon: FakeLibvirt, procfs: Procfs, workers: Workers
) -> None:
    """No call gets stuck; the halted ones are marked with for how long, the others are complete."""
    victims = daemon.domains[-hung:]
    _halt(procfs, daemon, *victims, state=state)
    for reading in (_read(source, daemon), _read(source, daemon)):
        assert _complete(reading) == _all_but(daemon, *victims)
        timed_out = {uuid for uuid, value in _values(reading, collection.TIMED_OUT).items() if value}
        assert timed_out == {domain.uuid for domain in victims}
        assert workers.stuck_calls == 0
    blocked = _values(reading, collection.MONITOR_BLOCKED)
    assert all(blocked[domain.uuid] > 0 for domain in victims)
    assert reading.missing == hung
    assert "state T or D" in reading.notes[0]
    assert [domain.calls for domain in victims] == [0] * hung


def test_a_qemu_that_waits_for_a_disk_for_a_moment_is_asked(
    source: LibvirtMonitor, daemon: FakeLibvirt, procfs: Procfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """State D at one look is ordinary: only a QEMU that is in it at the next look too is left out."""
    domain = daemon.domains[4]
    procfs.qemu(1004, domain.uuid, domain.name(), state="D")
    monkeypatch.setattr(time, "sleep", lambda _seconds: procfs.qemu(1004, domain.uuid, domain.name()))
    reading = _read(source, daemon)
    assert _complete(reading) == _all_but(daemon)
    assert not reading.partial


@pytest.mark.parametrize("hung", [9, 12, GUESTS - 1])
def test_qemus_that_go_on_are_asked_however_many_hang_in_silence(
    hung: int, source: LibvirtMonitor, daemon: FakeLibvirt, procfs: Procfs
) -> None:
    """A main thread that wakes is no hang, although the guest could not be asked and looked asleep."""
    victims = daemon.domains[-hung:]
    _read(source, daemon)
    for domain in victims:
        domain.stick()
    _read(source, daemon)
    for number, domain in enumerate(daemon.domains):
        if domain not in victims:
            _wake(procfs, 1000 + number)
    assert _complete(_read(source, daemon)) == _all_but(daemon, *victims)


def _wake(procfs: Procfs, pid: int) -> None:
    status = procfs.root / f"proc/{pid}/task/{pid}/status"
    status.write_text(
        status.read_text().replace("voluntary_ctxt_switches:\t7", "voluntary_ctxt_switches:\t8")
    )


def test_halted_qemus_are_known_as_such_over_a_reload(
    source: LibvirtMonitor, daemon: FakeLibvirt, procfs: Procfs, workers: Workers
) -> None:
    """The successor goes on to say for how long they have been halted, and asks none of them."""
    _halt(procfs, daemon, *daemon.domains[:10])
    memory = Memory(workers.monitors, Halts(procfs.root), JobHistory(time.monotonic))
    _read(LibvirtMonitor(memory, QemuProcesses(procfs.root)), daemon)
    time.sleep(0.3)
    reading = _read(LibvirtMonitor(memory, QemuProcesses(procfs.root)), daemon)
    assert _complete(reading) == _all_but(daemon, *daemon.domains[:10])
    assert _values(reading, collection.MONITOR_BLOCKED)[daemon.domains[0].uuid] >= 0.3
    assert workers.stuck_calls == 0


def test_reloads_and_restarts_add_no_stuck_calls(daemon: FakeLibvirt, procfs: Procfs) -> None:
    """Guests in which an earlier process's call is stuck are occupied: the next process asks the others."""
    victims = daemon.domains[:6]
    for domain in victims:
        domain.stick()
    everyone = []
    for _ in range(4):
        workers = Workers(Link("test:///default", opener=daemon.open))
        everyone.append(workers)
        for _ in range(2):
            assert _complete(_read(_source(workers, procfs), daemon)) == _all_but(daemon, *victims)
    assert [workers.stuck_calls for workers in everyone] == [6, 0, 0, 0]
    assert [domain.calls for domain in victims] == [1] * 6
    for workers in everyone:
        workers.close()


@pytest.mark.parametrize("hung", [9, 12, 15, GUESTS - 1])
def test_more_guests_that_hang_unseen_than_workers_take_no_other_series_for_good(
    hung: int, source: LibvirtMonitor, daemon: FakeLibvirt, workers: Workers
) -> None:
    """A QEMU that hangs while it seems to run costs a worker; those that answered are read with the last."""
    assert _complete(_read(source, daemon)) == _all_but(daemon)
    victims = daemon.domains[:hung]
    for domain in victims:
        domain.stick()
    readings = [_read(source, daemon) for _ in range(3)]
    assert workers.stuck_calls < MONITOR_CALLS
    read = [_complete(reading) for reading in readings]
    assert read[0] <= read[1] <= read[2] <= _all_but(daemon, *victims)
    blamed = {uuid for uuid, value in _values(readings[2], collection.TIMED_OUT).items() if value}
    assert blamed <= {domain.uuid for domain in victims}


def test_a_guest_that_was_not_asked_is_not_blamed(
    source: LibvirtMonitor, daemon: FakeLibvirt, workers: Workers
) -> None:
    """Its series are incomplete, the reading is partial and says why; its own monitor is not said to hang."""
    workers.budget.foreign = 99
    for domain in daemon.domains[:-1]:
        domain.occupy()
    time.sleep(0.8)
    reading = _read(source, daemon)
    innocent = daemon.domains[-1].uuid
    assert _values(reading, collection.TIMED_OUT)[innocent] == 0
    assert _values(reading, collection.STATS_PARTIAL)[innocent] == 1
    assert _values(reading, collection.MONITOR_BLOCKED)[innocent] == 0
    assert reading.partial
    assert any("was not asked" in note for note in reading.notes)


@pytest.mark.parametrize("occupied", [6, 13])
def test_the_last_two_workers_of_libvirt_are_never_taken(
    occupied: int, daemon: FakeLibvirt, procfs: Procfs
) -> None:
    """Calls of other clients count: however many guests hang, so many calls of ours and theirs are stuck."""
    for domain in daemon.domains[:occupied]:
        domain.occupy()
    time.sleep(0.8)
    for domain in daemon.domains[occupied:]:
        domain.stick()
    workers = Workers(Link("test:///default", opener=daemon.open))
    _read(_source(workers, procfs), daemon)
    assert occupied + workers.stuck_calls + SINGLE_CALLS <= LIBVIRTD_WORKERS - NEVER_TAKEN
    workers.close()


def test_a_guest_without_counted_disks_is_asked_once_and_whole(
    source: LibvirtMonitor, daemon: FakeLibvirt
) -> None:
    """A vhost-user disk never has counters: that is a fact, and no trouble."""
    domain = daemon.domains[0]
    domain.counts = False
    disks = (Disk(target="vda", type="vhostuser"),)
    guests = {domain.uuid: Guest(domain=Domain(uuid=domain.uuid, name="vm", disks=disks))}
    for asked in (1, 2):
        reading = source.read(Request(guests=guests, deadline=time.monotonic() + 5, taken_at=time.time()))
        assert domain.calls == asked
        assert not reading.partial
        assert _values(reading, collection.STATS_PARTIAL) == {domain.uuid: 0}
        assert set(_values(reading, job.TYPE)) == {domain.uuid}
        assert reading.notes == ("guest 'vm' has no disk that QEMU counts for: their data passes QEMU by",)


def test_a_command_line_that_hangs_holds_no_monitor_up(
    source: LibvirtMonitor, daemon: FakeLibvirt, procfs: Procfs
) -> None:
    """The kernel may let a reader wait for ever: monitors are then asked without a look in /proc."""
    file = procfs.root / "proc/1003/cmdline"
    file.unlink()
    os.mkfifo(file)
    for _ in range(2):
        reading = _read(source, daemon)
        assert _complete(reading) == _all_but(daemon)
        assert not reading.partial
    os.close(os.open(file, os.O_RDWR | os.O_NONBLOCK))


def test_processes_that_cannot_be_seen_leave_libvirt_s_own_word(
    workers: Workers, daemon: FakeLibvirt, tmp_path: Path
) -> None:
    """Without a /proc that can be read guests that hang cost a call each, and other guests nothing."""
    victims = daemon.domains[:5]
    for domain in victims:
        domain.stick()
    reading = _read(_source(workers, Procfs(tmp_path / "hidden")), daemon)
    assert _complete(reading) == _all_but(daemon, *victims)
    assert workers.stuck_calls == len(victims)


def test_two_collectors_share_the_workers_during_a_reload(
    daemon: FakeLibvirt, procfs: Procfs, workers: Workers
) -> None:
    """The old one reads its last page while the new one reads its first; each of them is complete."""
    for domain in daemon.domains[:3]:
        domain.stick()
    memory = Memory(workers.monitors, Halts(procfs.root), JobHistory(time.monotonic))
    sources = [LibvirtMonitor(memory, QemuProcesses(procfs.root)) for _ in range(2)]
    for source in sources:
        _read(source, daemon)
    with ThreadPoolExecutor() as pool:
        for _ in range(10):
            readings = list(pool.map(lambda source: _read(source, daemon), sources))
            assert [_complete(reading) for reading in readings] == [_all_but(daemon, *daemon.domains[:3])] * 2
    assert workers.stuck_calls == 3


def test_a_guest_that_ends_and_one_that_starts_between_two_readings_cost_no_other(
    source: LibvirtMonitor, daemon: FakeLibvirt
) -> None:
    """One that is new has not answered before: it is asked in the second round of the same reading."""
    _read(source, daemon)
    ended = daemon.domains.pop()
    ended.end()
    daemon.domains.append(FakeDomain("00000000-0000-4000-8000-00000000ffff"))
    assert _complete(_read(source, daemon)) == _all_but(daemon)


@pytest.mark.parametrize("state", ["R", "S", "Z", "X", "I"])
def test_other_states_of_a_process_do_not_keep_a_monitor_from_being_asked(
    state: str, source: LibvirtMonitor, daemon: FakeLibvirt, procfs: Procfs
) -> None:
    """A QEMU that runs, sleeps or is ending answers its monitor, or libvirt says at once that it is gone."""
    for number, domain in enumerate(daemon.domains):
        procfs.qemu(1000 + number, domain.uuid, domain.name(), state=state)
    assert _complete(_read(source, daemon)) == _all_but(daemon)


def test_a_qemu_that_goes_on_and_is_halted_again_is_blocked_since_then(
    source: LibvirtMonitor, daemon: FakeLibvirt, procfs: Procfs
) -> None:
    """What it was blocked before does not count, also where no other guest hung in between."""
    victim = daemon.domains[0]
    _halt(procfs, daemon, victim)
    _read(source, daemon)
    time.sleep(0.5)
    procfs.qemu(1000, victim.uuid, victim.name())
    daemon.free()
    assert _complete(_read(source, daemon)) == _all_but(daemon)
    _halt(procfs, daemon, victim)
    assert _values(_read(source, daemon), collection.MONITOR_BLOCKED)[victim.uuid] == 0


@pytest.mark.parametrize("hung", [0, 1])
def test_a_look_by_hand_reads_the_others_with_two_workers(
    hung: int, daemon: FakeLibvirt, procfs: Procfs
) -> None:
    """It knows nothing of last time, and has one worker for a guest that hangs and one for all others."""
    victims = daemon.domains[3 : 3 + hung]
    for domain in victims:
        domain.stick()
    workers = Workers(Link("test:///default", opener=daemon.open), by_hand=True)
    assert _complete(_read(_source(workers, procfs), daemon)) == _all_but(daemon, *victims)
    assert workers.stuck_calls == hung
    workers.close()
