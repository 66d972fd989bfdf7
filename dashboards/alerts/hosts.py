"""A host's memory, and many of its guests at a time."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity

GROUP = Group(
    name="hosts",
    component="memory",
    scope=Scope.HOST,
    alerts=(
        Alert(
            name="HostMemoryLow",
            expr="instance:hostcollector_host_memory_headroom:ratio < $host_memory_ratio",
            lasts="10m",
            keeps="10m",
            severity=Severity.WARNING,
            summary="{{ $labels.instance }} has {{ $value | humanizePercentage }} of its normal memory left",
            description="The host soon swaps guests out or kills one. Reserved huge pages do not help. Find the largest consumer on the Hypervisor board and migrate a guest away.",
        ),
        Alert(
            name="HostMergesPagesOfTenants",
            expr="""\
hostcollector_host_ksm_enabled == 1
and on (job, instance) instance:hostcollector_tenants:count > 1""",
            lasts="1h",
            component="security",
            severity=Severity.INFO,
            summary="{{ $labels.instance }} merges equal memory pages of several tenants (KSM)",
            description="A guest can find out by timing what another tenant's memory contains. Stop KSM where tenants share a host.",
        ),
        Alert(
            name="HostHugePagesExhausted",
            expr="hostcollector_host_hugepages_free == 0 and hostcollector_host_hugepages > 0",
            lasts="1h",
            severity=Severity.INFO,
            summary="NUMA node {{ $labels.node }} of {{ $labels.instance }} has no free huge page of {{ $labels.page_size_bytes | humanize1024 }}B left",
            description="No further guest with huge pages starts on this node, and none can migrate to it. That is normal for a host that is sold out.",
        ),
        Alert(
            name="HostVCPUsAbovePlan",
            expr="instance:libvirt_domain_info_virtual_cpus:sum / on (job, instance) hostcollector_host_cpus_online > $vcpus_per_cpu",
            lasts="1h",
            severity=Severity.INFO,
            component="compute",
            summary="{{ $labels.instance }} has {{ $value | humanize }} vCPUs per CPU, more than planned",
            description="The scheduler should not have placed so many guests here. Compare the allocation ratio of the host with the plan.",
        ),
        Alert(
            name="HostGuestsBlocked",
            expr="""\
instance:hostcollector_blocked_guests:count >= $host_guests
and on (job, instance) (
  instance:hostcollector_blocked_guests:count
  / on (job, instance) hostcollector_host_domains{state="running"} >= $host_guests_ratio
)""",
            lasts="30s",
            keeps="5m",
            severity=Severity.CRITICAL,
            component="compute",
            summary="The QEMUs of {{ $value }} guests on {{ $labels.instance }} hang",
            description="Several QEMUs of one host at once wait for the same thing, most often storage. Look for processes in state D and what they wait for. Do not restart the guests: they go on when the storage answers.",
        ),
        Alert(
            name="HostGuestsEnded",
            expr="instance:hostcollector_ended_guests:count >= $host_guests",
            keeps="15m",
            severity=Severity.CRITICAL,
            component="compute",
            summary="{{ $value }} guests on {{ $labels.instance }} have died within 15 minutes",
            description="The host is the cause: its memory, a package upgrade, systemd-oomd, hardware. Place no new guests on it before the kernel's log is read.",
        ),
        Alert(
            name="HostGuestsUnassigned",
            expr="hostcollector_domains_unassigned > 0",
            lasts="15m",
            keeps="15m",
            severity=Severity.WARNING,
            component="tenancy",
            summary="{{ $value }} guests on {{ $labels.instance }} have no tenant",
            description="No resolver knows these guests: their use is not billed, and their alerts have no tenant. `hostcollector diagnose` on the host lists them.",
        ),
    ),
)
