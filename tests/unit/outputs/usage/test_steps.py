"""What single steps of the accounts are there for: each is missed by a test here when it is taken out."""

from functools import partial

import pytest

from hostcollector.catalogue.usage import Ended, HourClosed, UsageRecord, Why
from hostcollector.outputs.usage.books import Books, Round
from hostcollector.outputs.usage.reading import SECOND, Moment, Reading
from tests.unit.outputs.usage.world import START, World, total, vm_name

A = vm_name(0)
BEGUN = START + SECOND


@pytest.mark.parametrize("seen", [True, False])
def test_the_meter_of_a_device_that_was_taken_away_is_not_waited_for(*, seen: bool) -> None:
    """Without its only interface a VM is still read whole, with libvirt's event about it or without."""
    world = World()
    world.start(0)
    nics = {"tap0": 5}
    for number in range(10):
        if number == 4:
            nics = {}
            if seen:
                world.books.unplugged(A, "tap0")
        world.pass_time(30)
        counters = {"disk_reads": {"vda": number}, **({"network_received_packets": nics} if nics else {})}
        present = partial(tuple, ("vda", *nics))
        reading = Reading(qemu="1", started=BEGUN, counters=counters, devices=present)
        world.books.take(Round(at=world.now.wall, now=world.now, readings={A: reading}, here={A}))
    life = world.books.account.lives[A]
    assert (life.gaps, life.observed, life.read) == ([], 300, world.now.wall)
    assert life.totals["network_received_packets"] == 5


def test_the_meter_of_a_present_device_that_is_not_read_makes_the_reading_incomplete() -> None:
    """What an interface counts is not seen while only the disks are read, and the time is stated."""
    world = World()
    world.start(0)
    for number in range(4):
        world.pass_time(20)
        counters = {
            "disk_reads": {"vda": number},
            **({"rdma_received_bytes": {"vf": 5}} if number < 2 else {}),
        }
        reading = Reading(qemu="1", started=BEGUN, counters=counters, devices=lambda: ("vda", "vf"))
        world.books.take(Round(at=world.now.wall, now=world.now, readings={A: reading}, here={A}))
    world.books.ended(A, world.now, Ended.CRASH)
    world.pass_time(1)
    world.vms.clear()
    world.read()
    (record,) = [line for line in world.ledger if not isinstance(line, HourClosed)]
    assert (record.meters["rdma_received_bytes"], record.unseen_seconds) == (5, 40)


def running(records: list[UsageRecord], vm: str) -> list[tuple[int, int]]:
    """Return when a VM ran, by all of its records, in their sequence in time."""
    return sorted(interval for record in records if record.vm == vm for interval in record.running)


