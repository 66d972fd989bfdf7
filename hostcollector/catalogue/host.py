"""Rows about the hypervisor itself: what there is to be shared out."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import CPUS, MEMORY, counted, measured, number_of
from hostcollector.catalogue.rows import counter, gauge

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
