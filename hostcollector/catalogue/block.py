"""Rows about a guest's disks: traffic, size, limits, latency."""

from functools import partial

from hostcollector.base.model import Metric, Neighbours, TenantView
from hostcollector.catalogue import vm
from hostcollector.catalogue.possible import (
    DISK_BYTES,
    DISK_SIZE,
    OBSERVATIONS,
    ONE,
    REQUESTS,
    SUMMED_SECONDS,
    counted,
    measured,
    number_of,
)
from hostcollector.catalogue.rows import COMPATIBILITY, counter, gauge, histogram, info, view

_DISK = ("target_device",)
_disk_counter = partial(counter, source="libvirt_monitor", labels=_DISK)
_disk_gauge = partial(gauge, source="libvirt_monitor", labels=_DISK, unit="bytes")

READ_BYTES = _disk_counter(
    name="libvirt_domain_block_stats_read_bytes_total",
    can_be=DISK_BYTES,
    unit="bytes",
    help="Data that the guest read from the disk.",
    tenant=view(vm.DISK_READ_BYTES, Neighbours.NONE, labels={"disk": "target_device"}),
)
READ_REQUESTS = _disk_counter(
    name="libvirt_domain_block_stats_read_requests_total",
    can_be=REQUESTS,
    help="Read requests of the guest.",
    tenant=view(vm.DISK_READS, Neighbours.NONE, labels={"disk": "target_device"}),
)
READ_TIME = _disk_counter(
    name="libvirt_domain_block_stats_read_time_seconds_total",
    can_be=SUMMED_SECONDS,
    unit="seconds",
    help="Time that read requests took, summed; divide by the requests for the mean latency.",
    tenant=view(vm.DISK_READ_TIME, Neighbours.WEAK, labels={"disk": "target_device"}),
)
WRITE_BYTES = _disk_counter(
    name="libvirt_domain_block_stats_write_bytes_total",
    can_be=DISK_BYTES,
    unit="bytes",
    help="Data that the guest wrote to the disk.",
    tenant=view(vm.DISK_WRITE_BYTES, Neighbours.NONE, labels={"disk": "target_device"}),
)
WRITE_REQUESTS = _disk_counter(
    name="libvirt_domain_block_stats_write_requests_total",
    can_be=REQUESTS,
    help="Write requests of the guest.",
    tenant=view(vm.DISK_WRITES, Neighbours.NONE, labels={"disk": "target_device"}),
)
WRITE_TIME = _disk_counter(
    name="libvirt_domain_block_stats_write_time_seconds_total",
    can_be=SUMMED_SECONDS,
    unit="seconds",
    help="Time that write requests took, summed; divide by the requests for the mean latency.",
    tenant=view(vm.DISK_WRITE_TIME, Neighbours.WEAK, labels={"disk": "target_device"}),
)
FLUSH_REQUESTS = _disk_counter(
    name="libvirt_domain_block_stats_flush_requests_total",
    can_be=REQUESTS,
    help="Flush requests of the guest.",
    tenant=view(vm.DISK_FLUSHES, Neighbours.NONE, labels={"disk": "target_device"}),
)
FLUSH_TIME = _disk_counter(
    name="libvirt_domain_block_stats_flush_time_seconds_total",
    can_be=SUMMED_SECONDS,
    unit="seconds",
    help="Time that flush requests took, summed.",
    tenant=view(vm.DISK_FLUSH_TIME, Neighbours.WEAK, labels={"disk": "target_device"}),
)
IO_ERRORS = counter(
    name="libvirt_domain_block_io_errors_total",
    can_be=counted(1e6),
    source="events",
    labels=("target_device",),
    help="I/O errors of the disk that QEMU reported since the collector has known the guest.",
    tenant=view(vm.DISK_ERRORS, Neighbours.WEAK, labels={"disk": "target_device"}),
)
ALLOCATION = _disk_gauge(
    name="libvirt_domain_block_stats_allocation",
    can_be=DISK_SIZE,
    help="Offset of the highest byte ever written to the disk's image.",
    note="The common name has no unit; the value is in bytes.",
)
CAPACITY = _disk_gauge(
    name="libvirt_domain_block_stats_capacity_bytes",
    can_be=DISK_SIZE,
    help="The disk's size as the guest sees it.",
    tenant=view(vm.DISK_CAPACITY, Neighbours.NONE, labels={"disk": "target_device"}),
)
PHYSICAL_SIZE = _disk_gauge(
    name="libvirt_domain_block_stats_physicalsize_bytes",
    can_be=DISK_SIZE,
    help="The size of the image or device that holds the disk.",
)
THRESHOLD = _disk_gauge(
    name="libvirt_domain_block_stats_threshold_bytes",
    can_be=DISK_SIZE,
    help="The write threshold set on the disk's image, where there is one.",
)
LATENCY = histogram(
    name="libvirt_domain_block_latency_seconds",
    can_be=OBSERVATIONS,
    source="libvirt_monitor",
    labels=("target_device", "operation"),
    unit="seconds",
    help="How long the disk's requests took.",
    note="Only for disks whose definition switches latency histograms on (libvirt 12 and newer).",
)
META = gauge(
    name="libvirt_domain_block_meta",
    switch=COMPATIBILITY,
    can_be=ONE,
    source="definition",
    labels=("bus", "cache", "discard", "disk_type", "driver_type", "serial", "source_file", "target_device"),
    help="What the disk's definition says; always 1.",
    note="The Tinkoff exporter's name.",
)
INFO = info(
    name="libvirt_domain_block_stats_info",
    source="definition",
    labels=(
        "disk_type",
        "target_bus",
        "driver_name",
        "driver_type",
        "driver_cache",
        "driver_discard",
        "source_file",
        "source_protocol",
        "target_device",
        "serial",
    ),
    help="What the disk's definition says.",
)

