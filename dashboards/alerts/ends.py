"""How guests ended, and what happened to them. The host's series keep it after the guest is gone."""

from dashboards.alerts.alert import Alert, Audience, Group, Scope, Severity

GROUP = Group(
    name="ends",
    component="compute",
    scope=Scope.GUEST,
    alerts=(
        Alert(
            name="GuestEndedUnexpectedly",
            expr='hostcollector_host_domain_ended_timestamp_seconds{reason=~"crashed|failed"} > time() - 900',
            severity=Severity.CRITICAL,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} has ended ({{ $labels.reason }})',
            description="`failed`: its QEMU was killed or crashed. `crashed`: its kernel panicked. See the guest's log in `/var/log/libvirt/qemu/` and `coredumpctl list` on the host before the guest is started again. The alert ends 15 minutes after the guest did.",
        ),
        Alert(
            name="GuestOOMKilled",
            expr='hostcollector_host_domain_ended_timestamp_seconds{reason="oom_kill"} > time() - 900',
            severity=Severity.CRITICAL,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} was killed because memory ran out',
            description="The kernel's out-of-memory killer ended its QEMU. `journalctl -k -g oom-kill` says whether the guest's own limit or the host's memory was too small. Start the guest on a host with room. The alert ends 15 minutes after the guest did.",
        ),
        Alert(
            name="GuestPanicked",
            expr='hostcollector_host_domain_incident_timestamp_seconds{incident="panicked"} > time() - 900',
            audience=Audience.TENANT,
            severity=Severity.WARNING,
            summary="The kernel of $guest panicked",
            description="What happens next is the definition's `on_crash`: the guest is ended, restarted, or kept for a dump. `/var/log/libvirt/qemu/` on the host may have more. The alert ends 15 minutes after the last panic.",
        ),
        Alert(
            name="GuestWatchdogFired",
            expr='hostcollector_host_domain_incident_timestamp_seconds{incident="watchdog"} > time() - 900',
            audience=Audience.TENANT,
            severity=Severity.WARNING,
            summary="The watchdog of $guest fired (action {{ $labels.detail }})",
            description="The guest did not feed its watchdog: it hangs, or waited for a CPU or a disk for too long. Look at run delay and disk latency on its board. The alert ends 15 minutes after the last time.",
        ),
        Alert(
            name="GuestMemoryFailure",
            expr='hostcollector_host_domain_incident_timestamp_seconds{incident="memory_failure"} > time() - 900',
            severity=Severity.CRITICAL,
            summary="Memory of $guest has failed ({{ $labels.detail }})",
            description='The host has an uncorrected memory error in a page of the guest. `journalctl -k -g "mce|EDAC|Memory failure"` names the module. Move all guests away, then replace it. The alert ends 15 minutes after the last error.',
        ),
        Alert(
            name="GuestDiskError",
            expr='hostcollector_host_domain_incident_timestamp_seconds{incident="io_error"} > time() - 900',
            severity=Severity.WARNING,
            summary="Disk {{ $labels.detail }} of $guest has I/O errors",
            description="The storage refused a request. Depending on `error_policy` the guest saw the error or was paused. `virsh domblklist --details` shows the disk's source; check that storage and its space. The alert ends 15 minutes after the last error.",
        ),
        Alert(
            name="GuestRebootedOften",
            expr='sum without (detail) (increase(libvirt_domain_events_total{event="reboot"}[1h])) > $reboots_per_hour',
            keeps="1h",
            severity=Severity.INFO,
            audience=Audience.TENANT,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} has rebooted {{ $value | humanize }} times in an hour',
            description="The guest's system restarts in a loop: a panic with `panic=` on its command line, or its own supervisor. Its console says why.",
        ),
    ),
)
