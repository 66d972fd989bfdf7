"""Rows about a guest as a whole: identity, state, size, events."""

from hostcollector.base.model import Neighbours
from hostcollector.catalogue import vm, vm_labels
from hostcollector.catalogue.possible import FLAG, MEMORY, ONE, TIMESTAMP, VCPUS, code, counted
from hostcollector.catalogue.rows import COMPATIBILITY, counter, gauge, info, view

INFO = info(
    name="libvirt_domain_info",
    source="definition",
    labels=("os_type", "os_type_arch", "os_type_machine"),
    help="The guest's firmware type, architecture and machine type.",
    tenant=view(vm.INFO, Neighbours.NONE, labels={"arch": "os_type_arch"}),
)
INFO_META = gauge(
    name="libvirt_domain_info_meta",
    switch=COMPATIBILITY,
    can_be=ONE,
    source="definition",
    labels=(
        "instance_name",
        "flavor",
        "user_name",
        "user_uuid",
        "project_name",
        "project_uuid",
        "root_type",
        "root_uuid",
    ),
    help="What Nova wrote into the guest's metadata; always 1.",
    note="Nova guests only. Kept for dashboards of the Tinkoff exporter.",
)
OPENSTACK_INFO = info(
    name="libvirt_domain_openstack_info",
    source="definition",
    labels=(
        "instance_name",
        "instance_id",
        "flavor_name",
        "user_name",
        "user_id",
        "project_name",
        "project_id",
    ),
    help="What Nova wrote into the guest's metadata.",
    note="Nova guests only. Names are those of the guest's last boot.",
)
TENANT_INFO = info(
    name="libvirt_domain_tenant_info",
    source="definition",
    labels=("tenant_name", "resolver"),
    help="The tenant's display name and the resolver that found the tenant.",
)
TITLE_INFO = info(
    name="libvirt_domain_title_info",
    source="definition",
    labels=("title",),
    help="The guest's title, where its definition has one.",
)
MAXIMUM_MEMORY = gauge(
    name="libvirt_domain_info_maximum_memory_bytes",
    can_be=MEMORY,
    source="definition",
    unit="bytes",
    help="Memory that the guest may use at most.",
    tenant=view(vm.MEMORY_MAXIMUM, Neighbours.NONE),
)
VIRTUAL_CPUS = gauge(
    name="libvirt_domain_info_virtual_cpus",
    can_be=VCPUS,
    source="definition",
    help="vCPUs that are online in the guest's definition.",
    tenant=view(vm.VCPU_COUNT, Neighbours.NONE),
)
VCPU_CURRENT = gauge(
    name="libvirt_domain_vcpu_current",
    switch=COMPATIBILITY,
    can_be=VCPUS,
    source="definition",
    help="vCPUs that are online in the guest's definition.",
    note="The inovex exporter's name for libvirt_domain_info_virtual_cpus.",
)
VCPU_MAXIMUM = gauge(
    name="libvirt_domain_vcpu_maximum",
    can_be=VCPUS,
    source="definition",
    help="vCPUs that the guest may have at most.",
)
STATE_CODE = gauge(
    name="libvirt_domain_info_vstate",
    can_be=code(7),
    source="libvirt_state",
    help=(
        "The guest's state: 0 none, 1 running, 2 blocked, 3 paused, 4 shutting down, 5 shut off, "
        "6 crashed, 7 suspended by guest power management."
    ),
)
STATE = gauge(
    name="libvirt_domain_info_state",
    can_be=code(7),
    source="libvirt_state",
    labels=("state_desc",),
    help="The guest's state code, with its description as a label.",
    note="The series changes with the state; libvirt_domain_info_vstate does not.",
)
STATE_REASON = gauge(
    name="libvirt_domain_state_reason",
    can_be=ONE,
    source="libvirt_state",
    labels=("state", "reason"),
    help="The guest's state and why it is in it; 1 for the pair that holds, the others are absent.",
    tenant=view(vm.STATE, Neighbours.NONE, labels={"state": "state"}),
)
START_TIME = gauge(
    name="libvirt_domain_start_timestamp_seconds",
    can_be=TIMESTAMP,
    source="procfs",
    unit="seconds",
    help="When the guest's QEMU process started, as a Unix time.",
    tenant=view(vm.START_TIME, Neighbours.NONE),
)
AGENT_CONNECTED = gauge(
    name="libvirt_domain_agent_connected",
    can_be=FLAG,
    source="definition",
    help="1 if an agent in the guest holds the guest agent's channel open. Absent without such a channel.",
)
EVENTS = counter(
    name="libvirt_domain_events_total",
    can_be=counted(1e6),
    source="events",
    labels=("event", "detail"),
    help="libvirt events of the guest since the collector has known it.",
    tenant=view(
        vm.EVENTS_TOTAL,
        Neighbours.NONE,
        labels={"event": "event"},
        where={"event": vm_labels.EVENT_WORDS},
        summed=True,
    ),
)
