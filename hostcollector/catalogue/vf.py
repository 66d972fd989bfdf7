"""Rows about SR-IOV virtual functions: the network that guests have past the host's own."""

from functools import partial

from hostcollector.base.model import Neighbours, Scope
from hostcollector.catalogue import vm
from hostcollector.catalogue.possible import BYTES_PER_SECOND, FLAG, NETWORK_BYTES, PACKETS, code, number_of
from hostcollector.catalogue.rows import TwinRows, gauge, info, view

_VF = ("pf", "vf", "pci_address")
_PF = ("pf", "pci_address")
_host_gauge = partial(gauge, source="sriov", scope=Scope.HOST, labels=_PF)

_rows = TwinRows(
    source="sriov",
    labels=_VF,
    guest_prefix="libvirt_domain_vf",
    host_prefix="hostcollector_host_vf",
    guest_note="Of a VF that a guest owns; starts at 0 for each owner.",
    host_note="Of a VF that no guest owns; starts at 0 whenever it becomes free.",
)

RECEIVED = _rows.counter(
    "receive_bytes",
    NETWORK_BYTES,
    "Data that the VF received.",
    unit="bytes",
    tenant=view(vm.NETWORK_RECEIVE_BYTES, Neighbours.NONE, labels={"nic": "pci_address"}),
)
RECEIVED_PACKETS = _rows.counter(
    "receive_packets",
    PACKETS,
    "Packets that the VF received.",
    tenant=view(vm.NETWORK_RECEIVE_PACKETS, Neighbours.NONE, labels={"nic": "pci_address"}),
)
RECEIVE_DROPPED = _rows.counter(
    "receive_dropped",
    PACKETS,
    "Packets to the VF that the card dropped.",
    tenant=view(vm.NETWORK_RECEIVE_DROPS, Neighbours.WEAK, labels={"nic": "pci_address"}),
)
RECEIVED_BROADCAST = _rows.counter(
    "receive_broadcast_packets", PACKETS, "Broadcast packets that the VF received."
)
RECEIVED_MULTICAST = _rows.counter(
    "receive_multicast_packets", PACKETS, "Multicast packets that the VF received."
)
TRANSMITTED = _rows.counter(
    "transmit_bytes",
    NETWORK_BYTES,
    "Data that the VF sent.",
    unit="bytes",
    tenant=view(vm.NETWORK_TRANSMIT_BYTES, Neighbours.NONE, labels={"nic": "pci_address"}),
)
TRANSMITTED_PACKETS = _rows.counter(
    "transmit_packets",
    PACKETS,
    "Packets that the VF sent.",
    tenant=view(vm.NETWORK_TRANSMIT_PACKETS, Neighbours.NONE, labels={"nic": "pci_address"}),
)
TRANSMIT_DROPPED = _rows.counter(
    "transmit_dropped",
    PACKETS,
    "Packets from the VF that the card dropped.",
    tenant=view(vm.NETWORK_TRANSMIT_DROPS, Neighbours.WEAK, labels={"nic": "pci_address"}),
)
TRANSMITTED_BROADCAST = _rows.counter(
    "transmit_broadcast_packets", PACKETS, "Broadcast packets that the VF sent."
)
TRANSMITTED_MULTICAST = _rows.counter(
    "transmit_multicast_packets", PACKETS, "Multicast packets that the VF sent."
)
RDMA_RECEIVED = _rows.counter(
    "rdma_receive_bytes",
    NETWORK_BYTES,
    "RoCE data that the VF received; receive_bytes has it too.",
    unit="bytes",
    tenant=view(vm.RDMA_RECEIVE_BYTES, Neighbours.NONE, labels={"nic": "pci_address"}),
)
RDMA_RECEIVED_PACKETS = _rows.counter(
    "rdma_receive_packets",
    PACKETS,
    "RoCE packets that the VF received; receive_packets has them too.",
    tenant=view(vm.RDMA_RECEIVE_PACKETS, Neighbours.NONE, labels={"nic": "pci_address"}),
)
RDMA_TRANSMITTED = _rows.counter(
    "rdma_transmit_bytes",
    NETWORK_BYTES,
    "RoCE data that the VF sent; transmit_bytes has it too.",
    unit="bytes",
    tenant=view(vm.RDMA_TRANSMIT_BYTES, Neighbours.NONE, labels={"nic": "pci_address"}),
)
RDMA_TRANSMITTED_PACKETS = _rows.counter(
    "rdma_transmit_packets",
    PACKETS,
    "RoCE packets that the VF sent; transmit_packets has them too.",
    tenant=view(vm.RDMA_TRANSMIT_PACKETS, Neighbours.NONE, labels={"nic": "pci_address"}),
)
VLAN = _rows.gauge("vlan", code(4095), "VLAN that the card puts the VF's traffic into; 0 for none.")
VLAN_PRIORITY = _rows.gauge(
    "vlan_priority", code(7), "Priority (802.1p) that the card gives the VF's traffic in its VLAN."
)
LINK_STATE = _rows.gauge(
    "link_state", code(2), "The VF's link: 0 follows the port, 1 forced up, 2 forced down."
)
SPOOF_CHECK = _rows.gauge(
    "spoof_check", FLAG, "1 if the card drops what the VF sends from an address that is not its own."
)
TRUST = _rows.gauge("trust", FLAG, "1 if the VF may change its address and listen to everything.")
TRANSMIT_LIMIT = _rows.gauge(
    "transmit_limit_bytes_per_second",
    BYTES_PER_SECOND,
    "What the VF may send at most; absent when there is no limit.",
    tenant=view(
        vm.NETWORK_LIMIT, Neighbours.NONE, labels={"nic": "pci_address"}, fixed={"direction": "transmit"}
    ),
)
TRANSMIT_GUARANTEE = _rows.gauge(
    "transmit_guarantee_bytes_per_second",
    BYTES_PER_SECOND,
    "What the VF may send at least; absent when nothing is.",
)
INFO = _rows.info(
    "info",
    "What the VF is; driver is its own one on the host, such as vfio-pci.",
    ("mac", "vlan", "driver", "pf_driver", "pf_pci_address", "ib_device"),
    note="mac is what a guest's definition gives the VF; of a VF without a guest, what the card lists.",
)
INFINIBAND_INFO = _rows.info(
    "infiniband_info",
    "GUIDs of an InfiniBand VF, by which the subnet manager knows it.",
    ("node_guid", "port_guid"),
)

