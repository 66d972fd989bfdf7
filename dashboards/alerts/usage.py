"""The usage records, from which bills are made: whether they are written, and whether they are right."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity

GROUP = Group(
    name="usage",
    component="collector",
    scope=Scope.HOST,
    alerts=(
        Alert(
            name="UsageNotWritten",
            expr="increase(hostcollector_usage_errors_total[10m]) > 0 and hostcollector_usage_lines_waiting > 0",
            lasts="10m",
            severity=Severity.CRITICAL,
            summary="hostcollector on {{ $labels.instance }} cannot write its usage records",
            description="They wait in memory, and a restart of the daemon would lose them. Check the space and the owner of `paths.state_directory`, and do not restart the daemon.",
        ),
        Alert(
            name="UsageHourOpen",
            expr="hostcollector_usage_hour_overdue_seconds > $usage_hour_overdue_seconds",
            lasts="5m",
            severity=Severity.WARNING,
            summary="An hour of usage on {{ $labels.instance }} ended {{ $value | humanizeDuration }} ago and is not closed",
            description="Bills of that hour stay provisional. Run `hostcollector diagnose` on the host: it shows whether guests are not listed, or the records cannot be opened.",
        ),
        Alert(
            name="UsageClockWrong",
            expr="""\
abs(hostcollector_usage_clock_timestamp_seconds - timestamp(hostcollector_usage_clock_timestamp_seconds))
> on (job, instance) group_left () ($usage_clock_seconds + hostcollector_collection_duration_seconds)
or increase(hostcollector_usage_clock_steps_total[1h]) > 0""",
            lasts="5m",
            severity=Severity.WARNING,
            summary="The clock of {{ $labels.instance }} is wrong or was set, and usage is recorded by it",
            description="Hours of usage depend on the host's clock. Check the time synchronisation of the host: `chronyc tracking` or `timedatectl`.",
        ),
        Alert(
            name="UsageProcessorTimeDiffers",
            expr="instance:hostcollector_guest_processor_time:ratio_rate15m > $usage_processor_ratio",
            lasts="30m",
            severity=Severity.WARNING,
            summary="The guests of {{ $labels.instance }} have more processor time than the host: {{ $value | humanizePercentage }}",
            description="A guest is counted twice, or a counter is wrong: usage of this host may be wrong. Compare `hostcollector top` with the host's own `top`.",
        ),
    ),
)
