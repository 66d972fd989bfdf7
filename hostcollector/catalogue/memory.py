"""Rows about a guest's memory: the balloon driver's view and the host's."""

from functools import partial

from hostcollector.base.model import Neighbours
from hostcollector.catalogue import vm
from hostcollector.catalogue.host import HOST_SHARE
from hostcollector.catalogue.possible import (
    DISK_SIZE,
    DURATION,
    EVENTS,
    GUEST_MEMORY,
    MEMORY,
    PERCENT,
    TIMESTAMP,
)
from hostcollector.catalogue.rows import COMPATIBILITY, counter, gauge, info, view

_balloon_gauge = partial(gauge, source="libvirt_monitor", unit="bytes")
_balloon_counter = partial(counter, source="libvirt_monitor")

USAGE = _balloon_gauge(
    name="libvirt_domain_info_memory_usage_bytes",
    can_be=GUEST_MEMORY,
    help="Memory that the host grants to the guest at present (the balloon's size), not what the guest uses.",
    tenant=view(vm.MEMORY_GRANTED, Neighbours.NONE),
)
ACTUAL_BALLOON = _balloon_gauge(
    name="libvirt_domain_memory_stats_actual_balloon_bytes",
    switch=COMPATIBILITY,
    can_be=GUEST_MEMORY,
    help="Memory that the host grants to the guest at present.",
    note="The Tinkoff exporter's name.",
)
CURRENT_BALLOON = _balloon_gauge(
    name="libvirt_domain_memory_stats_current_balloon_bytes",
    switch=COMPATIBILITY,
    can_be=GUEST_MEMORY,
    help="Memory that the host grants to the guest at present.",
    note="The inovex exporter's name.",
)
MAXIMUM = _balloon_gauge(
    name="libvirt_domain_memory_stats_maximum_bytes",
    can_be=MEMORY,
    help="Memory that the balloon may grant to the guest at most.",
)
AVAILABLE = _balloon_gauge(
    name="libvirt_domain_memory_stats_available_bytes",
    can_be=GUEST_MEMORY,
    help="All memory that the guest's kernel sees (MemTotal).",
    tenant=view(vm.MEMORY_TOTAL, Neighbours.NONE),
)
UNUSED = _balloon_gauge(
    name="libvirt_domain_memory_stats_unused_bytes",
    can_be=GUEST_MEMORY,
    help="Memory that the guest leaves entirely unused (MemFree).",
)
USABLE = _balloon_gauge(
    name="libvirt_domain_memory_stats_usable_bytes",
    can_be=GUEST_MEMORY,
    help="Memory that the guest could still hand out without swapping (MemAvailable).",
    tenant=view(vm.MEMORY_AVAILABLE, Neighbours.NONE),
)
DISK_CACHE = _balloon_gauge(
    name="libvirt_domain_memory_stats_disk_cache_bytes",
    switch=COMPATIBILITY,
    can_be=GUEST_MEMORY,
    help="Guest memory that caches files and can be reclaimed.",
    note="The Tinkoff exporter's name.",
)
DISK_CACHES = _balloon_gauge(
    name="libvirt_domain_memory_stats_disk_caches_bytes",
    can_be=GUEST_MEMORY,
    help="Guest memory that caches files and can be reclaimed.",
    note="The inovex exporter's name.",
    tenant=view(vm.MEMORY_CACHE, Neighbours.NONE),
)
USED_PERCENT = gauge(
    name="libvirt_domain_memory_stats_used_percent",
    can_be=PERCENT,
    source="libvirt_monitor",
    help="Guest memory in use: (available - usable) / available, in percent.",
    note="Absent until the guest's balloon driver reports both.",
)
SWAP_IN = _balloon_gauge(
    name="libvirt_domain_memory_stats_swap_in_bytes",
    can_be=DISK_SIZE,
    help="Memory that the guest has read back from swap since it booted.",
    note="A counter of the guest that restarts when it reboots; typed gauge as in the inovex exporter.",
    tenant=view(vm.SWAP_IN, Neighbours.NONE),
)
SWAP_OUT = _balloon_gauge(
    name="libvirt_domain_memory_stats_swap_out_bytes",
    can_be=DISK_SIZE,
    help="Memory that the guest has written to swap since it booted.",
    note="A counter of the guest that restarts when it reboots; typed gauge as in the inovex exporter.",
    tenant=view(vm.SWAP_OUT, Neighbours.NONE),
)
MAJOR_FAULTS = _balloon_counter(
    name="libvirt_domain_memory_stats_major_fault_total",
    can_be=EVENTS,
    help="Page faults in the guest that needed disk I/O, since it booted.",
    tenant=view(vm.MAJOR_FAULTS, Neighbours.NONE),
)
MINOR_FAULTS = _balloon_counter(
    name="libvirt_domain_memory_stats_minor_fault_total",
    can_be=EVENTS,
    help="Page faults in the guest that needed no disk I/O, since it booted.",
)
HUGETLB_ALLOCATIONS = _balloon_counter(
    name="libvirt_domain_memory_stats_hugetlb_pgalloc_total",
    can_be=EVENTS,
    help="Huge pages that the guest allocated, since it booted.",
)
HUGETLB_FAILURES = _balloon_counter(
    name="libvirt_domain_memory_stats_hugetlb_pgfail_total",
    can_be=EVENTS,
    help="Huge page allocations that failed in the guest, since it booted.",
)
LAST_UPDATE = gauge(
    name="libvirt_domain_memory_stats_last_update_timestamp_seconds",
    can_be=TIMESTAMP,
    source="libvirt_monitor",
    unit="seconds",
    help="When the guest's balloon driver last reported, as a Unix time.",
    note="Absent if it never did.",
)
AGE = gauge(
    name="libvirt_domain_memory_stats_age_seconds",
    can_be=DURATION,
    source="libvirt_monitor",
    unit="seconds",
    help="How old the balloon driver's figures are.",
    note="Grows without end when no statistics period is set or the guest's driver is gone.",
    tenant=view(vm.MEMORY_REPORT_AGE, Neighbours.NONE),
)
RSS = gauge(
    name="libvirt_domain_memory_stats_rss_bytes",
    can_be=HOST_SHARE,
    source="procfs",
    unit="bytes",
    help="Resident memory of the guest's QEMU process on the host.",
)
_ONCE_A_MINUTE = "The kernel's file is read once a minute."
HUGEPAGES = gauge(
    name="libvirt_domain_memory_hugepages_bytes",
    can_be=HOST_SHARE,
    source="procfs",
    unit="bytes",
    help="Reserved huge pages of the guest's QEMU process. Resident memory does not include them.",
    note=_ONCE_A_MINUTE,
)
SWAPPED = gauge(
    name="libvirt_domain_memory_swapped_bytes",
    can_be=DISK_SIZE,
    source="procfs",
    unit="bytes",
    help="Memory of the guest's QEMU process that the host has swapped out.",
    note=f"{_ONCE_A_MINUTE} Shared memory is not in it.",
)
HOST_MAJOR_FAULTS = counter(
    name="libvirt_domain_memory_host_major_faults_total",
    can_be=EVENTS,
    source="procfs",
    help="Page faults of the guest's QEMU process for which the host had to read from disk or swap.",
)
BACKING_INFO = info(
    name="libvirt_domain_memory_backing_info",
    source="definition",
    labels=("page_size_bytes", "memory_source", "access", "locked", "numa_mode", "numa_nodes"),
    help="How the definition backs the guest's memory: huge pages, source, sharing, lock, NUMA nodes.",
    note='Only for guests whose definition says so. page_size_bytes is "default" for the host\'s default.',
)
