"""Usage records add up: whatever happens to VMs, clock and daemon, each byte is in one record."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostcollector.catalogue.usage import Ended, GpuMode, HourClosed, UsageRecord, Why
from hostcollector.outputs.usage.books import Account, Books, Round
from hostcollector.outputs.usage.reading import HOUR, SECOND, Given, GpuKind, Moment, Reading
from tests.unit.outputs.usage.world import LEDGER, START, World, by_vm, total, vm_name

A, B = vm_name(0), vm_name(1)
BEGUN = START + SECOND

NUMBER = st.integers(0, 2)
OPERATION = st.one_of(
    st.tuples(st.just("pass_time"), st.floats(0.001, 40), st.integers(0, 10**9)),
    st.tuples(st.just("pass_time"), st.floats(40, 9000), st.integers(0, 10**12)),
    st.tuples(st.just("read")),
    st.tuples(st.just("read")),
    st.tuples(st.just("start"), NUMBER),
    st.tuples(st.just("stop"), NUMBER),
    st.tuples(st.just("vanish"), NUMBER),
    st.tuples(st.just("reboot"), NUMBER),
    st.tuples(st.just("plug"), NUMBER, st.sampled_from(["vdb", "vdc"])),
    st.tuples(st.just("assign"), NUMBER, st.sampled_from(["acme", "globex", ""])),
    st.tuples(st.just("miss"), NUMBER),
    st.tuples(st.just("replay")),
    st.tuples(st.just("set_clock"), st.floats(-9000, 9000)),
    st.tuples(st.just("set_clock"), st.floats(-200, 200)),
    st.tuples(st.just("crash"), st.integers(0, 5), st.booleans()),
)


def happen(world: World, operation: tuple[Any, ...]) -> None:
    """Let one thing happen."""
    name, *values = operation
    match name:
        case "vanish":
            world.stop(*values, seen=False)
        case "miss":
            world.read(unread=(vm_name(*values),))
        case "crash":
            world.crash(values[0], saved=values[1])
        case _:
            getattr(world, str(name))(*values)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OPERATION, max_size=40))
def test_any_history_adds_up(operations: list[tuple[Any, ...]]) -> None:
    """Readings, resets, crashes of the daemon, set clocks and replays: sums are the model's, records once."""
    world = World()
    world.start(0)
    for operation in operations:
        happen(world, operation)
    records = world.end()
    assert len({record.id for record in records}) == len(records)
    for vm, own in by_vm(records).items():
        assert total(own, "disk_written_bytes") == world.written(vm)
        lives = {record.life for record in own}
        assert world.burned(vm) - len(lives) <= total(own, "vcpu_used_seconds") <= world.burned(vm)
        running = sorted(interval for record in own for interval in record.running)
        assert all(before[1] <= after[0] for before, after in pairwise(running))
        for meter, amount in (("vcpu_allocated_seconds", 2), ("memory_allocated_byte_seconds", 1000)):
            assert total(own, meter) == amount * total(own, "running_seconds")
    assert {vm for vm in world.ran if world.written(vm)} <= by_vm(records).keys()


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OPERATION.filter(lambda one: one[0] not in ("set_clock", "vanish")), max_size=40))
def test_running_time_is_true_to_the_second(operations: list[tuple[Any, ...]]) -> None:
    """With libvirt's events and a clock that is not set, each second of a VM is in a record."""
    world = World()
    for operation in operations:
        before = dict(world.vms)
        happen(world, operation)
        if before.keys() != world.vms.keys():
            world.read()  # a crash before the next reading would lose the event
    records = world.end()
    for vm, own in by_vm(records).items():
        lives = len({record.life for record in own})
        assert abs(total(own, "running_seconds") - world.ran[vm] / SECOND) <= lives


def test_hours_are_closed_one_after_the_other() -> None:
    """Each hour is closed once, after all of its records, also an hour without VMs."""
    world = World()
    world.start(0)
    for _ in range(400):
        world.pass_time(30, 10)
        world.read()
    world.end()
    closed = [line.hour for line in world.ledger if isinstance(line, HourClosed)]
    assert closed == list(range(closed[0], closed[-1] + 1, 3600))
    open_hours: set[int] = set()
    for line in reversed(world.ledger):
        if isinstance(line, HourClosed):
            open_hours.add(line.hour)
        else:
            assert line.hour in open_hours


