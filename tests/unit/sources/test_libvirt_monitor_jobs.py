"""A guest's job is what the last look saw, for as long as that can be relied on."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import libvirt
import pytest

from hostcollector.base.definition import Disk, Domain
from hostcollector.base.model import Guest, Histogram, Metric
from hostcollector.catalogue import job
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.pool import Workers
from hostcollector.sources.libvirt_monitor.job_history import JobHistory
from hostcollector.sources.libvirt_monitor.jobs import LOOK_SECONDS, Jobs
from tests.fakes.clock import Clock
from tests.fakes.libvirt import NO_JOB, FakeLibvirt

PAGE = 4096
MIGRATION = {
    "type": libvirt.VIR_DOMAIN_JOB_UNBOUNDED,
    "operation": libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT,
    "time_elapsed": 8049,
    "downtime": 1201,
    "setup_time": 1,
    "data_total": 134750208,
    "data_processed": 146532656,
    "data_remaining": 23072768,
    "memory_total": 134750208,
    "memory_processed": 146532656,
    "memory_remaining": 23072768,
    "memory_bps": 21012660,
    "memory_constant": 7149,
    "memory_normal": 35689,
    "memory_normal_bytes": 146182144,
    "memory_dirty_rate": 4820,
    "memory_iteration": 4,
    "memory_postcopy_requests": 0,
    "memory_page_size": PAGE,
    "disk_total": 0,
    "disk_processed": 0,
    "disk_remaining": 0,
    "auto_converge_throttle": 20,
}
"""As libvirt 9.0 reported a migration with auto-converge."""
BACKUP = {
    "type": libvirt.VIR_DOMAIN_JOB_UNBOUNDED,
    "operation": libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP,
    "time_elapsed": 62,
    "disk_total": 67108864,
    "disk_processed": 1048576,
    "disk_remaining": 66060288,
}
ARRIVED = MIGRATION | {
    "type": libvirt.VIR_DOMAIN_JOB_COMPLETED,
    "operation": libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN,
    "time_elapsed": 28340,
    "downtime": 125,
}


@pytest.fixture
def daemon() -> FakeLibvirt:
    """Give a daemon with one guest."""
    return FakeLibvirt(1)


@pytest.fixture
def clock() -> Clock:
    """Give a clock that does not move."""
    return Clock()


@pytest.fixture
def jobs(daemon: FakeLibvirt, clock: Clock) -> Iterator[Jobs]:
    """Give the jobs of that daemon's guest."""
    workers = Workers(Link("test:///default", opener=daemon.open))
    yield Jobs(workers.monitors, JobHistory(clock), clock)
    workers.close()


def _guest(daemon: FakeLibvirt, *disks: Disk, start: int = 1) -> Guest:
    return Guest(domain=Domain(uuid=daemon.domains[0].uuid, name="vm", id=start, disks=disks))


def _read(jobs: Jobs, daemon: FakeLibvirt) -> list[float | Histogram]:
    return [value for (metric, _), value in _page(jobs, _guest(daemon)).items() if metric is job.TYPE]


def _page(jobs: Jobs, known: Guest) -> Mapping[tuple[Metric, tuple[str, ...]], Any]:
    """Return the guest's series of a reading."""
    uuid = known.domain.uuid
    samples = jobs.read([uuid], {uuid: known}, math.inf)
    return {(sample.metric, sample.labels): sample.value for sample in samples if sample.uuid == uuid}


def test_a_look_into_a_command_keeps_what_the_one_before_saw(
    jobs: Jobs, daemon: FakeLibvirt, clock: Clock
) -> None:
    """That nothing can be asked says nothing about jobs; but after a while nothing is known any more."""
    assert _read(jobs, daemon) == [0]
    daemon.domains[0].occupy()
    clock.now += LOOK_SECONDS
    assert _read(jobs, daemon) == [0]
    clock.now += LOOK_SECONDS
    assert _read(jobs, daemon) == []
    daemon.free()
    assert _read(jobs, daemon) == [0]


def test_a_guest_that_is_gone_has_no_job(jobs: Jobs, daemon: FakeLibvirt, clock: Clock) -> None:
    """What libvirt does not know any more is not kept."""
    assert _read(jobs, daemon) == [0]
    daemon.domains[0].end()
    clock.now += LOOK_SECONDS
    assert _read(jobs, daemon) == []


