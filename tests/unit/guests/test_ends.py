"""Each end of a guest is counted once, for the right reason and tenant, by whichever sign comes first."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain
from hostcollector.base.model import Guest, Tenant
from hostcollector.guests import ends as ends_module
from hostcollector.guests.ends import (
    GRACE_SECONDS,
    GRACE_WITHOUT_LIBVIRT_SECONDS,
    MOST_KEPT,
    REMEMBERED_SECONDS,
    Ends,
    Incident,
    Reason,
    Trace,
)
from hostcollector.guests.oom_kills import OomKills
from hostcollector.guests.processes import QemuProcess
from hostcollector.protocols.libvirt.events import DomainEvent
from tests.fakes.clock import Clock

A = "6f0c2a0e-5d6e-4c1b-9a60-0a6f0f7d2b11"
WEB = Domain(uuid=A, name="web")
DAY = 86_400
NOW = 1_700_000_000.0


class Host:
    """A guest `web` of tenant acme as the inventory and /proc show it, and its ends."""

    def __init__(self, oom_kills: OomKills) -> None:
        self.clock = Clock()
        self.ends = Ends(oom_kills, clock=self.clock, wall_clock=lambda: NOW + self.clock.now)
        self.ends.tenant_of = lambda _domain: Tenant(id="acme")
        self.guests = {A: Guest(domain=WEB, tenant=Tenant(id="acme"))}
        self.processes = {A: QemuProcess(uuid=A, pid=7, start_ticks=1)}
        self.alive = set(self.processes.values())
        self.look()

    def look(self, after: float = 0.0) -> None:
        """Look as a collection does, some seconds later."""
        self.clock.now += after
        self.ends.look(self.guests, self.processes, self.alive.__contains__)

    def event(self, event: str, detail: str = "", device: str = "", uuid: str = A) -> None:
        """Let libvirt report an event."""
        domain = self.guests[uuid].domain if uuid in self.guests else None
        self.ends.take(DomainEvent(uuid=uuid, name="web", event=event, detail=detail, device=device), domain)

    def kill(self) -> None:
        """Let the QEMU end, unseen by libvirt."""
        self.alive.clear()
        self.processes = {}

    def counted(self) -> dict[str, int]:
        """Return the ends by reason, without zeros."""
        return {reason.value: count for reason, count in self.ends.account(DAY, 100).ends.items() if count}


@pytest.fixture
def kills(tmp_path: Path) -> Callable[[int], None]:
    """Give a function that sets the host's number of OOM kills."""
    root = tmp_path
    (root / "proc").mkdir()

    def kills(count: int) -> None:
        (root / "proc/vmstat").write_text(f"nr_free_pages 12\noom_kill {count}\n")

    kills(3)
    return kills


