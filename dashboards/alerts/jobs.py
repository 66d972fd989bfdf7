"""Migrations and other jobs of guests."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity

GROUP = Group(
    name="jobs",
    component="migration",
    scope=Scope.GUEST,
    alerts=(
        Alert(
            name="GuestMigrationNotConverging",
            expr="""\
avg_over_time(libvirt_domain_job_info_dirty_bytes_per_second[5m])
>= avg_over_time(libvirt_domain_job_info_memory_bytes_per_second[5m])
and libvirt_domain_job_info_iteration > 5""",
            lasts="5m",
            severity=Severity.WARNING,
            summary='The migration of guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) from {{ $labels.instance }} does not converge: the guest changes {{ $value | humanize1024 }}B of memory per second',
            description="The guest changes its memory faster than the migration transfers it, so the migration does not end. Raise its bandwidth (`virsh migrate-setspeed`), allow more downtime (`virsh migrate-setmaxdowntime`), or cancel it.",
        ),
        Alert(
            name="GuestMigrationThrottled",
            expr="libvirt_domain_job_info_throttle_ratio > $migration_throttle_ratio",
            lasts="1m",
            severity=Severity.WARNING,
            summary='The migration of guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) from {{ $labels.instance }} stops its vCPUs {{ $value | humanizePercentage }} of the time',
            description="Auto-converge slows the guest down until its migration ends. Raise the bandwidth (`virsh migrate-setspeed`), or cancel the migration and repeat it when the guest is quiet.",
        ),
        Alert(
            name="GuestMigratedOften",
            expr="changes(uuid:libvirt_domain_migrated_start_timestamp_seconds:max[24h]) > $migrations_per_day",
            severity=Severity.WARNING,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) has migrated {{ $value }} times in the fleet in 24 hours',
            description="A scheduler moves the guest to and fro, and each migration costs it a pause. Find the cause in the scheduler's log, and pin the guest to a host meanwhile.",
        ),
        Alert(
            name="GuestJobsFailed",
            expr='increase(hostcollector_host_domain_jobs_total{result="failed"}[15m]) > 0',
            scope=Scope.HOST,
            severity=Severity.WARNING,
            summary="Jobs of guests on {{ $labels.instance }} failed: {{ $value | humanize }} in 15 minutes, of the operation {{ $labels.operation }}",
            description="A migration, save or backup failed or was cancelled. Run `journalctl -u hostcollector -g 'job .* of guest'` on the host: it names the guests. libvirt's log has the cause.",
        ),
        Alert(
            name="GuestMigrationStuck",
            expr="""\
libvirt_domain_job_info_time_elapsed_seconds > $migration_stuck_seconds
and libvirt_domain_job_info_data_remaining_bytes >= libvirt_domain_job_info_data_remaining_bytes offset 10m
and on (job, instance, uuid) libvirt_domain_job_operation_info{operation=~"migration_.*"}""",
            lasts="5m",
            keeps="10m",
            severity=Severity.WARNING,
            summary="The migration of $guest has run for {{ $value | humanizeDuration }} and does not come nearer to its end",
            description="What remains has not become less in ten minutes. A host that is being emptied waits for this guest. Abort the migration through the control plane, or let it finish by post-copy.",
        ),
    ),
)
