"""Memory of guests: what they lack, and what the host has taken or placed badly."""

from dashboards.alerts.alert import Alert, Audience, Group, Scope, Severity

GROUP = Group(
    name="memory",
    component="memory",
    scope=Scope.GUEST,
    alerts=(
        Alert(
            name="GuestBalloonStatsStale",
            expr="libvirt_domain_memory_stats_age_seconds > $balloon_stale_seconds",
            lasts="15m",
            audience=Audience.TENANT,
            severity=Severity.INFO,
            summary="Memory figures of $guest are {{ $value | humanizeDuration }} old",
            description="The memory use inside the guest is unknown. Set a period with `virsh dommemstat --period 10 --live`. If that does not help, the guest has no balloon driver, or hangs.",
        ),
        Alert(
            name="GuestSwapping",
            expr="uuid:libvirt_domain_memory_stats_swap_bytes:rate5m > $guest_swap_bytes_per_second",
            lasts="15m",
            audience=Audience.TENANT,
            severity=Severity.WARNING,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} swaps {{ $value | humanize1024 }}B/s',
            description="The guest has too little memory for its work. Check that its balloon is not inflated (`virsh dommemstat`: actual below the maximum). Otherwise the tenant needs a larger flavour.",
        ),
        Alert(
            name="GuestMajorFaultsHigh",
            expr="rate(libvirt_domain_memory_stats_major_fault_total[5m]) > $guest_major_faults_per_second",
            lasts="15m",
            audience=Audience.TENANT,
            severity=Severity.WARNING,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} has {{ $value | humanize }} major page faults per second',
            description="The guest reads memory pages from its disk all the time. Check its swap and disk panels. Without swap it thrashes its page cache and needs more memory.",
        ),
        Alert(
            name="GuestSwappedOutByHost",
            expr="libvirt_domain_cgroup_memory_swap_bytes > $host_swapped_bytes",
            lasts="15m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="The host has swapped out {{ $value | humanize1024 }}B of $guest",
            description="Each access stalls a vCPU, and the guest cannot see why. The host is short of memory. Find the largest consumer on the Hypervisor board and migrate a guest away.",
        ),
        Alert(
            name="GuestMajorFaultsOnHost",
            expr="rate(libvirt_domain_memory_host_major_faults_total[5m]) > $host_major_faults_per_second",
            lasts="10m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="The host reads memory of $guest back from disk, {{ $value | humanize }} pages per second",
            description="Each of these faults stops a vCPU for a disk read, and the guest cannot see why. The host is short of memory: migrate a guest away.",
        ),
        Alert(
            name="GuestMemoryHeadroomLow",
            expr="uuid:libvirt_domain_memory_headroom:ratio < $guest_memory_ratio",
            lasts="15m",
            audience=Audience.TENANT,
            severity=Severity.INFO,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }} has {{ $value | humanizePercentage }} of its memory left',
            description="The guest soon swaps or kills a process. Check that its balloon is not inflated. Otherwise the tenant needs a larger flavour.",
        ),
        Alert(
            name="GuestMemoryRemote",
            expr="uuid:libvirt_domain_memory_remote:ratio > $memory_remote_ratio",
            lasts="30m",
            severity=Severity.WARNING,
            summary="{{ $value | humanizePercentage }} of the memory of $guest is on a NUMA node without its vCPUs",
            description="Each access crosses the link between the sockets. Compare the CPU pins with the memory's nodes. Restart or migrate the guest after the pins are right.",
        ),
        Alert(
            name="GuestGPURemote",
            expr="""\
label_replace(libvirt_domain_gpu_info{numa_node!=""}, "node", "$1", "numa_node", "(.+)")
unless on (job, instance, uuid, node) libvirt_domain_numa_info{resource="vcpu"}
and on (job, instance, uuid) libvirt_domain_numa_info{resource="vcpu"}""",
            lasts="1h",
            component="gpu",
            severity=Severity.INFO,
            summary="GPU {{ $labels.gpu }} of $guest is on NUMA node {{ $labels.node }}, where no vCPU runs",
            description="Transfers between vCPUs and GPU cross the link between the sockets. Place the guest anew: GPU and CPU pins on one node.",
        ),
    ),
)
