"""The records of a running daemon: collections of its own, libvirt's events, and the disk."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hostcollector.app import metering as module
from hostcollector.app.metering import Metering, look_at_clocks
from hostcollector.base.model import Guest, Snapshot, Tenant
from hostcollector.catalogue.usage import Ended, UsageRecord, parse_line
from hostcollector.guests.presence import Presence
from hostcollector.guests.processes import QemuProcess
from hostcollector.outputs.usage.extraction import devices_of, round_of
from hostcollector.outputs.usage.keeper import Keeper
from hostcollector.outputs.usage.reading import SECOND, Moment, Reading
from hostcollector.protocols.libvirt.events import DomainEvent
from tests.unit.outputs.usage.test_extraction import DOMAIN, FAMILIES, GUEST, NOW, PROCESS, VM


class _Reader:
    """Instead of /proc and netlink: the last reading of a guest."""

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self.asked = 0

    def read(self, guest: Guest) -> Reading | None:
        self.asked += 1
        return self.reading

    def close(self) -> None:
        pass


class _Host:
    """A metering with a clock that the test sets."""

    def __init__(self, directory: Path) -> None:
        self.now = NOW
        self.keeper = Keeper(directory, lambda: self.now, "boot")
        self.reader = _Reader()
        self.metering = Metering(
            self.keeper,
            self.reader,  # type: ignore[arg-type]
            Presence(lambda: self.now.wall / SECOND),
            lambda: {VM: DOMAIN},
            lambda _domain: Tenant(id="acme"),
            lambda: True,
            lambda: self.now,
        )

    def pass_time(self, seconds: float) -> None:
        step = round(seconds * SECOND)
        self.now = Moment(self.now.wall + step, self.now.steady + step)

    def collected(self, *guests: Guest) -> None:
        """Let a collection end."""
        families = FAMILIES if guests else ()
        snapshot = Snapshot(taken_at=self.now.wall / SECOND, families=families, guests=guests)
        processes: dict[str, QemuProcess] = {VM: PROCESS} if guests else {}
        self.metering.take(snapshot, processes)

    def happened(self, event: str, detail: str = "", device: str = "") -> None:
        """Let libvirt report something."""
        self.metering.happened(DomainEvent(uuid=VM, name="web", event=event, detail=detail, device=device))

    def records(self) -> list[UsageRecord]:
        """End, and return what is in the ledger."""
        self.metering.close(10)
        lines = [parse_line(line) for line in self.keeper.ledger.read(0, 100)]
        return [line for line in lines if isinstance(line, UsageRecord)]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[_Host]:
    """Give a host whose metering runs and has seen a first listing without guests."""
    found = _Host(tmp_path)
    found.metering.start()
    found.collected()
    found.pass_time(5)
    found.collected()
    found.pass_time(5)
    yield found
    found.metering.close(10)


def test_libvirts_events_begin_and_end_a_life(host: _Host) -> None:
    """A guest counts from its start to its stop, and its last counters are read when it shuts down."""
    host.happened("started", "booted")
    host.pass_time(10)
    host.collected(GUEST)
    host.pass_time(10)
    host.reader.reading = Reading(
        tenant="acme",
        qemu=f"42 {PROCESS.start_ticks}",
        counters={"network_transmitted_bytes": {"tap0": 150}},
        devices=partial(devices_of, DOMAIN),
    )
    host.happened("shutdown", "guest")
    host.happened("stopped", "shutdown")
    host.pass_time(1)
    host.collected()
    (record,) = host.records()
    assert host.reader.asked == 1
    assert (record.ended, record.meters["running_seconds"]) == (Ended.SHUTDOWN, 20)
    assert record.meters["network_transmitted_bytes"] == 150 + 7 + 11
    assert record.unseen_seconds == 10  # the disk was not read at the end


@pytest.mark.parametrize(
    ("event", "detail", "ended"),
    [
        ("stopped", "failed", Ended.CRASH),
        ("stopped", "crashed", Ended.CRASH),
        ("stopped", "destroyed", Ended.SHUTDOWN),
        ("suspended", "migrated", Ended.MIGRATED),
        ("suspended", "postcopy", Ended.MIGRATED),
    ],
)
def test_the_reason_of_an_end_is_libvirts(host: _Host, event: str, detail: str, ended: Ended) -> None:
    """Each way to end has its word."""
    host.happened("started", "booted")
    host.collected(GUEST)
    host.pass_time(10)
    host.happened(event, detail)
    host.pass_time(1)
    host.collected()
    assert [record.ended for record in host.records()] == [ended]


def test_a_reboot_and_a_device_that_was_taken_away(host: _Host) -> None:
    """A reboot divides the life; what a removed disk has counted stays, and its successor counts from 0."""
    host.happened("started", "booted")
    host.collected(GUEST)
    host.pass_time(10)
    host.happened("reboot")
    host.pass_time(1)
    host.happened("device_removed", device="virtio-disk0")
    host.collected(GUEST)
    host.pass_time(1)
    host.happened("stopped", "destroyed")
    host.pass_time(1)
    host.collected()
    first, second = host.records()
    assert (first.ended, second.ended) == (Ended.REBOOT, Ended.SHUTDOWN)
    # The second disk of the name has counted since before the reboot, as far as the collections know.
    assert first.meters["disk_written_bytes"] + second.meters["disk_written_bytes"] == 2 * 4096


def test_without_a_scrape_the_daemon_collects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no collection ends for a while the daemon asks for one, again and again."""
    monkeypatch.setattr(module, "OWN_COLLECTION_SECONDS", 0.05)
    host, asked = _Host(tmp_path), threading.Semaphore(0)
    host.metering.collect = asked.release
    host.metering.start()
    assert all(asked.acquire(timeout=30) for _ in range(3))
    host.metering.close(10)


