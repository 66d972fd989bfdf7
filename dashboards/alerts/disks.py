"""Disks of guests, and the storage behind them."""

from dashboards.alerts.alert import Alert, Audience, Group, Scope, Severity

GROUP = Group(
    name="disks",
    component="storage",
    scope=Scope.GUEST,
    alerts=(
        Alert(
            name="GuestDiskLatencyHigh",
            expr="""\
target_device:libvirt_domain_block_latency_seconds:mean5m > $disk_latency_seconds
and target_device:libvirt_domain_block_requests:rate5m > 1""",
            lasts="10m",
            keeps="10m",
            severity=Severity.WARNING,
            summary="A {{ $labels.operation }} on disk {{ $labels.target_device }} of $guest takes {{ $value | humanizeDuration }}",
            description="Compare with other guests on the same storage. If all are slow, the storage is the cause. If only this one is slow, check its disk limit and its queue.",
        ),
        Alert(
            name="GuestDiskQueueHigh",
            expr="target_device:libvirt_domain_block_queue:mean5m > $disk_queue",
            lasts="10m",
            keeps="10m",
            severity=Severity.WARNING,
            summary="Disk {{ $labels.target_device }} of $guest has {{ $value | humanize }} requests in flight",
            description="The storage does not keep up with the guest's requests. Check the latency and the limits of this disk, then the load of the storage behind it.",
        ),
        Alert(
            name="GuestDiskNearLimit",
            expr="target_device:libvirt_domain_block_limit_usage:ratio_rate5m > $near_limit_ratio",
            lasts="15m",
            audience=Audience.TENANT,
            severity=Severity.INFO,
            summary="Disk {{ $labels.target_device }} of $guest uses {{ $value | humanizePercentage }} of its limit {{ $labels.limit }}",
            description="The limit slows the guest down, as configured. Compare the limit with the flavour (`virsh blkdeviotune`). If it is right, the tenant needs a faster volume.",
        ),
        Alert(
            name="GuestBackingChainLong",
            expr="libvirt_domain_block_backing_images > $backing_images",
            lasts="1h",
            severity=Severity.INFO,
            summary="Disk {{ $labels.target_device }} of $guest lies on {{ $value }} images",
            description="Each snapshot that is not merged makes reads slower, and its image grows. List them with `virsh domblklist` and `virsh snapshot-list`, then merge them with `virsh blockcommit`.",
        ),
        Alert(
            name="ManyGuestsSlowOnStorage",
            expr="""\
storage:hostcollector_slow_guests:count >= $storage_guests
and storage:hostcollector_slow_guests:count / storage:hostcollector_busy_guests:count >= $storage_guests_ratio""",
            lasts="5m",
            scope=Scope.HOST,
            keeps="10m",
            severity=Severity.CRITICAL,
            summary="{{ $value }} guests on {{ $labels.instance }} have slow disks on {{ $labels.storage }}",
            description="At least half of the guests that use this storage wait for it: the storage is the cause, not a guest. Check its servers, its paths and the network to it.",
        ),
    ),
)
