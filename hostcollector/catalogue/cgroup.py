"""Rows about a guest's control group: CPU time, throttling, memory and where it is, storage, pressure."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.host import HOST_SHARE
from hostcollector.catalogue.possible import (
    DISK_BYTES,
    DISK_SIZE,
    ERRORS,
    GUEST_CPU_SECONDS,
    REQUESTS,
    SECONDS,
    counted,
    measured,
)
from hostcollector.catalogue.rows import counter, gauge, info

_cgroup_counter = partial(counter, source="cgroup")
_seconds = partial(counter, source="cgroup", unit="seconds")
# A period is a millisecond at least.
_PERIODS = counted(1000)
# libvirt writes the limits of the definition, above the host's memory too.
_LIMIT = measured(0, 2**63, unknown=(2**63 - 1, 2**63 - 4096))
_bytes = partial(gauge, source="cgroup", unit="bytes")

CPU_USAGE = _seconds(
    name="libvirt_domain_cgroup_cpu_usage_seconds_total",
    can_be=GUEST_CPU_SECONDS,
    help="CPU time of everything in the guest's control group: vCPUs, emulator, I/O and vhost threads.",
)
CPU_USER = _seconds(
    name="libvirt_domain_cgroup_cpu_user_seconds_total",
    can_be=GUEST_CPU_SECONDS,
    help="CPU time in user mode, guest mode included.",
)
CPU_SYSTEM = _seconds(
    name="libvirt_domain_cgroup_cpu_system_seconds_total",
    can_be=GUEST_CPU_SECONDS,
    help="CPU time in the host's kernel.",
)
# The kernel counts throttling only in the very group that has the quota, and libvirt gives each part its own.
# A sum would fall, and look like a restarted counter, when a vCPU is taken away.
CPU_PERIODS = _cgroup_counter(
    name="libvirt_domain_cgroup_cpu_periods_total",
    can_be=_PERIODS,
    labels=("group",),
    help="Bandwidth periods in which this part of the guest (vcpu0, emulator, domain) wanted to run.",
    note="Present for the parts that have a CPU quota.",
)
CPU_THROTTLED_PERIODS = _cgroup_counter(
    name="libvirt_domain_cgroup_cpu_throttled_periods_total",
    can_be=_PERIODS,
    labels=("group",),
    help="Bandwidth periods in which the part's quota ran out.",
    note="Present for the parts that have a CPU quota.",
)
CPU_THROTTLED = _seconds(
    name="libvirt_domain_cgroup_cpu_throttled_seconds_total",
    can_be=GUEST_CPU_SECONDS,
    labels=("group",),
    help="Time for which this part of the guest was throttled by its CPU quota.",
    note="Present for the parts that have a CPU quota.",
)
MEMORY_USAGE = _bytes(
    name="libvirt_domain_cgroup_memory_usage_bytes",
    can_be=HOST_SHARE,
    help="Memory charged to the guest's control group, page cache included.",
)
MEMORY_LIMIT = _bytes(
    name="libvirt_domain_cgroup_memory_limit_bytes",
    can_be=_LIMIT,
    help="The control group's memory limit; absent when there is none.",
)
MEMORY_SWAP = _bytes(
    name="libvirt_domain_cgroup_memory_swap_bytes",
    can_be=DISK_SIZE,
    help="Guest memory that the host has swapped out.",
)
MEMORY_OOM_KILLS = _cgroup_counter(
    name="libvirt_domain_cgroup_memory_oom_kills_total",
    can_be=ERRORS,
    help="Processes of the control group that the kernel killed for want of memory.",
)
_ONCE_A_MINUTE = "The kernel's file is read once a minute."

MEMORY_TRANSPARENT_HUGE = _bytes(
    name="libvirt_domain_cgroup_memory_thp_bytes",
    can_be=HOST_SHARE,
    labels=("kind",),
    help="Guest memory in transparent huge pages: anonymous (anon), or shared as with vhost-user (shmem).",
    note=f"{_ONCE_A_MINUTE} Version 1 counts only anon. Reserved huge pages are not in it.",
)
MEMORY_BY_NODE = _bytes(
    name="libvirt_domain_cgroup_memory_numa_bytes",
    can_be=HOST_SHARE,
    labels=("node",),
    help="The guest's memory by NUMA node, anonymous and shared; page cache is not in it.",
    note=f"{_ONCE_A_MINUTE} Without reserved huge pages and pages that KSM has merged.",
)

_DEVICE = ("device",)
_STACKED = (
    "By block device of the host, as the kernel counts it for the control group. A request to an LVM volume "
    "counts there and at the disk below: never sum over devices. Network file systems and RBD have none."
)
_io = partial(_cgroup_counter, labels=_DEVICE, note=_STACKED)
IO_READ_BYTES = _io(
    name="libvirt_domain_cgroup_io_read_bytes_total",
    can_be=DISK_BYTES,
    unit="bytes",
    help="Data that the guest's QEMU read from the device; known also while the guest's monitor hangs.",
)
IO_WRITE_BYTES = _io(
    name="libvirt_domain_cgroup_io_write_bytes_total",
    can_be=DISK_BYTES,
    unit="bytes",
    help="Data that the guest's QEMU wrote to the device; known also while the guest's monitor hangs.",
)
IO_READ_REQUESTS = _io(
    name="libvirt_domain_cgroup_io_read_requests_total",
    can_be=REQUESTS,
    help="Reads that the guest's QEMU sent to the device.",
)
IO_WRITE_REQUESTS = _io(
    name="libvirt_domain_cgroup_io_write_requests_total",
    can_be=REQUESTS,
    help="Writes that the guest's QEMU sent to the device.",
)
BLOCK_DEVICE_INFO = info(
    name="hostcollector_host_block_device_info",
    source="cgroup",
    scope=Scope.HOST,
    labels=("device", "device_number", "mapped_name"),
    help="A block device that guests use: the kernel's name and number, and device mapper's name (LVM).",
)

PRESSURE_CPU_WAITING = _seconds(
    name="libvirt_domain_pressure_cpu_waiting_seconds_total",
    can_be=SECONDS,
    help="Time in which some task of the guest waited for a CPU (PSI some).",
)
PRESSURE_MEMORY_WAITING = _seconds(
    name="libvirt_domain_pressure_memory_waiting_seconds_total",
    can_be=SECONDS,
    help="Time in which some task of the guest waited for memory (PSI some).",
)
PRESSURE_MEMORY_STALLED = _seconds(
    name="libvirt_domain_pressure_memory_stalled_seconds_total",
    can_be=SECONDS,
    help="Time in which all tasks of the guest waited for memory (PSI full).",
)
PRESSURE_IO_WAITING = _seconds(
    name="libvirt_domain_pressure_io_waiting_seconds_total",
    can_be=SECONDS,
    help="Time in which some task of the guest waited for I/O (PSI some).",
)
PRESSURE_IO_STALLED = _seconds(
    name="libvirt_domain_pressure_io_stalled_seconds_total",
    can_be=SECONDS,
    help="Time in which all tasks of the guest waited for I/O (PSI full).",
)