@pytest.mark.parametrize("again", [0, -200])
def test_a_vm_that_starts_while_the_clock_catches_up_counts_no_second_twice(again: int) -> None:
    """Its seconds count from where the clock was before it was set back, once or twice; its bytes at once."""
    world = World()
    world.start(0)
    world.pass_time(600, 5)
    world.read()
    world.set_clock(-300)
    world.read()
    world.pass_time(10)
    world.set_clock(again)
    world.read()
    world.stop(0)
    world.pass_time(10)
    world.read()
    world.start(0)
    world.pass_time(30, 7)
    world.read()
    world.pass_time(1000, 7)
    world.read()
    records = world.end()
    first, *_, last = running(records, A)
    assert first == (BEGUN // SECOND, BEGUN // SECOND + 600)
    assert last[0] == first[1]
    assert total(records, "disk_written_bytes") == 5 + 14


def test_a_clock_that_is_behind_after_a_boot_counts_no_second_twice() -> None:
    """A host whose clock has lost its battery: what was counted before the boot is not counted again."""
    world = World()
    world.start(0)
    world.pass_time(600)
    world.read()
    account = world.books.account
    booted = Moment(world.now.wall - 300 * SECOND, 20 * SECOND)
    world.books = Books(account, booted, "another boot", world._life)
    world.now = booted
    world.vms.clear()
    world.read()
    world.start(0)
    for _ in range(20):
        world.pass_time(30)
        world.read()
    first, second = running(world.end(), A)
    assert first[1] == second[0]
    assert second[1] == booted.wall // SECOND + 600


def test_a_reboot_before_a_missed_reading_goes_on_in_the_next_one() -> None:
    """The second life begins at the reboot, also where the collection after it could not read the VM."""
    world = World()
    world.start(0)
    world.read()
    world.pass_time(10, 10)
    world.reboot(0)
    world.pass_time(5, 5)
    world.read(unread=(A,))
    world.pass_time(15, 15)
    world.read()
    records = world.end()
    assert [record.ended for record in records] == [Ended.REBOOT, Ended.SHUTDOWN]
    for meter in ("running_seconds", "disk_written_bytes"):
        assert [record.meters[meter] for record in records] == [10, 20]


def test_another_qemu_is_another_life_whatever_its_counters_say() -> None:
    """A VM that was stopped and started unseen has counters from 0, even if they are higher than the old."""
    world = World()
    world.start(0)
    world.pass_time(30, 100)
    world.read()
    world.stop(0, seen=False)
    world.start(0)
    world.pass_time(30, 500)
    world.read()
    records = world.end()
    assert len({record.life for record in records}) == 2
    assert total(records, "disk_written_bytes") == 600


def test_counters_go_on_when_a_life_begins_in_a_qemu_that_had_one() -> None:
    """A guest that was away for another host, and is here again, has been counted until then."""
    world = World()
    books = world.books

    def take(raw: int, *, here: bool = True) -> None:
        world.pass_time(10)
        reading = Reading(here=here, qemu="1", started=BEGUN, counters={"disk_reads": {"vda": raw}})
        books.take(Round(at=world.now.wall, now=world.now, readings={A: reading}, here={A}))

    books.started(A, world.now, incoming=False)
    take(100)
    books.ended(A, world.now, Ended.MIGRATED)
    take(100, here=False)
    take(130)
    take(150)
    first, *_ = books.account.lines
    assert isinstance(first, UsageRecord)
    assert first.meters["disk_reads"] + books.account.lives[A].totals["disk_reads"] == 150


def test_an_hour_waits_for_a_vm_that_is_not_read() -> None:
    """What is read within five minutes is divided between the hours, and nothing is a gap."""
    world = World()
    world.start(0)
    for seconds in (*[30] * 59, 20):
        world.pass_time(seconds)
        world.read()
    world.pass_time(20, 100)
    world.read(unread=(A,))
    assert world.ledger == []
    world.pass_time(20, 100)
    world.read()
    (record, closed) = world.ledger
    assert isinstance(record, UsageRecord)
    assert (record.gaps, record.meters["disk_written_bytes"]) == ((), 50)
    assert isinstance(closed, HourClosed)


def test_a_closed_hour_gets_no_record() -> None:
    """A VM that could not be read for so long that its first hour was closed counts from the next hour on."""
    world = World()
    world.pass_time(1700)
    world.read()
    world.start(0)
    for _ in range(20):
        world.pass_time(30, 1)
        world.read(unread=(A,))
    closed = [line.hour for line in world.ledger if isinstance(line, HourClosed)]
    world.read()
    records = world.end()
    assert closed
    assert min(record.hour for record in records) == closed[-1] + 3600
    assert total(records, "disk_written_bytes") == 20


def test_a_vm_of_which_no_tenant_is_found_stays_its_tenants() -> None:
    """While the resolvers fail the life goes on: no tenant is no other tenant."""
    world = World()
    world.start(0)
    world.read()
    for tenant in ("", "acme", "globex"):
        world.assign(0, tenant)
        world.pass_time(10)
        world.read()
    records = world.end()
    assert [(record.tenant, record.ended) for record in records] == [
        ("acme", Ended.TENANT_CHANGED),
        ("globex", Ended.SHUTDOWN),
    ]


def test_a_last_reading_of_another_qemu_is_not_of_this_life() -> None:
    """The VM has started again before its shutdown was looked into."""
    world = World()
    world.start(0)
    world.pass_time(10, 100)
    world.read()
    life = world.books.account.lives[A]
    for qemu, raw, counted in (("2", 150, 100), ("1", 150, 150)):
        last = Reading(qemu=qemu, counters={"disk_written_bytes": {"vda": raw}})
        world.books.take_last(A, last, world.now)
        assert life.totals["disk_written_bytes"] == counted


def test_a_late_collection_takes_nothing_back() -> None:
    """One that began before the last one is one more reading: what was observed stays observed."""
    world = World()
    world.start(0)
    world.pass_time(30, 100)
    world.read()
    late = world.round_()
    world.books.take(Round(at=late.at - 10 * SECOND, now=late.now, readings=late.readings, here=late.here))
    world.stop(0)
    world.pass_time(1)
    world.read()
    (record,) = world.end()
    assert (record.observed_seconds, record.unseen_seconds) == (30, 0)
    assert record.meters["disk_written_bytes"] == 100


def test_a_vm_whose_qemu_is_gone_has_ended_although_libvirt_lists_it() -> None:
    """After a while without libvirt's event the life ends at its last reading: no time is made up."""
    world = World()
    world.start(0)
    world.pass_time(30, 100)
    world.read()
    for seconds, lives in ((30, {A}), (30, set[str]())):
        world.pass_time(seconds)
        world.books.take(Round(at=world.now.wall, now=world.now, readings={}, here={A}, gone={A}))
        assert world.books.account.lives.keys() == lives
    (record,) = world.books.account.lines
    assert isinstance(record, UsageRecord)
    assert (record.ended, record.meters["running_seconds"]) == (Ended.CRASH, 30)
    assert [(gap.reason, gap.end - gap.start) for gap in record.gaps] == [(Why.UNREADABLE, 60)]