@pytest.fixture
def host(tmp_path: Path, kills: Callable[[int], None]) -> Host:
    """Give the host, whose guest has been seen."""
    return Host(OomKills(tmp_path))


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([("shutdown", "guest"), ("stopped", "shutdown")], "shutdown_by_guest"),
        ([("shutdown", "finished"), ("stopped", "shutdown")], "shutdown_by_guest"),
        ([("shutdown", "host"), ("stopped", "shutdown")], "shutdown_by_host"),
        ([("shutdown", "host"), ("stopped", "destroyed")], "destroyed"),
        ([("crashed", "panicked"), ("stopped", "crashed")], "crashed"),
        ([("stopped", "failed")], "failed"),
        ([("stopped", "migrated")], "migrated_away"),
        ([("suspended", "paused"), ("stopped", "saved")], "saved"),
        ([("stopped", "from_snapshot")], "from_snapshot"),
        ([("started", "migrated"), ("stopped", "failed")], "incoming_failed"),
        ([("started", "migrated"), ("resumed", "migrated"), ("stopped", "failed")], "failed"),
        ([("stopped", "a later libvirt's")], "unknown"),
    ],
)
def test_an_end_has_the_reason_of_its_events(
    host: Host, events: list[tuple[str, str]], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted at once, named with guest, tenant and time, and logged; all other reasons are at 0."""
    with caplog.at_level(logging.INFO):
        for event, detail in events:
            host.event(event, detail)
    account = host.ends.account(DAY, 100)
    assert account.ends == {**dict.fromkeys(Reason, 0), Reason(reason): 1}
    at = NOW + host.clock.now
    assert account.ended == (Trace(uuid=A, name="web", tenant="acme", what=reason, at=at),)
    (line,) = [record for record in caplog.records if record.message == "a guest ended"]
    fields = vars(line)
    assert (fields["guest"], fields["uuid"], fields["tenant"], fields["reason"]) == ("web", A, "acme", reason)


def test_the_log_line_names_the_process(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """By the PID an administrator finds the core and the kernel's line about the signal."""
    with caplog.at_level(logging.INFO):
        host.event("stopped", "failed")
    assert [vars(record)["qemu_pid"] for record in caplog.records] == ["7"]


def test_a_collection_with_older_guests_counts_no_second_end(host: Host) -> None:
    """The guests of a collection may be from before the event; the ended guest is not found again."""
    host.event("stopped", "destroyed")
    host.look()
    host.guests = {}
    host.look(GRACE_SECONDS)
    host.look(GRACE_SECONDS)
    assert host.counted() == {"destroyed": 1}


def test_a_killed_qemu_is_a_failure_while_libvirt_is_away(host: Host) -> None:
    """The inventory still has the guest; libvirt's own late event is not counted again."""
    host.ends.libvirt_answers = False
    host.kill()
    host.look()
    assert host.counted() == {}
    host.look(GRACE_WITHOUT_LIBVIRT_SECONDS)
    assert host.counted() == {"failed": 1}
    (trace,) = host.ends.account(DAY, 100).ended
    assert trace.at == NOW + host.clock.now - GRACE_WITHOUT_LIBVIRT_SECONDS
    host.look(60)
    host.ends.libvirt_answers = True
    host.event("stopped", "failed")
    host.guests = {}
    host.look(GRACE_SECONDS)
    assert host.counted() == {"failed": 1}


def test_libvirts_event_is_waited_for_while_it_answers(host: Host) -> None:
    """The process is seen dead before the event is taken: the event says why."""
    host.kill()
    host.look()
    host.look(GRACE_SECONDS - 1)
    assert host.counted() == {}
    host.event("stopped", "destroyed")
    host.look(GRACE_SECONDS)
    assert host.counted() == {"destroyed": 1}


def test_libvirt_that_never_reports_the_end_is_no_obstacle(host: Host) -> None:
    """After the grace period the end of the process counts."""
    host.kill()
    host.look()
    host.look(GRACE_SECONDS)
    assert host.counted() == {"failed": 1}


def test_a_process_that_only_cannot_be_proven_is_no_end(host: Host) -> None:
    """Two processes claim the guest, so none is found; the one known before still runs."""
    host.processes = {}
    host.look()
    host.look(GRACE_SECONDS)
    assert host.counted() == {}


def test_a_guest_that_a_listing_misses_ended_for_an_unknown_reason(host: Host) -> None:
    """Its event was lost while libvirt was away; the same guest ends again later, and that counts too."""
    host.guests = {}
    host.look()
    host.look(GRACE_SECONDS)
    assert host.counted() == {"unknown": 1}
    host.event("started", "booted")
    host.event("stopped", "destroyed")
    assert host.counted() == {"unknown": 1, "destroyed": 1}


def test_a_guest_that_runs_again_ends_again(host: Host) -> None:
    """Its start was not reported; another process of the guest is another run."""
    host.ends.libvirt_answers = False
    host.kill()
    host.look()
    host.look(GRACE_WITHOUT_LIBVIRT_SECONDS)
    host.processes = {A: QemuProcess(uuid=A, pid=8, start_ticks=2)}
    host.alive = set(host.processes.values())
    host.look()
    host.kill()
    host.look()
    host.look(GRACE_WITHOUT_LIBVIRT_SECONDS)
    assert host.counted() == {"failed": 2}
    assert len(host.ends.account(DAY, 100).ended) == 1


def test_a_guest_that_no_collection_saw_has_its_tenant(host: Host) -> None:
    """The tenant is found by the definition that the inventory had; without one the guest is unassigned."""
    host.ends.tenant_of = lambda domain: Tenant(id=f"of {domain.name}")
    other = Guest(domain=Domain(uuid="b", name="brief"))
    host.guests["b"] = other
    host.event("stopped", "destroyed", uuid="b")
    host.event("stopped", "destroyed", uuid="c")
    tenants = {trace.uuid: trace.tenant for trace in host.ends.account(DAY, 100).ended}
    assert tenants == {"b": "of brief", "c": ""}


@pytest.mark.parametrize("event", [("stopped", "failed"), None], ids=["event", "process"])
def test_an_oom_kill_explains_one_failure(
    host: Host, kills: Callable[[int], None], event: tuple[str, str] | None
) -> None:
    """The kernel's counter rose before the guest ended; the next failure is one without a kill."""
    kills(4)
    host.kill()
    host.look()
    if event:
        host.event(*event)
    host.look(GRACE_SECONDS)
    assert host.counted() == {"oom_kill": 1}
    host.event("started", "booted")
    host.event("stopped", "failed")
    assert host.counted() == {"oom_kill": 1, "failed": 1}


def test_a_legal_end_is_none_of_the_oom_killer(host: Host, kills: Callable[[int], None]) -> None:
    """The kernel has killed something, and the guest shut down."""
    kills(4)
    host.event("stopped", "shutdown")
    assert host.counted() == {"shutdown_by_guest": 1}


@pytest.mark.parametrize(
    ("event", "incident", "detail"),
    [
        (("crashed", "panicked", ""), "panicked", "panicked"),
        (("crashed", "crashloaded", ""), "panicked", "crashloaded"),
        (("watchdog", "poweroff", ""), "watchdog", "poweroff"),
        (("memory_failure", "fatal", ""), "memory_failure", "fatal"),
        (("io_error", "enospc", "virtio-disk0"), "io_error", "virtio-disk0"),
    ],
)
def test_incidents_are_counted_by_tenant_and_named(
    host: Host, event: tuple[str, str, str], incident: str, detail: str
) -> None:
    """They outlive the guest, and a tenant's incidents are at 0 before the first one."""
    assert host.ends.account(DAY, 100).incidents == {"acme": {}}
    host.event(*event)
    host.event(*event)
    host.event("stopped", "destroyed")
    host.guests = {}
    host.look(REMEMBERED_SECONDS)
    account = host.ends.account(DAY, 100)
    assert account.incidents == {"acme": {Incident(incident): 2}}
    (trace,) = account.happened
    assert (trace.uuid, trace.tenant, trace.what, trace.detail) == (A, "acme", incident, detail)


def test_a_failed_end_is_an_incident_and_a_legal_one_is_none(host: Host) -> None:
    """The tenant's incidents have the ends by failure."""
    host.event("stopped", "failed")
    host.event("started", "booted")
    host.event("stopped", "destroyed")
    assert host.ends.account(DAY, 100).incidents == {"acme": {Incident.FAILED: 1}}


def test_what_is_kept_is_limited(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by age; the counts go on."""
    monkeypatch.setattr(ends_module, "MOST_KEPT", 10)
    assert MOST_KEPT == 1000
    for number in range(20):
        host.event("stopped", "failed", uuid=f"u{number}")
        host.event("watchdog", "none", uuid=f"u{number}")
    account = host.ends.account(DAY, 100)
    assert [trace.uuid for trace in account.ended] == [f"u{number}" for number in range(10, 20)]
    assert len(account.happened) == 10
    assert [trace.uuid for trace in host.ends.account(DAY, 2).ended] == ["u18", "u19"]
    assert host.ends.account(DAY, 0).ended == ()
    host.clock.now += DAY + 1
    assert host.ends.account(DAY, 100).ended == ()
    assert host.counted() == {"failed": 20}


def test_tenants_with_incidents_are_limited(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud's tenants come and go for years; above the limit only the host's counts grow."""
    monkeypatch.setattr(ends_module, "MOST_KEPT", 3)
    host.ends.tenant_of = lambda domain: Tenant(id=domain.uuid)
    for number in range(5):
        uuid = f"u{number}"
        host.guests = {uuid: Guest(domain=Domain(uuid=uuid, name="x"))}
        host.event("stopped", "failed", uuid=uuid)
    incidents = host.ends.account(DAY, 100).incidents
    assert [tenant for tenant, counts in incidents.items() if counts] == ["u0", "u1", "u2"]
    assert host.counted() == {"failed": 5}