BACKING_IMAGES = gauge(
    name="libvirt_domain_block_backing_images",
    can_be=number_of(10_000),
    source="definition",
    labels=_DISK,
    help="Images under the disk's own: snapshots that were not merged, and the base image.",
    note="Absent where libvirt does not know the chain to its end.",
)
THROTTLE_GROUP = info(
    name="libvirt_domain_block_throttle_group_info",
    source="definition",
    labels=("target_device", "throttle_group"),
    help="The disk shares its limits with all disks of the guest that are in the same group.",
    note="The libvirt_domain_block_stats_limit_* of these disks are one budget, not one each.",
)


# QEMU takes no larger one (THROTTLE_VALUE_MAX).
_LIMIT = measured(0, 1e15, unknown=())


def _limit(suffix: str, text: str, unit: str = "", tenant: TenantView | None = None) -> Metric:
    return gauge(
        name=f"libvirt_domain_block_stats_{suffix}",
        source="definition",
        can_be=_LIMIT,
        labels=_DISK,
        unit=unit,
        help=text,
        note="Absent when the disk has no such limit.",
        tenant=tenant,
    )


def _shown(family: Metric, direction: str) -> TenantView:
    return view(family, Neighbours.NONE, labels={"disk": "target_device"}, fixed={"direction": direction})


LIMITS = {
    "total_bytes_sec": _limit(
        "limit_total_bytes",
        "The disk's limit in bytes per second.",
        tenant=_shown(vm.DISK_BYTES_LIMIT, "total"),
    ),
    "read_bytes_sec": _limit(
        "limit_read_bytes",
        "The disk's limit in bytes read per second.",
        tenant=_shown(vm.DISK_BYTES_LIMIT, "read"),
    ),
    "write_bytes_sec": _limit(
        "limit_write_bytes",
        "The disk's limit in bytes written per second.",
        tenant=_shown(vm.DISK_BYTES_LIMIT, "write"),
    ),
    "total_iops_sec": _limit(
        "limit_total_requests",
        "The disk's limit in requests per second.",
        tenant=_shown(vm.DISK_OPERATIONS_LIMIT, "total"),
    ),
    "read_iops_sec": _limit(
        "limit_read_requests",
        "The disk's limit in reads per second.",
        tenant=_shown(vm.DISK_OPERATIONS_LIMIT, "read"),
    ),
    "write_iops_sec": _limit(
        "limit_write_requests",
        "The disk's limit in writes per second.",
        tenant=_shown(vm.DISK_OPERATIONS_LIMIT, "write"),
    ),
    "total_bytes_sec_max": _limit("limit_burst_total_bytes", "Burst limit in bytes per second."),
    "read_bytes_sec_max": _limit("limit_burst_read_bytes", "Burst limit in bytes read per second."),
    "write_bytes_sec_max": _limit("limit_burst_write_bytes", "Burst limit in bytes written per second."),
    "total_iops_sec_max": _limit("limit_burst_total_requests", "Burst limit in requests per second."),
    "read_iops_sec_max": _limit("limit_burst_read_requests", "Burst limit in reads per second."),
    "write_iops_sec_max": _limit("limit_burst_write_requests", "Burst limit in writes per second."),
    "total_bytes_sec_max_length": _limit(
        "limit_burst_total_bytes_length_seconds", "How long a burst in bytes may last.", "seconds"
    ),
    "read_bytes_sec_max_length": _limit(
        "limit_burst_read_bytes_length_seconds", "How long a burst in bytes read may last.", "seconds"
    ),
    "write_bytes_sec_max_length": _limit(
        "limit_burst_write_bytes_length_seconds", "How long a burst in bytes written may last.", "seconds"
    ),
    "total_iops_sec_max_length": _limit(
        "limit_burst_length_total_requests_seconds", "How long a burst in requests may last.", "seconds"
    ),
    "read_iops_sec_max_length": _limit(
        "limit_burst_length_read_requests_seconds", "How long a burst in reads may last.", "seconds"
    ),
    "write_iops_sec_max_length": _limit(
        "limit_burst_length_write_requests_seconds", "How long a burst in writes may last.", "seconds"
    ),
    "size_iops_sec": _limit(
        "size_iops_bytes", "The request size that counts as one request for the limits.", "bytes"
    ),
}
