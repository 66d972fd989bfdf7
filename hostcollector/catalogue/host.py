"""Rows about the hypervisor itself: what there is to be shared out."""

from functools import partial

from hostcollector.catalogue.rows import gauge
from hostcollector.model import Scope

_host = partial(gauge, source="host", scope=Scope.HOST)

DOMAINS = gauge(
    name="libvirt_domains",
    source="libvirt_state",
    scope=Scope.HOST,
    help="Domains that libvirt knows, shut-off ones included.",
)
DOMAINS_BY_STATE = gauge(
    name="hostcollector_host_domains",
    source="libvirt_state",
    scope=Scope.HOST,
    labels=("state",),
    help="Domains by state; shut-off ones are counted, never opened.",
)
CPUS_ONLINE = _host(
    name="hostcollector_host_cpus_online",
    help="Physical CPUs (hardware threads) that are online.",
)
MEMORY_TOTAL = _host(
    name="hostcollector_host_memory_bytes",
    unit="bytes",
    help="The host's memory.",
)
MEMORY_AVAILABLE = _host(
    name="hostcollector_host_memory_available_bytes",
    unit="bytes",
    help="Memory that the host could still hand out without swapping.",
)
NODE_MEMORY_TOTAL = _host(
    name="hostcollector_host_numa_memory_bytes",
    labels=("node",),
    unit="bytes",
    help="The NUMA node's memory.",
)
NODE_MEMORY_FREE = _host(
    name="hostcollector_host_numa_memory_free_bytes",
    labels=("node",),
    unit="bytes",
    help="The NUMA node's free memory.",
)
NODE_CPUS = _host(
    name="hostcollector_host_numa_cpus",
    labels=("node",),
    help="Physical CPUs of the NUMA node.",
)
HUGEPAGES = _host(
    name="hostcollector_host_hugepages",
    labels=("node", "page_size_bytes"),
    help="Huge pages that the NUMA node has set aside.",
)
HUGEPAGES_FREE = _host(
    name="hostcollector_host_hugepages_free",
    labels=("node", "page_size_bytes"),
    help="Huge pages of the NUMA node that nobody uses.",
)
