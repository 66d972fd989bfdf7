"""Rows about background jobs of guests (migration, save, dump, backup) and of their disks."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import (
    BYTES_PER_SECOND,
    DISK_SIZE,
    DURATION,
    OBSERVATIONS,
    RATIO,
    code,
    counted,
    measured,
    number_of,
)
from hostcollector.catalogue.rows import counter, gauge, histogram, info

_job = partial(gauge, source="libvirt_monitor")

TYPE = gauge(
    name="libvirt_domain_job_info_type",
    can_be=code(5),
    source="libvirt_monitor",
    help="The guest's background job: 0 none, 1 bounded, 2 unbounded, 3 completed, 4 failed, 5 cancelled.",
    note="Looked for every 10 seconds; a running job is read in every collection.",
)
ELAPSED = gauge(
    name="libvirt_domain_job_info_time_elapsed_seconds",
    can_be=DURATION,
    source="libvirt_monitor",
    unit="seconds",
    help="How long the guest's background job has been running.",
)
REMAINING = gauge(
    name="libvirt_domain_job_info_time_remaining_seconds",
    can_be=DURATION,
    source="libvirt_monitor",
    unit="seconds",
    help="How long the guest's background job is expected to run on.",
    note="Only where libvirt knows it; QEMU's migrations have no such figure.",
)
DATA_TOTAL = gauge(
    name="libvirt_domain_job_info_data_total_bytes",
    can_be=DISK_SIZE,
    source="libvirt_monitor",
    unit="bytes",
    help="All data that the background job has to move.",
)
DATA_PROCESSED = gauge(
    name="libvirt_domain_job_info_data_processed_bytes",
    can_be=DISK_SIZE,
    source="libvirt_monitor",
    unit="bytes",
    help="Data that the background job has moved.",
)
DATA_REMAINING = gauge(
    name="libvirt_domain_job_info_data_remaining_bytes",
    can_be=DISK_SIZE,
    source="libvirt_monitor",
    unit="bytes",
    help="Data that the background job has still to move.",
)
MEMORY_TOTAL = gauge(
    name="libvirt_domain_job_info_memory_total_bytes",
    can_be=DISK_SIZE,
    source="libvirt_monitor",
    unit="bytes",
    help="All guest memory that the background job has to move.",
)
MEMORY_PROCESSED = gauge(
    name="libvirt_domain_job_info_memory_processed_bytes",
    can_be=DISK_SIZE,
    source="libvirt_monitor",
    unit="bytes",
    help="Guest memory that the background job has moved.",
)
MEMORY_REMAINING = gauge(
    name="libvirt_domain_job_info_memory_remaining_bytes",
    can_be=DISK_SIZE,
    source="libvirt_monitor",
    unit="bytes",
    help="Guest memory that the background job has still to move.",
)
FILE_TOTAL = gauge(
    name="libvirt_domain_job_info_file_total_bytes",
    can_be=DISK_SIZE,
    source="libvirt_monitor",
    unit="bytes",
    help="All disk data that the background job has to move.",
)
FILE_PROCESSED = gauge(
    name="libvirt_domain_job_info_file_processed_bytes",
    can_be=DISK_SIZE,
    source="libvirt_monitor",
    unit="bytes",
    help="Disk data that the background job has moved.",
)
FILE_REMAINING = gauge(
    name="libvirt_domain_job_info_file_remaining_bytes",
    can_be=DISK_SIZE,
    source="libvirt_monitor",
    unit="bytes",
    help="Disk data that the background job has still to move.",
)
OPERATION = info(
    name="libvirt_domain_job_operation_info",
    source="libvirt_monitor",
    labels=("operation",),
    help="What the running background job does: migration_out, save, dump, backup and others.",
)
DOWNTIME_EXPECTED = _job(
    name="libvirt_domain_job_info_downtime_expected_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long QEMU expects the guest to be paused at the end of its migration.",
    note="In the post-copy phase it is the real downtime.",
)
SETUP = _job(
    name="libvirt_domain_job_info_setup_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long the setup of the migration took.",
)
DIRTY_RATE = _job(
    name="libvirt_domain_job_info_dirty_bytes_per_second",
    can_be=measured(0, 1e13, unknown=()),
    help="How fast the guest changes its memory during the migration.",
    note="Absent in the first iteration, after which QEMU knows it.",
)
MEMORY_RATE = _job(
    name="libvirt_domain_job_info_memory_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="How fast the job moves guest memory.",
)
DISK_RATE = _job(
    name="libvirt_domain_job_info_file_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="How fast the job moves disk data.",
)
ITERATION = _job(
    name="libvirt_domain_job_info_iteration",
    can_be=number_of(1e9),
    help="How many times the migration has gone through the guest's memory.",
)
THROTTLE = _job(
    name="libvirt_domain_job_info_throttle_ratio",
    can_be=RATIO,
    unit="ratio",
    help="Share of time for which auto-converge stops the guest's vCPUs.",
    note="Absent while auto-converge does not throttle.",
)
POSTCOPY_REQUESTS = _job(
    name="libvirt_domain_job_info_postcopy_requests",
    can_be=number_of(1e12),
    help="Memory pages that the destination has requested in the post-copy phase.",
)
MEMORY_BYTES = _job(
    name="libvirt_domain_job_info_memory_bytes",
    can_be=DISK_SIZE,
    labels=("kind",),
    unit="bytes",
    help="Guest memory that the job has moved, by kind: normal, constant (one value, such as 0), compressed.",
    note="Of constant pages only a mark is sent.",
)
LAST_DOWNTIME = _job(
    name="libvirt_domain_last_migration_downtime_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long the guest was paused in the migration by which it came here.",
    note="Read once, when the guest is new to the collector. Absent for a guest that booted here.",
)
LAST_DURATION = _job(
    name="libvirt_domain_last_migration_duration_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long the migration took by which the guest came here.",
    note="Read once, when the guest is new to the collector. Absent for a guest that booted here.",
)
BLOCK_PROGRESS = _job(
    name="libvirt_domain_block_job_progress_ratio",
    can_be=RATIO,
    labels=("target_device", "operation"),
    unit="ratio",
    help="How much of its work the disk's block job has done.",
    note="For copy and active_commit, which the guest's XML names. At 1 they mirror writes until they end.",
)
BLOCK_REMAINING = _job(
    name="libvirt_domain_block_job_remaining_bytes",
    can_be=DISK_SIZE,
    labels=("target_device", "operation"),
    unit="bytes",
    help="Data that the disk's block job has still to move.",
    note="For copy and active_commit, which the guest's XML names.",
)
JOBS = counter(
    name="hostcollector_host_domain_jobs_total",
    can_be=counted(1e4),
    source="libvirt_monitor",
    scope=Scope.HOST,
    labels=("operation", "result"),
    help="Background jobs of guests on this host that have ended, by result: completed or failed.",
    note=(
        "A cancelled job has failed. The operation is unknown if a job failed between two scrapes. "
        "Memory-only dumps and internal snapshots are not counted: libvirt does not report their end."
    ),
)
DURATIONS = histogram(
    name="hostcollector_host_domain_job_duration_seconds",
    can_be=OBSERVATIONS,
    source="libvirt_monitor",
    scope=Scope.HOST,
    labels=("operation",),
    unit="seconds",
    help="How long completed background jobs of guests took.",
)
DOWNTIMES = histogram(
    name="hostcollector_host_domain_job_downtime_seconds",
    can_be=OBSERVATIONS,
    source="libvirt_monitor",
    scope=Scope.HOST,
    labels=("operation",),
    unit="seconds",
    help="How long guests were paused in completed migrations from this host.",
)
BLOCK_JOBS = counter(
    name="hostcollector_host_domain_block_jobs_total",
    can_be=counted(1e4),
    source="libvirt_monitor",
    scope=Scope.HOST,
    labels=("operation", "result"),
    help="Block jobs of guests' disks on this host that have ended: completed, failed, canceled.",
)
