"""Jobs that ended are counted by operation and result, whatever libvirt reports about them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from hostcollector.base.model import Histogram
from hostcollector.catalogue import job
from hostcollector.protocols.libvirt.events import DomainEvent
from hostcollector.protocols.libvirt.job_words import BLOCK_OPERATIONS, OPERATIONS
from hostcollector.sources.libvirt_monitor.job_history import (
    GRACE_SECONDS,
    REMEMBERED_SECONDS,
    JobHistory,
)
from tests.fakes.clock import Clock

UUID = "00000000-0000-4000-8000-000000000000"
OUT = {"operation": OPERATIONS.index("migration_out"), "time_elapsed": 2900, "downtime": 125}
SAVE = {"operation": OPERATIONS.index("save"), "time_elapsed": 638, "downtime": 627}
DUMP = {"operation": OPERATIONS.index("dump")}


@pytest.fixture
def clock() -> Clock:
    """Give a clock that does not move."""
    return Clock()


@pytest.fixture
def history(clock: Clock) -> JobHistory:
    """Give a history without jobs."""
    return JobHistory(clock)


def _happens(
    history: JobHistory, event: str, detail: str = "", about: Mapping[str, Any] = MappingProxyType({})
) -> None:
    history.take(DomainEvent(uuid=UUID, name="vm", event=event, detail=detail, job=about))


def _counts(history: JobHistory) -> Mapping[tuple[str, ...], Any]:
    """Return the jobs counted so far, without those that are 0."""
    return {
        sample.labels: sample.value
        for sample in history.samples()
        if sample.metric is job.JOBS and sample.value
    }


def _observed(history: JobHistory, metric: object) -> Iterator[tuple[str, int]]:
    """Yield the number of observations for each operation."""
    for sample in history.samples():
        if sample.metric is metric and isinstance(sample.value, Histogram):
            yield sample.labels[0], sample.value.counts[-1]


def test_everything_is_counted_from_0_on(history: JobHistory) -> None:
    """Each operation that libvirt reports has its counters before its first job; histograms too."""
    samples = list(history.samples())
    assert {sample.labels for sample in samples if sample.metric is job.JOBS} == {
        (what, result)
        for what in ("migration_in", "migration_out", "save", "backup", "snapshot", "dump", "unknown")
        for result in ("completed", "failed")
    }
    assert {sample.labels for sample in samples if sample.metric is job.BLOCK_JOBS} == {
        (what, result) for what in BLOCK_OPERATIONS for result in ("completed", "failed", "canceled")
    }
    assert dict(_observed(history, job.DURATIONS)) == {"backup": 0, "migration_out": 0, "save": 0}
    assert dict(_observed(history, job.DOWNTIMES)) == {"migration_out": 0}


def test_a_migration_that_no_look_met_is_counted(history: JobHistory) -> None:
    """The event of its completion has all that is needed; it comes when the guest has left already."""
    _happens(history, "migration_iteration", about={"memory_iteration": 1})
    _happens(history, "stopped", "migrated")
    _happens(history, "job_completed", about=OUT)
    assert _counts(history) == {("migration_out", "completed"): 1}
    assert dict(_observed(history, job.DOWNTIMES)) == {"migration_out": 1}
    durations = next(
        sample.value
        for sample in history.samples()
        if sample.metric is job.DURATIONS and sample.labels == ("migration_out",)
    )
    assert isinstance(durations, Histogram)
    assert durations.counts[:2] == (0, 1)  # more than 1 s, at most 3 s


def test_a_migration_that_ran_and_runs_no_more_has_failed(history: JobHistory, clock: Clock) -> None:
    """Libvirt has no event for it; a completion would have been reported after some seconds."""
    history.saw(UUID, "vm", OUT, clock.now)
    assert history.begun() == {UUID}
    history.saw_none(UUID, clock.now + 5)
    clock.now += 5 + GRACE_SECONDS - 1
    history.settle([UUID])
    assert _counts(history) == {}
    clock.now += 1
    history.settle([UUID])
    assert _counts(history) == {("migration_out", "failed"): 1}
    assert history.begun() == frozenset()


def test_a_completion_that_is_reported_late_is_no_failure(history: JobHistory, clock: Clock) -> None:
    """The event comes by another connection than the look that met no job any more."""
    history.saw(UUID, "vm", SAVE, clock.now)
    history.saw_none(UUID, clock.now + 1)
    _happens(history, "job_completed", about=SAVE)
    clock.now += 60
    history.settle([UUID])
    assert _counts(history) == {("save", "completed"): 1}


def test_a_look_at_a_job_whose_end_was_reported_does_not_reopen_it(history: JobHistory, clock: Clock) -> None:
    """Libvirt holds a saved guest's job for a while after its event; the next job is another one."""
    clock.now = 1000.0
    _happens(history, "job_completed", about=SAVE)
    history.saw(UUID, "vm", SAVE | {"time_elapsed": 1500}, 1001.0)
    assert history.begun() == frozenset()
    history.saw(UUID, "vm", OUT | {"time_elapsed": 100}, 1002.0)
    assert history.begun() == {UUID}
    clock.now += REMEMBERED_SECONDS
    history.settle([])
    history.saw(UUID, "vm", SAVE | {"time_elapsed": 10**6}, clock.now)
    assert history.begun() == {UUID}


