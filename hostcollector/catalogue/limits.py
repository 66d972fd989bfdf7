"""Rows about what a guest's network interfaces are limited to, and how often a limit was met.

`direction` is the guest's: receive or transmit. Limits of VFs are rows of `vf`, those of disks of `block`.
"""

from functools import partial

from hostcollector.base.model import Neighbours
from hostcollector.catalogue import vm
from hostcollector.catalogue.possible import BYTES_PER_SECOND, FLAG, counted, measured
from hostcollector.catalogue.rows import counter, gauge, info, view

_DIRECTION = ("target_device", "direction")
_BURST = measured(0, 2**40, unknown=())
# The kernel counts them in 32 bits.
_HELD = counted(1e10, bits=32)

_defined = partial(gauge, source="definition", labels=_DIRECTION)
_kernel = partial(gauge, source="netlink", labels=_DIRECTION)
_held = partial(
    counter,
    source="netlink",
    labels=_DIRECTION,
    can_be=_HELD,
    note="Starts at 0 again when the limit is set anew. The kernel counts in 32 bits.",
)
_UNLIMITED = "Absent when the definition sets none."

DEFINED = _defined(
    name="libvirt_domain_interface_defined_limit_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="The average rate that the interface's definition allows.",
    note=_UNLIMITED,
)
DEFINED_PEAK = _defined(
    name="libvirt_domain_interface_defined_peak_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="The rate of a burst that the interface's definition allows.",
    note=_UNLIMITED,
)
DEFINED_BURST = _defined(
    name="libvirt_domain_interface_defined_burst_bytes",
    can_be=_BURST,
    unit="bytes",
    help="The size of a burst that the interface's definition allows.",
    note=_UNLIMITED,
)
DEFINED_GUARANTEE = _defined(
    name="libvirt_domain_interface_defined_guarantee_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="The rate that the interface's definition guarantees.",
    note=_UNLIMITED,
)
_OVS = "What the switch is set to; its own policers and meters do not show what they dropped."

OVS_LIMIT = gauge(
    name="libvirt_domain_ovs_limit_bytes_per_second",
    source="ovs",
    labels=_DIRECTION,
    can_be=BYTES_PER_SECOND,
    help="The rate that Open vSwitch allows on the guest's port: policing (transmit) or QoS (receive).",
    note=_OVS,
    tenant=view(vm.NETWORK_LIMIT, Neighbours.NONE, labels={"nic": "target_device", "direction": "direction"}),
)
OVS_BURST = gauge(
    name="libvirt_domain_ovs_limit_burst_bytes",
    source="ovs",
    labels=_DIRECTION,
    can_be=_BURST,
    unit="bytes",
    help="The burst that Open vSwitch's policing allows on the guest's port.",
    note="Absent for the switch's default, 1 MB.",
)
OVS_QUEUE_LIMIT = gauge(
    name="libvirt_domain_ovs_queue_limit_bytes_per_second",
    source="ovs",
    labels=("target_device", "queue"),
    can_be=BYTES_PER_SECOND,
    help="The rate that Open vSwitch allows in a QoS queue to the guest.",
    note="The first 64 queues of a port.",
)
_ovn = partial(gauge, source="ovn", labels=("logical_port", "direction"))
OVN_LIMIT = _ovn(
    name="libvirt_domain_ovn_limit_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="The rate that OVN allows the guest's logical port (option qos_max_rate).",
)
OVN_GUARANTEE = _ovn(
    name="libvirt_domain_ovn_guarantee_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="The rate that OVN guarantees the guest's logical port (option qos_min_rate).",
)
OVN_BURST = _ovn(
    name="libvirt_domain_ovn_limit_burst_bytes",
    can_be=_BURST,
    unit="bytes",
    help="The burst that OVN allows the guest's logical port (option qos_burst).",
)
LIMIT = _kernel(
    name="libvirt_domain_interface_limit_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="The rate that the kernel allows on the guest's tap or macvtap.",
    note="At most a minute old. Absent without a limit, and where several policers each limit a part.",
    tenant=view(vm.NETWORK_LIMIT, Neighbours.NONE, labels={"nic": "target_device", "direction": "direction"}),
)
LIMIT_INFO = info(
    name="libvirt_domain_interface_limit_info",
    source="netlink",
    labels=(*_DIRECTION, "kind"),
    help="How the kernel limits the interface: htb and tbf make packets wait, police drops them.",
)
DROPS = _held(
    name="libvirt_domain_interface_limit_drops_total",
    help="Packets that the kernel's limit dropped: the guest was held back.",
    tenant=view(
        vm.NETWORK_LIMIT_DROPS, Neighbours.NONE, labels={"nic": "target_device", "direction": "direction"}
    ),
)
OVERLIMITS = _held(
    name="libvirt_domain_interface_limit_overlimits_total",
    help="Times that the kernel's limit made a packet wait, or dropped it.",
    tenant=view(
        vm.NETWORK_LIMIT_HITS, Neighbours.NONE, labels={"nic": "target_device", "direction": "direction"}
    ),
)
DRIFT = _kernel(
    name="libvirt_domain_interface_limit_drift",
    can_be=FLAG,
    help="1 if the kernel has no limit, or another one, where the definition sets one.",
    note="Only for directions with a limit in the definition.",
)