def test_an_error_in_one_collection_costs_no_other(host: _Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unforeseen is logged and counted, and the next collection is taken."""
    real: Callable[..., object] = round_of

    def broken(*_arguments: object, **_options: object) -> object:
        monkeypatch.setattr(module, "round_of", real)
        raise KeyError("broken")

    host.happened("started", "booted")
    monkeypatch.setattr(module, "round_of", broken)
    host.collected(GUEST)
    host.collected(GUEST)
    host.pass_time(5)
    host.collected()
    (record,) = host.records()
    assert record.meters["disk_written_bytes"] == 4096
    assert host.keeper.errors == 1


def test_nothing_is_recorded_before_the_start(tmp_path: Path) -> None:
    """A metering that was not started keeps nothing in memory, and closes."""
    host = _Host(tmp_path)
    host.collected(GUEST)
    host.happened("started", "booted")
    assert host.metering._queue.empty()
    host.metering.close(1)


def test_both_clocks_are_looked_at_together() -> None:
    """Neither look goes back, and they advance by the same."""
    first, second = look_at_clocks(), look_at_clocks()
    assert second.steady >= first.steady
    assert abs((second.wall - first.wall) - (second.steady - first.steady)) < SECOND


def test_the_status_tells_what_is_wrong(host: _Host, tmp_path: Path) -> None:
    """An hour that is not closed, lines that wait, and the disk's error have a line in `diagnose`."""
    host.metering.close(10)
    status = host.metering.status
    text = "\n".join(replace(status, overdue=1200.0, waiting=3, problem="the disk is full").lines())
    for part in ("20 min ago", "3 lines wait", "the disk is full", "/tenants/usage"):
        assert part in text


def test_while_a_guest_leaves_the_daemon_collects_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pass of a live migration brings the next collection forward."""
    monkeypatch.setattr(module, "MIGRATING_SECONDS", 0.05)
    host, asked = _Host(tmp_path), threading.Semaphore(0)
    host.metering.collect = asked.release
    host.metering.start()
    host.happened("migration_iteration")
    assert asked.acquire(timeout=20)
    host.metering.close(10)