def test_a_crossing_is_divided_in_proportion_to_the_time() -> None:
    """What was counted between two readings around the hour goes to both hours, and no rest is lost."""
    world = World()
    world.start(0)
    world.pass_time(1790)
    world.read()
    world.pass_time(30, 100)
    world.read()
    first, *_ = (line for line in world.ledger if not isinstance(line, HourClosed))
    assert first.meters["disk_written_bytes"] == 33
    assert first.running == ((BEGUN // SECOND, BEGUN // SECOND + 1800),)
    assert total(world.end(), "disk_written_bytes") == 100


def test_an_unknown_amount_is_absent_and_none_is_zero() -> None:
    """A VM without a readable disk has no disk meter; one that wrote nothing has 0."""
    world = World()
    world.start(0)
    world.pass_time(10)
    reading = Reading(tenant="acme", qemu="1", counters={"disk_reads": {"vda": 0}})
    world.books.take(Round(at=world.now.wall, now=world.now, readings={A: reading}, here={A}))
    world.books.ended(A, world.now, Ended.CRASH)
    world.pass_time(1)
    world.vms.clear()
    world.read()
    (record,) = [line for line in world.ledger if not isinstance(line, HourClosed)]
    assert record.meters == {"running_seconds": 10, "disk_reads": 0}
    assert record.ended is Ended.CRASH
    assert record.unseen_seconds == 0


def test_what_was_not_seen_at_the_end_is_stated() -> None:
    """The seconds between the last reading and libvirt's event are running and unseen."""
    world = World()
    world.start(0)
    world.pass_time(100, 7)
    world.read()
    world.pass_time(20, 7)
    world.stop(0)
    world.pass_time(1)
    world.read()
    (record,) = [line for line in world.ledger if not isinstance(line, HourClosed)]
    assert (record.unseen_seconds, record.meters["running_seconds"]) == (20, 120)
    assert record.meters["disk_written_bytes"] == 7


def test_a_daemon_that_was_down_leaves_a_gap_and_loses_nothing() -> None:
    """The counters of a VM that ran all the time are read again; the time without readings is named."""
    world = World()
    world.start(0)
    world.pass_time(60, 5)
    world.read()
    world.pass_time(600, 11)
    world.crash(0, saved=False)
    world.read()
    (record,) = world.end()
    gap = record.gaps[0]
    assert (gap.reason, gap.end - gap.start) == (Why.COLLECTOR_DOWN, 600)
    assert record.meters["disk_written_bytes"] == 16
    assert record.observed_seconds == record.meters["running_seconds"] - 600 - record.unseen_seconds


def test_a_vm_that_began_while_the_daemon_was_down_counts_from_its_start() -> None:
    """Its QEMU is younger than the last collection: all that it did is its own."""
    world = World()
    world.crash(0, saved=True)
    world.pass_time(100)
    world.start(0)
    world.pass_time(50, 9)
    world.crash(0, saved=False)
    world.read()
    (record,) = world.end()
    assert record.meters["disk_written_bytes"] == 9
    assert record.running[0][0] == BEGUN // SECOND + 100


def test_what_vms_did_before_the_first_ledger_is_not_counted() -> None:
    """A VM that ran for days before usage was switched on begins at the first reading."""
    now = Moment(START, 10**12)
    books = Books(Account.opened(LEDGER, "boot", now), now, "boot")
    began = START - 10 * 24 * HOUR

    def read(at: int, raw: int, *, late: int | None = None) -> None:
        disks = {"vda": raw} if late is None else {"vda": raw, "vdb": late}
        reading = Reading(
            qemu="1",
            started=began,
            counters={"disk_reads": disks},
            devices=lambda: {"vda", "vdb"},
        )
        moment = Moment(at, 10**12 + at - START)
        books.take(Round(at=at, now=moment, readings={A: reading}, here={A}))

    read(START, 10**9)
    read(START + 20 * SECOND, 10**9 + 5)
    read(START + 40 * SECOND, 10**9 + 6, late=10**9)
    read(START + 60 * SECOND, 10**9 + 6, late=10**9 + 3)
    assert books.account.lives[A].totals["disk_reads"] == 9
    assert books.account.lives[A].begun == START


def test_a_vm_that_comes_from_another_host_begins_when_it_runs_here() -> None:
    """While it is on its way it is the other host's; one that does not leave goes on."""
    world = World()
    books = world.books
    books.started(B, world.now, incoming=True)
    away = Reading(here=False, qemu="9", started=world.now.wall, counters={"disk_reads": {"vda": 0}})

    def take(reading: Reading) -> None:
        books.take(Round(at=world.now.wall, now=world.now, readings={B: reading}, here={B}))

    for _ in range(3):
        world.pass_time(20)
        take(away)
    assert B not in books.account.lives
    world.pass_time(5)
    books.resumed(B, world.now)
    world.pass_time(5)
    take(Reading(qemu="9", started=BEGUN, counters={"disk_reads": {"vda": 4}}))
    life = books.account.lives[B]
    assert (life.begun, life.totals["disk_reads"]) == (BEGUN + 65 * SECOND, 4)
    world.pass_time(5)
    books.ended(B, world.now, Ended.MIGRATED)
    books.resumed(B, world.now)
    world.pass_time(5)
    take(Reading(qemu="9", started=BEGUN, counters={"disk_reads": {"vda": 6}}))
    assert books.account.lives[B] is life
    books.ended(B, world.now, Ended.MIGRATED)
    world.pass_time(5)
    take(Reading(here=False, qemu="9", counters={"disk_reads": {"vda": 7}}))
    (record,) = books.account.lines
    assert isinstance(record, UsageRecord)
    assert (record.ended, record.meters["disk_reads"], record.unseen_seconds) == (Ended.MIGRATED, 7, 0)
    take(Reading(here=False, qemu="9", counters={"disk_reads": {"vda": 7}}))
    assert B not in books.account.lives


@pytest.mark.parametrize("boot", ["another boot", "boot"])
def test_a_host_that_was_down_has_ended_its_lives(boot: str) -> None:
    """After the host's boot no QEMU of before is there; the time until then is a gap of the host.

    A sandbox may hide the name of the boot; the steady clock has begun anew all the same.
    """
    world = World()
    world.start(0)
    world.pass_time(60, 5)
    world.read()
    world.pass_time(300)
    account = world.books.account
    books = Books(account, Moment(world.now.wall, 5 * SECOND), boot)
    (record,) = books.account.lines
    assert isinstance(record, UsageRecord)
    assert record.ended is Ended.CRASH
    assert [(gap.reason, gap.end - gap.start) for gap in record.gaps] == [(Why.HOST_DOWN, 300)]
    assert record.meters["running_seconds"] == 60
    assert (books.account.boot, books.account.lives) == (boot, {})


@pytest.mark.parametrize("step", [-7200, -90, 90, 7200])
def test_a_set_clock_ends_lives_and_counts_no_second_twice(step: int) -> None:
    """The old life ends by the old clock; the seconds in all are those of the steady clock."""
    world = World()
    world.start(0)
    for _ in range(5):
        world.pass_time(30, 3)
        world.read()
    world.set_clock(step)
    for _ in range(400):
        world.pass_time(30, 3)
        world.read()
    records = world.end()
    assert records[0].ended is Ended.CLOCK_STEP
    assert records[0].unseen_seconds == 0
    assert total(records, "disk_written_bytes") == 405 * 3
    true = world.ran[A] / SECOND
    assert abs(total(records, "running_seconds") - true) <= max(2, -step + 2 if step < 0 else 2)
    assert total(records, "running_seconds") <= true + 2


def test_gpus_are_counted_by_kind_with_their_energy() -> None:
    """Seconds of all GPUs of a kind; energy only where it was measured."""
    world = World()
    world.start(0)
    whole = GpuKind("NVIDIA H200", GpuMode.PASSTHROUGH, "")
    shared = GpuKind("NVIDIA A40", GpuMode.VGPU, "nvidia-558")

    def take(energy: int) -> None:
        reading = Reading(
            qemu="1",
            started=BEGUN,
            given=Given(gpus={whole: 8, shared: 1}),
            counters={},
            energy={whole: {"0000:1b:00.0": energy}},
        )
        world.books.take(Round(at=world.now.wall, now=world.now, readings={A: reading}, here={A}))

    for number in range(4):
        take(number * 1500)
        world.pass_time(10)
    world.stop(0)
    world.read()
    world.pass_time(1)
    world.read()
    (record,) = [line for line in world.ledger if not isinstance(line, HourClosed)]
    assert [(use.model, use.seconds, use.joules) for use in record.gpus] == [
        ("NVIDIA H200", 320, 4),
        ("NVIDIA A40", 40, None),
    ]


def test_a_counter_that_falls_has_begun_anew() -> None:
    """A device that was replaced without an event counts from 0: its amounts are added, never subtracted."""
    world = World()
    world.start(0)
    for raw in (100, 130, 20, 25):
        world.pass_time(10)
        reading = Reading(tenant="acme", qemu="1", started=BEGUN, counters={"disk_reads": {"vda": raw}})
        world.books.take(Round(at=world.now.wall, now=world.now, readings={A: reading}, here={A}))
    assert world.books.account.lives[A].totals["disk_reads"] == 130 + 25