def test_a_migration_has_all_its_figures(jobs: Jobs, daemon: FakeLibvirt) -> None:
    """Each parameter of libvirt is in its series, in seconds, bytes and ratios."""
    daemon.domains[0].job = MIGRATION
    page = _page(jobs, _guest(daemon))
    assert {
        metric.name.removeprefix("libvirt_domain_job_"): value for (metric, _), value in page.items()
    } == {
        "info_type": 2,
        "operation_info": 1,
        "info_time_elapsed_seconds": 8.049,
        "info_downtime_expected_seconds": 1.201,
        "info_setup_seconds": 0.001,
        "info_data_total_bytes": 134750208,
        "info_data_processed_bytes": 146532656,
        "info_data_remaining_bytes": 23072768,
        "info_memory_total_bytes": 134750208,
        "info_memory_processed_bytes": 146532656,
        "info_memory_remaining_bytes": 23072768,
        "info_file_total_bytes": 0,
        "info_file_processed_bytes": 0,
        "info_file_remaining_bytes": 0,
        "info_memory_bytes_per_second": 21012660,
        "info_dirty_bytes_per_second": 4820 * PAGE,
        "info_iteration": 4,
        "info_postcopy_requests": 0,
        "info_throttle_ratio": 0.2,
        "info_memory_bytes": 7149 * PAGE,
    }
    assert page[job.OPERATION, ("migration_out",)] == 1
    assert page[job.MEMORY_BYTES, ("normal",)] == 146182144


def test_the_dirty_rate_is_unknown_in_the_first_iteration(jobs: Jobs, daemon: FakeLibvirt) -> None:
    """QEMU's 0 of that time is no measurement."""
    daemon.domains[0].job = MIGRATION | {"memory_iteration": 1, "memory_dirty_rate": 0}
    assert (job.DIRTY_RATE, ()) not in _page(jobs, _guest(daemon))


def test_a_backup_has_disk_data_only(jobs: Jobs, daemon: FakeLibvirt) -> None:
    """What libvirt does not report of a job is absent; all data is the sum of what there is."""
    daemon.domains[0].job = BACKUP
    page = _page(jobs, _guest(daemon))
    assert page[job.OPERATION, ("backup",)] == 1
    assert page[job.DATA_TOTAL, ()] == page[job.FILE_TOTAL, ()] == 67108864
    assert (job.MEMORY_TOTAL, ()) not in page


def test_a_guest_that_came_by_migration_has_its_downtime(
    jobs: Jobs, daemon: FakeLibvirt, clock: Clock
) -> None:
    """The statistics of its arrival are read once, and other clients can still read them."""
    daemon.domains[0].finished_job = ARRIVED
    known = _guest(daemon)
    assert _page(jobs, known)[job.LAST_DOWNTIME, ()] == 0.125
    daemon.domains[0].finished_job = NO_JOB
    clock.now += LOOK_SECONDS
    page = _page(jobs, known)
    assert (page[job.LAST_DOWNTIME, ()], page[job.LAST_DURATION, ()]) == (0.125, 28.34)
    daemon.domains[0].finished_job = ARRIVED | {"downtime": 95}
    clock.now += LOOK_SECONDS
    assert _page(jobs, _guest(daemon, start=2))[job.LAST_DOWNTIME, ()] == 0.095


def test_only_a_disk_with_a_mirror_is_asked_for_its_job(jobs: Jobs, daemon: FakeLibvirt) -> None:
    """The block job is followed in each reading, until it has ended."""
    known = _guest(daemon, Disk(target="vda", mirror="copy"), Disk(target="vdb"))
    daemon.domains[0].block_jobs["vda"] = {"type": 2, "bandwidth": 0, "cur": 25, "end": 100}
    page = _page(jobs, known)
    assert page[job.BLOCK_PROGRESS, ("vda", "copy")] == 0.25
    assert page[job.BLOCK_REMAINING, ("vda", "copy")] == 75
    daemon.domains[0].block_jobs["vda"] = {"type": 2, "bandwidth": 0, "cur": 100, "end": 100}
    assert _page(jobs, known)[job.BLOCK_PROGRESS, ("vda", "copy")] == 1
    daemon.domains[0].block_jobs.clear()
    for _ in range(2):
        assert (job.BLOCK_PROGRESS, ("vda", "copy")) not in _page(jobs, known)
    assert daemon.domains[0].asked_disks == ["vda"] * 3


def test_a_block_job_is_shown_only_as_just_read(jobs: Jobs, daemon: FakeLibvirt) -> None:
    """Once the guest's XML has no mirror any more, the last progress is not repeated."""
    daemon.domains[0].block_jobs["vda"] = {"type": 2, "bandwidth": 0, "cur": 25, "end": 100}
    assert (job.BLOCK_PROGRESS, ("vda", "copy")) in _page(
        jobs, _guest(daemon, Disk(target="vda", mirror="copy"))
    )
    page = _page(jobs, _guest(daemon, Disk(target="vda")))
    assert (job.TYPE, ()) in page
    assert (job.BLOCK_PROGRESS, ("vda", "copy")) not in page
