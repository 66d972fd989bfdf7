"""Rows about the hypervisor itself: what there is to be shared out."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import CPUS, FLAG, MEMORY, SECONDS, counted, measured, number_of
from hostcollector.catalogue.rows import counter, gauge, info

_host = partial(gauge, source="host", scope=Scope.HOST)

DOMAINS = gauge(
    name="libvirt_domains",
    can_be=number_of(10**6),
    source="libvirt_state",
    scope=Scope.HOST,
    help="Domains that libvirt knows, shut-off ones included.",
)
DOMAINS_BY_STATE = gauge(
    name="hostcollector_host_domains",
    can_be=number_of(10**6),
    source="libvirt_state",
    scope=Scope.HOST,
    labels=("state",),
    help="Domains by state; shut-off ones are counted, never opened.",
)
UNLISTED_QEMUS = gauge(
    name="hostcollector_host_unlisted_qemus",
    can_be=number_of(10**6),
    source="procfs",
    scope=Scope.HOST,
    help="QEMU processes whose guests libvirt has not listed for half a minute: its access rules (polkit) "
    "hide them from the collector, or it has lost them.",
)
CPUS_ONLINE = _host(
    name="hostcollector_host_cpus_online",
    can_be=number_of(2**20, least=1),
    help="Physical CPUs (hardware threads) that are online.",
)
CPU_SECONDS = counter(
    name="hostcollector_host_cpu_seconds_total",
    # All processors of a host together, in ticks of 10 ms.
    can_be=counted(2**16, step=0.01),
    source="host",
    scope=Scope.HOST,
    labels=("mode",),
    unit="seconds",
    help="CPU time of all processors by mode, as in /proc/stat.",
    note="user contains guest, nice contains guest_nice: the sum over the other eight modes is all time.",
)
_pressure = partial(
    counter,
    can_be=SECONDS,
    source="host",
    scope=Scope.HOST,
    labels=("resource",),
    unit="seconds",
    note="resource is cpu, memory or io. Absent where the kernel was started without psi=1.",
)
PRESSURE_WAITING = _pressure(
    name="hostcollector_host_pressure_waiting_seconds_total",
    help="Time in which some task of the host waited for the resource (PSI some).",
)
PRESSURE_STALLED = _pressure(
    name="hostcollector_host_pressure_stalled_seconds_total",
    help="Time in which all tasks of the host waited for memory or io (PSI full).",
)
MEMORY_TOTAL = _host(
    name="hostcollector_host_memory_bytes",
    can_be=measured(1, 2**50, unknown=MEMORY.unknown),
    unit="bytes",
    help="The host's memory.",
)
# A part of the host's memory.
HOST_SHARE = measured(0, 2**50, unknown=MEMORY.unknown, within=MEMORY_TOTAL)

MEMORY_AVAILABLE = _host(
    name="hostcollector_host_memory_available_bytes",
    can_be=HOST_SHARE,
    unit="bytes",
    help="Memory that the host could still hand out without swapping.",
)
NODE_MEMORY_TOTAL = _host(
    name="hostcollector_host_numa_memory_bytes",
    can_be=HOST_SHARE,
    labels=("node",),
    unit="bytes",
    help="The NUMA node's memory.",
)
NODE_MEMORY_FREE = _host(
    name="hostcollector_host_numa_memory_free_bytes",
    can_be=measured(0, 2**50, unknown=(), within=NODE_MEMORY_TOTAL),
    labels=("node",),
    unit="bytes",
    help="The NUMA node's free memory.",
)
NODE_CPUS = _host(
    name="hostcollector_host_numa_cpus",
    can_be=CPUS,
    labels=("node",),
    help="Physical CPUs of the NUMA node.",
)
HUGEPAGES = _host(
    name="hostcollector_host_hugepages",
    can_be=number_of(2**40),
    labels=("node", "page_size_bytes"),
    help="Huge pages that the NUMA node has set aside.",
)
HUGEPAGES_FREE = _host(
    name="hostcollector_host_hugepages_free",
    can_be=number_of(2**40, within=HUGEPAGES),
    labels=("node", "page_size_bytes"),
    help="Unused huge pages of the NUMA node.",
)
HUGEPAGES_BYTES = _host(
    name="hostcollector_host_memory_hugepages_bytes",
    can_be=HOST_SHARE,
    unit="bytes",
    help="The host's memory that is reserved as huge pages of all sizes; the rest is for normal pages.",
)
HUGEPAGES_FREE_BYTES = _host(
    name="hostcollector_host_memory_hugepages_free_bytes",
    can_be=measured(0, 2**50, unknown=(), within=HUGEPAGES_BYTES),
    unit="bytes",
    help="Reserved huge pages that are unused, all sizes together.",
)
KSM_ENABLED = _host(
    name="hostcollector_host_ksm_enabled",
    can_be=FLAG,
    help="1 while the kernel merges equal pages of guests (KSM).",
)
KSM_SAVED = _host(
    name="hostcollector_host_ksm_saved_bytes",
    can_be=HOST_SHARE,
    unit="bytes",
    help="Memory that merging equal pages saves (pages_sharing).",
    note="Merged pages stay merged after KSM is stopped, until they are written to.",
)
NUMA_INFO = info(
    name="libvirt_domain_numa_info",
    source="host",
    labels=("node", "resource"),
    help="A NUMA node to which the definition binds the guest's vCPUs (vcpu) or memory (memory).",
    note="Absent for vCPUs that are not pinned, and for memory without a node set.",
)
