"""Whether guests live and get processors."""

from dashboards.alerts.alert import Alert, Audience, Group, Scope, Severity

GROUP = Group(
    name="guests",
    component="compute",
    scope=Scope.GUEST,
    alerts=(
        Alert(
            name="GuestMonitorBlocked",
            expr="libvirt_domain_monitor_blocked_seconds > $monitor_blocked_seconds",
            lasts="1m",
            keeps="3m",
            severity=Severity.CRITICAL,
            summary="QEMU of $guest has not answered its monitor for {{ $value | humanizeDuration }}",
            description="The guest may hang, and libvirt cannot stop or migrate it. First check the state and the wait channel of its QEMU process on the host. Most often QEMU waits for storage.",
        ),
        Alert(
            name="GuestPausedOnIOError",
            expr='libvirt_domain_state_reason{state="paused", reason="ioerror"} == 1',
            lasts="1m",
            severity=Severity.CRITICAL,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} is paused by a disk I/O error',
            description="The guest stays paused until the disk works again and an operator resumes it. Find the disk with `virsh domblkerror` and repair its storage, which is most often full. Then resume the guest: it has lost no data.",
        ),
        Alert(
            name="GuestPaused",
            expr='libvirt_domain_state_reason{state="paused", reason=~"watchdog|crashed|postcopy_failed|api_error|unknown"} == 1',
            lasts="15m",
            severity=Severity.WARNING,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} is paused ({{ $labels.reason }})',
            description="The guest does not run. Find out who paused it. After a failed migration, check both hosts before you resume it: two copies may write to one disk.",
        ),
        Alert(
            name="GuestCrashed",
            expr="libvirt_domain_info_vstate == 6",
            lasts="1m",
            audience=Audience.TENANT,
            severity=Severity.WARNING,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} has crashed',
            description="The guest's kernel panicked, and its definition keeps the crashed guest (`on_crash`: preserve). Take a dump if the tenant wants one (`virsh dump --memory-only`). Then let the control plane reboot it hard (`openstack server reboot --hard`).",
        ),
        Alert(
            name="GuestSystemCheckFailed",
            expr='libvirt_domain_check_reason_info{check="system", result="failed"} == 1',
            lasts="5m",
            severity=Severity.CRITICAL,
            summary="The host does not serve $guest ({{ $labels.reason }})",
            description="The reason names the part that failed: QEMU, a disk, a GPU or a network port. The time counts as unplanned and lowers the guest's service level. The runbook has the first look for each reason.",
        ),
        Alert(
            name="GuestInstanceCheckFailed",
            expr='libvirt_domain_check_reason_info{check="instance", result="failed"} == 1',
            lasts="5m",
            audience=Audience.TENANT,
            severity=Severity.WARNING,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} shows no sign of life ({{ $labels.reason }})',
            description="The host serves the guest, but its agent is gone, or its kernel does nothing any more. It may be stopped on purpose: ask the tenant before a reset.",
        ),
        Alert(
            name="GuestRunQueueDelayHigh",
            expr="uuid:libvirt_domain_vcpu_delay_seconds:max_rate5m > $run_delay_ratio",
            lasts="15m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="A vCPU of $guest waits {{ $value | humanizePercentage }} of the time for a CPU",
            description="The guest sees this as steal time. On the Hypervisor board, check which guests use the CPUs and whether CPU pins overlap. Migrate a guest away if the host is full.",
        ),
        Alert(
            name="GuestCPUThrottled",
            expr="""\
rate(libvirt_domain_cgroup_cpu_throttled_periods_total{group!="emulator"}[5m])
/ (rate(libvirt_domain_cgroup_cpu_periods_total{group!="emulator"}[5m]) > 0)
> $cpu_throttled_ratio""",
            lasts="15m",
            audience=Audience.TENANT,
            keeps="15m",
            severity=Severity.WARNING,
            summary="{{ $labels.group }} of $guest was throttled by its CPU quota in {{ $value | humanizePercentage }} of the periods",
            description="The guest wants more CPU than it was sold. Compare the quota with the flavour; if it is right, the tenant needs a larger one.",
        ),
        Alert(
            name="GuestPausedByUser",
            expr='libvirt_domain_state_reason{state="paused", reason="user"} == 1',
            lasts="1h",
            severity=Severity.INFO,
            audience=Audience.TENANT,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} has been paused on request for an hour',
            description="A pause by the tenant or by an operator is allowed; a forgotten one is not. Ask who paused it.",
        ),
        Alert(
            name="GuestEmulatorThrottled",
            expr="""\
rate(libvirt_domain_cgroup_cpu_throttled_periods_total{group="emulator"}[5m])
/ (rate(libvirt_domain_cgroup_cpu_periods_total{group="emulator"}[5m]) > 0)
> $cpu_throttled_ratio""",
            lasts="15m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="The emulator of $guest was throttled by its CPU quota in {{ $value | humanizePercentage }} of the periods",
            description="QEMU's own threads serve the guest's disks and network. Their quota is too small: the operator sets it, not the tenant.",
        ),
    ),
)
