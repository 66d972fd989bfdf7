"""Rows about a guest's network interfaces that have a netdev on the host (tap, macvtap)."""

from functools import partial

from hostcollector.base.model import Neighbours
from hostcollector.catalogue import vm
from hostcollector.catalogue.possible import NETWORK_BYTES, ONE, PACKETS
from hostcollector.catalogue.rows import COMPATIBILITY, counter, gauge, info, view

_nic_counter = partial(counter, source="netlink", labels=("target_device",))

RECEIVE_BYTES = _nic_counter(
    name="libvirt_domain_interface_stats_receive_bytes_total",
    can_be=NETWORK_BYTES,
    unit="bytes",
    help="Data that the guest received.",
    tenant=view(vm.NETWORK_RECEIVE_BYTES, Neighbours.NONE, labels={"nic": "target_device"}),
)
RECEIVE_PACKETS = _nic_counter(
    name="libvirt_domain_interface_stats_receive_packets_total",
    can_be=PACKETS,
    help="Packets that the guest received.",
    tenant=view(vm.NETWORK_RECEIVE_PACKETS, Neighbours.NONE, labels={"nic": "target_device"}),
)
RECEIVE_ERRORS = _nic_counter(
    name="libvirt_domain_interface_stats_receive_errors_total",
    can_be=PACKETS,
    help="Errors on the way to the guest.",
    tenant=view(vm.NETWORK_RECEIVE_ERRORS, Neighbours.WEAK, labels={"nic": "target_device"}),
)
RECEIVE_DROPS = _nic_counter(
    name="libvirt_domain_interface_stats_receive_drops_total",
    can_be=PACKETS,
    help="Packets dropped on the way to the guest.",
    tenant=view(vm.NETWORK_RECEIVE_DROPS, Neighbours.WEAK, labels={"nic": "target_device"}),
)
TRANSMIT_BYTES = _nic_counter(
    name="libvirt_domain_interface_stats_transmit_bytes_total",
    can_be=NETWORK_BYTES,
    unit="bytes",
    help="Data that the guest sent.",
    tenant=view(vm.NETWORK_TRANSMIT_BYTES, Neighbours.NONE, labels={"nic": "target_device"}),
)
TRANSMIT_PACKETS = _nic_counter(
    name="libvirt_domain_interface_stats_transmit_packets_total",
    can_be=PACKETS,
    help="Packets that the guest sent.",
    tenant=view(vm.NETWORK_TRANSMIT_PACKETS, Neighbours.NONE, labels={"nic": "target_device"}),
)
TRANSMIT_ERRORS = _nic_counter(
    name="libvirt_domain_interface_stats_transmit_errors_total",
    can_be=PACKETS,
    help="Errors on the way from the guest.",
    tenant=view(vm.NETWORK_TRANSMIT_ERRORS, Neighbours.WEAK, labels={"nic": "target_device"}),
)
TRANSMIT_DROPS = _nic_counter(
    name="libvirt_domain_interface_stats_transmit_drops_total",
    can_be=PACKETS,
    help="Packets dropped on the way from the guest.",
    tenant=view(vm.NETWORK_TRANSMIT_DROPS, Neighbours.WEAK, labels={"nic": "target_device"}),
)
META = gauge(
    name="libvirt_domain_interface_meta",
    switch=COMPATIBILITY,
    can_be=ONE,
    source="definition",
    labels=("source_bridge", "target_device", "virtual_interface"),
    help="What the interface's definition says; always 1.",
    note="The Tinkoff exporter's name.",
)
INFO = info(
    name="libvirt_domain_interface_stats_info",
    source="definition",
    labels=("interface_type", "source_bridge", "target_device", "mac_address", "model_type", "mtu_size"),
    help="What the interface's definition says.",
)