POLICY_DRIFT = gauge(
    name="libvirt_domain_vf_policy_drift",
    can_be=FLAG,
    source="sriov",
    labels=(*_VF, "rule"),
    help="1 if a guest's VF breaks the rule: trust_on, spoof_check_off, vlan_0, vlan_differs, link_forced_up "
    "or mac_differs.",
    note="Only what can be judged, by what the definition asks for; in switchdev mode only the address.",
)
PKEY_INFO = info(
    name="libvirt_domain_vf_pkey_info",
    source="sriov",
    labels=(*_VF, "port_guid", "pkey", "membership", "partition", "origin"),
    help="A partition that a guest's InfiniBand VF is in, as a full or a limited member, or as both.",
    note="pkey is without the membership bit; origin is static (the configuration) or ufm.",
)
PF_INFO = info(
    name="hostcollector_host_pf_info",
    source="sriov",
    scope=Scope.HOST,
    labels=(*_PF, "driver", "ib_device"),
    help="A network card that can be split into VFs.",
)
PF_VFS = _host_gauge(
    name="hostcollector_host_pf_vfs",
    can_be=number_of(2**16),
    help="VFs that the card is split into.",
)
PF_COUNTERS_SUPPORTED = _host_gauge(
    name="hostcollector_host_pf_vf_counters_supported",
    can_be=FLAG,
    help="1 if the card's driver counts the traffic of each VF; with 0 there are no VF counters.",
)
VF_INFO_TRUNCATED = _host_gauge(
    name="hostcollector_host_vf_info_truncated",
    can_be=FLAG,
    help="1 if the kernel's list of VFs lacks some that the card has.",
)
