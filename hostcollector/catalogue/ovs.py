"""Rows about a guest's ports on Open vSwitch and OVN, taps or none."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import (
    DURATION,
    EVENTS,
    FLAG,
    NETWORK_BYTES,
    PACKETS,
    measured,
    number_of,
)
from hostcollector.catalogue.rows import EXPERIMENTAL, counter, gauge, info

_AGE = "As old as hostcollector_ovs_statistics_age_seconds says: the switch writes them every 5 s at best."
_DPDK = "Ports of the user-space datapath only."

_PORTS = number_of(2**32)
_port_counter = partial(counter, source="ovs", labels=("target_device",), note=_AGE)
_dpdk_counter = partial(counter, source="ovs", stability=EXPERIMENTAL, note=_DPDK)
_port_gauge = partial(gauge, source="ovs", labels=("target_device",))
_own_gauge = partial(gauge, source="ovs", scope=Scope.HOST)
_ovn_gauge = partial(gauge, source="ovn", labels=("logical_port",))

RECEIVE_BYTES = _port_counter(
    name="libvirt_domain_ovs_receive_bytes_total",
    can_be=NETWORK_BYTES,
    unit="bytes",
    help="Data that the switch sent to the guest.",
)
RECEIVE_PACKETS = _port_counter(
    name="libvirt_domain_ovs_receive_packets_total",
    can_be=PACKETS,
    help="Packets that the switch sent to the guest.",
)
RECEIVE_ERRORS = _port_counter(
    name="libvirt_domain_ovs_receive_errors_total",
    can_be=PACKETS,
    help="Errors of the switch in sending to the guest.",
)
RECEIVE_DROPS = _port_counter(
    name="libvirt_domain_ovs_receive_drops_total",
    can_be=PACKETS,
    help="Packets to the guest that its port of the switch dropped.",
)
TRANSMIT_BYTES = _port_counter(
    name="libvirt_domain_ovs_transmit_bytes_total",
    can_be=NETWORK_BYTES,
    unit="bytes",
    help="Data that the switch took from the guest.",
)
TRANSMIT_PACKETS = _port_counter(
    name="libvirt_domain_ovs_transmit_packets_total",
    can_be=PACKETS,
    help="Packets that the switch took from the guest.",
)
TRANSMIT_ERRORS = _port_counter(
    name="libvirt_domain_ovs_transmit_errors_total",
    can_be=PACKETS,
    help="Errors of the switch in taking packets from the guest.",
)
TRANSMIT_DROPS = _port_counter(
    name="libvirt_domain_ovs_transmit_drops_total",
    can_be=PACKETS,
    help="Packets from the guest that its port of the switch dropped.",
)
TRANSMIT_ERRORS_BY_CAUSE = _port_counter(
    name="libvirt_domain_ovs_transmit_errors_by_cause_total",
    can_be=PACKETS,
    labels=("target_device", "cause"),
    help="Packets from the guest that the switch could not take, by what was wrong.",
)
RECEIVE_MULTICAST = _port_counter(
    name="libvirt_domain_ovs_receive_multicast_packets_total",
    can_be=PACKETS,
    help="Multicast packets that the switch sent to the guest.",
)
TRANSMIT_MULTICAST = _port_counter(
    name="libvirt_domain_ovs_transmit_multicast_packets_total",
    can_be=PACKETS,
    help="Multicast packets that the switch took from the guest.",
)
RECEIVE_BROADCAST = _port_counter(
    name="libvirt_domain_ovs_receive_broadcast_packets_total",
    can_be=PACKETS,
    help="Broadcast packets that the switch sent to the guest.",
)
TRANSMIT_BROADCAST = _port_counter(
    name="libvirt_domain_ovs_transmit_broadcast_packets_total",
    can_be=PACKETS,
    help="Broadcast packets that the switch took from the guest.",
)
RECEIVE_SIZES = _dpdk_counter(
    name="libvirt_domain_ovs_receive_packets_by_size_total",
    can_be=PACKETS,
    labels=("target_device", "size"),
    help="Packets that the switch sent to the guest, by their size in bytes.",
)
TRANSMIT_SIZES = _dpdk_counter(
    name="libvirt_domain_ovs_transmit_packets_by_size_total",
    can_be=PACKETS,
    labels=("target_device", "size"),
    help="Packets that the switch took from the guest, by their size in bytes.",
)
RECEIVE_DROPS_BY_CAUSE = _dpdk_counter(
    name="libvirt_domain_ovs_receive_drops_by_cause_total",
    can_be=PACKETS,
    labels=("target_device", "cause"),
    help="Packets to the guest that the switch dropped; the cause failure is a guest that takes none.",
)
TRANSMIT_DROPS_BY_CAUSE = _dpdk_counter(
    name="libvirt_domain_ovs_transmit_drops_by_cause_total",
    can_be=PACKETS,
    labels=("target_device", "cause"),
    help="Packets from the guest that the switch dropped, by cause.",
)
RECEIVE_RETRIES = _dpdk_counter(
    name="libvirt_domain_ovs_receive_retries_total",
    can_be=PACKETS,
    labels=("target_device",),
    help="Times that the switch found the guest's queue full and tried again.",
)
RECEIVE_QUEUE_PACKETS = _dpdk_counter(
    name="libvirt_domain_ovs_receive_queue_packets_total",
    can_be=PACKETS,
    labels=("target_device", "queue"),
    help="Packets that the switch sent to the guest, by queue.",
)
TRANSMIT_QUEUE_PACKETS = _dpdk_counter(
    name="libvirt_domain_ovs_transmit_queue_packets_total",
    can_be=PACKETS,
    labels=("target_device", "queue"),
    help="Packets that the switch took from the guest, by queue.",
)
LINK_UP = _port_gauge(
    name="libvirt_domain_ovs_link_up",
    can_be=FLAG,
    help="1 if the port's link is up.",
)
ADMIN_UP = _port_gauge(
    name="libvirt_domain_ovs_admin_up",
    can_be=FLAG,
    help="1 if the port is switched on.",
)
LINK_RESETS = counter(
    name="libvirt_domain_ovs_link_resets_total",
    can_be=EVENTS,
    source="ovs",
    labels=("target_device",),
    help="Times that the switch saw the port's link change.",
)
MTU = _port_gauge(
    name="libvirt_domain_ovs_mtu_bytes",
    can_be=measured(1, 2**20, unknown=()),
    unit="bytes",
    help="The largest packet that the port takes.",
)
PORT_FAILED = _port_gauge(
    name="libvirt_domain_ovs_port_failed",
    can_be=FLAG,
    help="1 if the switch could not set up the port.",
    note="The source's notes have the error itself.",
)
VHOST_USER_CONNECTED = _port_gauge(
    name="libvirt_domain_ovs_vhost_user_connected",
    can_be=FLAG,
    help="1 if the guest's QEMU is connected to the port's vhost-user socket.",
    stability=EXPERIMENTAL,
)
PORT_INFO = info(
    name="libvirt_domain_ovs_port_info",
    source="ovs",
    labels=(
        *("target_device", "bridge", "port", "ofport", "interface_type"),
        *("vlan", "interface_id", "mac_address", "driver"),
    ),
    help="Where on the switch the guest's port is.",
)
VHOST_USER_INFO = info(
    name="libvirt_domain_ovs_vhost_user_info",
    source="ovs",
    labels=("target_device", "mode", "socket", "numa_node", "vrings"),
    help="How the guest's vhost-user port is connected.",
    stability=EXPERIMENTAL,
)
SWITCH_INFO = info(
    name="hostcollector_ovs_info",
    source="ovs",
    scope=Scope.HOST,
    labels=("version", "dpdk_version", "system_id"),
    help="The host's Open vSwitch.",
)
STATISTICS_AGE = _own_gauge(
    name="hostcollector_ovs_statistics_age_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long ago any port's statistics last changed; absent until one has.",
    note="The switch writes only what changed: a high age is an idle switch, or one that has stopped.",
)
STATISTICS_INTERVAL = _own_gauge(
    name="hostcollector_ovs_statistics_interval_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How often the switch is set to write its ports' statistics.",
)
DATABASE_AGE = _own_gauge(
    name="hostcollector_ovs_database_age_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long ago the switch's database last gave a sign of life.",
)
PORTS = _own_gauge(
    name="hostcollector_ovs_ports",
    can_be=_PORTS,
    help="Ports of the switch.",
)
PORTS_UNCLAIMED = _own_gauge(
    name="hostcollector_ovs_ports_unclaimed",
    can_be=_PORTS,
    help="Ports of the switch that were made for a guest and belong to no active one.",
)
OVN_PORT_UP = _ovn_gauge(
    name="libvirt_domain_ovn_port_up",
    can_be=FLAG,
    help="1 if OVN has set up the guest's logical port.",
)
OVN_PORT_BOUND = _ovn_gauge(
    name="libvirt_domain_ovn_port_bound",
    can_be=FLAG,
    help="1 if the guest's logical port is bound to this host; 0 while it is, say, migrated to it.",
)
OVN_PORT_INFO = info(
    name="libvirt_domain_ovn_port_info",
    source="ovn",
    labels=(
        *("logical_port", "target_device", "mac_address", "port_type"),
        *("network", "network_id", "vni", "project_id"),
    ),
    help="The guest's logical port and its network.",
)
OVN_PORTS = gauge(
    name="hostcollector_ovn_ports",
    can_be=_PORTS,
    source="ovn",
    scope=Scope.HOST,
    help="Logical ports that OVN has on this host.",
)
OVN_DATABASE_AGE = gauge(
    name="hostcollector_ovn_database_age_seconds",
    can_be=DURATION,
    source="ovn",
    scope=Scope.HOST,
    unit="seconds",
    help="How long ago OVN's southbound database last gave a sign of life.",
    note="A member that has lost its cluster is left at once; another one is asked.",
)
