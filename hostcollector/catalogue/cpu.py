"""Rows about a guest's processors: vCPU threads, emulator, I/O and vhost threads, KVM's extras."""

from hostcollector.base.model import Given, Neighbours
from hostcollector.catalogue import vm
from hostcollector.catalogue.possible import (
    CPUS,
    EVENTS,
    FLAG,
    GUEST_CPU_SECONDS,
    SECONDS,
    counted,
    number_of,
)
from hostcollector.catalogue.rows import EXPERIMENTAL, VCPU_DETAIL, counter, gauge, info, view

WAIT_STEP_SECONDS = 0.6
"""The step of a vCPU's waiting time on the tenant page: 1 % of a minute."""

# In nanoseconds, over all vCPUs.
_POLLED = counted(1, step=1e-9, bits=63, given=Given.VCPUS)

DOMAIN_CPU_TIME = counter(
    name="libvirt_domain_info_cpu_time_seconds_total",
    can_be=GUEST_CPU_SECONDS,
    source="procfs",
    unit="seconds",
    help="CPU time of the guest's whole QEMU process, ended threads included.",
    note="Counted in clock ticks (10 ms) by the kernel.",
)
VCPU_TIME = counter(
    name="libvirt_domain_vcpu_time_seconds_total",
    can_be=SECONDS,
    source="procfs",
    labels=("vcpu",),
    unit="seconds",
    help="Time that the vCPU's thread ran on a physical CPU.",
    tenant=view(vm.CPU_SECONDS, Neighbours.WEAK, labels={"vcpu": "vcpu"}),
)
VCPU_DELAY = counter(
    name="libvirt_domain_vcpu_delay_seconds_total",
    can_be=SECONDS,
    source="procfs",
    labels=("vcpu",),
    unit="seconds",
    help="Run delay: time that the vCPU's thread was runnable but waited for a physical CPU (guest steal).",
    tenant=view(vm.CPU_WAIT, Neighbours.STRONG, labels={"vcpu": "vcpu"}, step=WAIT_STEP_SECONDS),
)
VCPU_WAIT = counter(
    name="libvirt_domain_vcpu_wait_seconds_total",
    can_be=SECONDS,
    source="procfs",
    labels=("vcpu",),
    unit="seconds",
    help="The scheduler's wait_sum of the vCPU's thread: run-queue time, not I/O wait.",
    note="Only where kernel.sched_schedstats is on; absent otherwise.",
)
VCPU_STATE = gauge(
    name="libvirt_domain_vcpu_state",
    switch=VCPU_DETAIL,
    can_be=FLAG,
    source="procfs",
    labels=("vcpu",),
    help="1 for a vCPU that is online; offline ones are absent.",
)
VCPU_PHYSICAL_CPU = gauge(
    name="libvirt_domain_vcpu_cpu",
    can_be=CPUS,
    source="procfs",
    labels=("vcpu",),
    help="The physical CPU on which the vCPU's thread ran last.",
)
VCPU_ALLOWED_CPUS = gauge(
    name="libvirt_domain_vcpu_allowed_cpus",
    switch=VCPU_DETAIL,
    can_be=CPUS,
    source="procfs",
    labels=("vcpu",),
    help="How many physical CPUs the vCPU's thread may run on.",
)
VCPU_AFFINITY = info(
    name="libvirt_domain_vcpu_affinity_info",
    switch=VCPU_DETAIL,
    source="procfs",
    labels=("vcpu", "cpus"),
    help="The physical CPUs that the vCPU's thread may run on.",
)
VCPU_CONTEXT_SWITCHES = counter(
    name="libvirt_domain_vcpu_context_switches_total",
    can_be=EVENTS,
    source="procfs",
    labels=("vcpu", "type"),
    help="Context switches of the vCPU's thread: voluntary (it slept) and involuntary (it was preempted).",
)
EMULATOR_TIME = counter(
    name="libvirt_domain_emulator_cpu_seconds_total",
    can_be=SECONDS,
    source="procfs",
    unit="seconds",
    help="Time that QEMU's main thread ran on a physical CPU.",
)
EMULATOR_DELAY = counter(
    name="libvirt_domain_emulator_delay_seconds_total",
    can_be=SECONDS,
    source="procfs",
    unit="seconds",
    help="Run delay of QEMU's main thread.",
)
IOTHREAD_TIME = counter(
    name="libvirt_domain_iothread_cpu_seconds_total",
    can_be=SECONDS,
    source="procfs",
    labels=("iothread",),
    unit="seconds",
    help="Time that the I/O thread ran on a physical CPU.",
)
IOTHREAD_DELAY = counter(
    name="libvirt_domain_iothread_delay_seconds_total",
    can_be=SECONDS,
    source="procfs",
    labels=("iothread",),
    unit="seconds",
    help="Run delay of the I/O thread.",
)
VHOST_TIME = counter(
    name="libvirt_domain_vhost_cpu_seconds_total",
    can_be=SECONDS,
    source="procfs",
    labels=("thread",),
    unit="seconds",
    help="Time that a vhost thread spent on the guest's network queues.",
)
VHOST_DELAY = counter(
    name="libvirt_domain_vhost_delay_seconds_total",
    can_be=SECONDS,
    source="procfs",
    labels=("thread",),
    unit="seconds",
    help="Run delay of a vhost thread.",
)
THREADS = gauge(
    name="libvirt_domain_threads",
    can_be=number_of(2**22),
    source="procfs",
    help="Threads of the guest's QEMU process.",
)
HALTPOLL_SUCCESS = counter(
    name="libvirt_domain_cpu_haltpoll_success_seconds_total",
    can_be=_POLLED,
    source="libvirt_monitor",
    unit="seconds",
    help="Time that KVM polled for a halted vCPU and was right to.",
    note="KVM guests only.",
)
HALTPOLL_FAIL = counter(
    name="libvirt_domain_cpu_haltpoll_fail_seconds_total",
    can_be=_POLLED,
    source="libvirt_monitor",
    unit="seconds",
    help="Time that KVM polled for a halted vCPU in vain.",
    note="KVM guests only.",
)
VCPU_HALTED = gauge(
    name="libvirt_domain_vcpu_halted",
    can_be=FLAG,
    source="libvirt_monitor",
    labels=("vcpu",),
    help="1 while the vCPU is halted (idle).",
    note="KVM guests only.",
)
PERF_EVENTS = counter(
    name="libvirt_domain_perf_events_total",
    can_be=counted(1e14),
    source="libvirt_state",
    labels=("event",),
    stability=EXPERIMENTAL,
    help="Hardware events counted for the guest, where its definition switches them on.",
)