def test_a_job_that_iterated_and_ended_without_a_report_has_failed(history: JobHistory, clock: Clock) -> None:
    """Each completion of a job that iterates is reported; no look met the operation of this one."""
    _happens(history, "migration_iteration", about={"memory_iteration": 7})
    history.saw_none(UUID, clock.now)
    clock.now += GRACE_SECONDS
    history.settle([UUID])
    assert _counts(history) == {("unknown", "failed"): 1}


@pytest.mark.parametrize(("iteration", "counted"), [(0, {}), (2, {("dump", "failed"): 1})])
def test_a_dump_that_ends_without_a_report_has_failed_only_if_it_iterated(
    history: JobHistory, clock: Clock, iteration: int, counted: Mapping[tuple[str, str], int]
) -> None:
    """A memory-only dump does not iterate, and ends without an event also when it completes."""
    history.saw(UUID, "vm", DUMP | {"memory_iteration": iteration}, clock.now)
    history.saw_none(UUID, clock.now)
    clock.now += GRACE_SECONDS
    history.settle([UUID])
    assert _counts(history) == counted


def test_a_guest_that_crashes_in_its_migration_fails_it(history: JobHistory, clock: Clock) -> None:
    """It has stopped for another reason than the migration."""
    history.saw(UUID, "vm", OUT, clock.now)
    _happens(history, "stopped", "crashed")
    assert _counts(history) == {("migration_out", "failed"): 1}


def test_a_job_of_a_guest_that_is_gone_is_forgotten(history: JobHistory, clock: Clock) -> None:
    """Events that were lost with a connection leave no job behind."""
    history.saw(UUID, "vm", OUT, clock.now)
    history.settle([])
    assert (history.begun(), _counts(history)) == (frozenset(), {})


def test_a_job_whose_end_may_be_among_lost_events_has_not_failed(history: JobHistory, clock: Clock) -> None:
    """A backup that completed while libvirtd was restarted, and a guest that arrived: neither is counted."""
    history.saw(UUID, "vm", {"operation": OPERATIONS.index("backup")}, clock.now)
    _happens(history, "started", "migrated")
    history.lose_events()
    history.saw_none(UUID, clock.now)
    clock.now += GRACE_SECONDS
    history.settle([UUID])
    _happens(history, "stopped", "destroyed")
    assert _counts(history) == {}


def test_a_job_that_runs_on_after_lost_events_is_counted(history: JobHistory, clock: Clock) -> None:
    """The next look meets it."""
    history.saw(UUID, "vm", OUT, clock.now)
    history.lose_events()
    history.saw(UUID, "vm", OUT, clock.now + 1)
    history.saw_none(UUID, clock.now + 2)
    clock.now += 2 + GRACE_SECONDS
    history.settle([UUID])
    assert _counts(history) == {("migration_out", "failed"): 1}


def test_a_backup_that_failed_says_so(history: JobHistory) -> None:
    """Its event has a result, and takes no part in the durations."""
    backup = {"operation": OPERATIONS.index("backup"), "time_elapsed": 66}
    _happens(history, "job_completed", about=backup | {"success": False, "errmsg": "no space"})
    _happens(history, "job_completed", about=backup | {"success": True})
    assert _counts(history) == {("backup", "failed"): 1, ("backup", "completed"): 1}
    assert dict(_observed(history, job.DURATIONS))["backup"] == 1


@pytest.mark.parametrize(
    ("event", "detail", "result"),
    [
        ("resumed", "migrated", "completed"),
        ("suspended", "paused", "completed"),
        ("stopped", "failed", "failed"),
        ("stopped", "destroyed", "failed"),
    ],
)
def test_an_incoming_migration_ends_with_the_guest_running_or_stopped(
    history: JobHistory, event: str, detail: str, result: str
) -> None:
    """Once: what happens to the guest later is none of its migration."""
    _happens(history, "started", "migrated")
    _happens(history, "suspended", "migrated")
    _happens(history, event, detail)
    _happens(history, "stopped", "shutdown")
    assert _counts(history) == {("migration_in", result): 1}


def test_a_guest_that_boots_is_no_migration(history: JobHistory) -> None:
    """Neither its start nor its end counts."""
    _happens(history, "started", "booted")
    _happens(history, "stopped", "failed")
    assert _counts(history) == {}


def test_block_jobs_are_counted_when_they_end(history: JobHistory) -> None:
    """A job that only is ready goes on."""
    commit = BLOCK_OPERATIONS.index("active_commit")
    for detail in ("ready", "completed"):
        _happens(history, "block_job", detail, {"disk": "vda", "type": commit})
    _happens(history, "block_job", "failed", {"disk": "vda", "type": 99})
    counted = {sample.labels: sample.value for sample in history.samples() if sample.metric is job.BLOCK_JOBS}
    assert {labels for labels, value in counted.items() if value} == {
        ("active_commit", "completed"),
        ("unknown", "failed"),
    }
