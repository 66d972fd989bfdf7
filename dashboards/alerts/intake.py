"""The intake of usage records: whether it takes everything that hosts have, and takes it once."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity

GROUP = Group(
    name="intake",
    component="gateway",
    scope=Scope.SERVICE,
    selector="intake_selector",
    alerts=(
        Alert(
            name="UsageIntakeStalled",
            expr="""\
time() - hostcollector_gateway_intake_round_timestamp_seconds > $usage_round_seconds
or up == 0""",
            lasts="10m",
            severity=Severity.WARNING,
            summary="The intake of usage on {{ $labels.instance }} has not ended a round over all hosts for too long",
            description="Hours stay provisional, and nothing is lost for 40 days. The log of `hostcollector-gateway-intake` says whether the list of hosts, the ledger or a host that hangs is the cause.",
        ),
        Alert(
            name="UsageHostSilent",
            expr="hostcollector_gateway_intake_host_age_seconds > $usage_silent_seconds",
            lasts="15m",
            severity=Severity.WARNING,
            summary="Host {{ $labels.host }} has closed no hour of usage for {{ $value | humanizeDuration }} (intake {{ $labels.instance }})",
            description="Hours become final without it after six hours; records that it sends later are adjustments. After 40 days its oldest records are lost. Check that the daemon runs with `usage.records: true` and answers the intake.",
        ),
        Alert(
            name="UsageLedgerConflict",
            expr='increase(hostcollector_gateway_intake_refused_lines_total{cause="conflict"}[1h]) > 0',
            severity=Severity.WARNING,
            summary="{{ $value | humanize }} usage records came with a known id and another body (intake {{ $labels.instance }})",
            description="A host's ledger went back, for example with a restored disk, or a host lies. The first record is billed; the other one is in the table `usage_refusals`.",
        ),
        Alert(
            name="UsageLinesRefused",
            expr='increase(hostcollector_gateway_intake_refused_lines_total{cause!="conflict"}[1h]) > 0',
            severity=Severity.WARNING,
            summary="{{ $value | humanize }} lines of hosts' usage were refused ({{ $labels.cause }}) (intake {{ $labels.instance }})",
            description="They are not billed. The table `usage_refusals` has them. After an upgrade of the hosts before the gateway: upgrade the gateway, then `hostcollector-gateway ledger reread HOST:PORT`.",
        ),
        Alert(
            name="UsageLedgerReplaced",
            expr="increase(hostcollector_gateway_intake_replaced_ledgers_total[1h]) > 0",
            severity=Severity.INFO,
            summary="{{ $value | humanize }} hosts came with another usage ledger than before (intake {{ $labels.instance }})",
            description="They were installed again, or lost their state directory. Records that the intake had not read are lost with the disk. The intake's log names the hosts.",
        ),
        Alert(
            name="UsageOverlap",
            expr="""\
increase(hostcollector_gateway_intake_overlap_seconds_total[1h]) > $usage_overlap_seconds
or increase(hostcollector_gateway_intake_foreign_overlaps_total[1h]) > 0""",
            severity=Severity.WARNING,
            summary="VMs have run on two hosts at once, or for two tenants, by their usage records (intake {{ $labels.instance }})",
            description="Seconds of one tenant's VM are billed once, of two tenants' to both. A second copy of a VM damages its disks: look for the alert GuestOnTwoHosts. A host that was taken over can write false records.",
        ),
        Alert(
            name="UsageLost",
            expr="increase(hostcollector_gateway_intake_lost_lines_total[1h]) > 0",
            severity=Severity.WARNING,
            summary="{{ $value | humanize }} lines of usage are lost: hosts had removed them before they were read (intake {{ $labels.instance }})",
            description="Hosts keep their records for 40 days. The intake did not read a host for longer, or the host's file was damaged.",
        ),
    ),
)
