"""Rows about the links that lead guests out of the host: network cards, bonds and their members."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import BYTES_PER_SECOND, ERRORS, FLAG, counted, number_of
from hostcollector.catalogue.rows import counter, gauge, info

_LINK = ("device",)
_MEMBER = ("bond", "device")
_gauge = partial(gauge, source="uplinks", scope=Scope.HOST, labels=_LINK)
_member = partial(gauge, source="uplinks", scope=Scope.HOST, labels=_MEMBER)

INFO = info(
    name="hostcollector_host_link_info",
    source="uplinks",
    scope=Scope.HOST,
    labels=("device", "kind", "master", "driver", "pci_address"),
    help="A network card (physical) or a bond of the host; master is the bond or bridge that it is in.",
    note="Without VFs and their representors.",
)
ENABLED = _gauge(
    name="hostcollector_host_link_enabled",
    can_be=FLAG,
    help="1 if the link is switched on.",
)
UP = _gauge(
    name="hostcollector_host_link_up",
    can_be=FLAG,
    help="1 if the link is switched on and has a carrier.",
)
CARRIER_CHANGES = counter(
    name="hostcollector_host_link_carrier_changes_total",
    source="uplinks",
    scope=Scope.HOST,
    labels=("device", "to"),
    can_be=counted(1e6, bits=32),
    help="Times that the carrier came (up) or went (down).",
)
SPEED = _gauge(
    name="hostcollector_host_link_speed_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="The speed that the link runs at; of a bond, what its active members can do together.",
    note="At most a minute old. Absent while the link is down or its driver does not say.",
)
FULL_DUPLEX = _gauge(
    name="hostcollector_host_link_full_duplex",
    can_be=FLAG,
    help="1 if both ends can send at once, 0 for half duplex.",
    note="At most a minute old.",
)
GUESTS = _gauge(
    name="hostcollector_host_link_guests",
    can_be=number_of(10**6),
    help="Active guests whose interfaces lead to this link by bridges, bonds, macvtaps or VFs.",
    note="Tunnels are not followed: the link below a tunnel has the guests only of what else is on it.",
)
MEMBER_UP = _member(
    name="hostcollector_host_bond_member_up",
    can_be=FLAG,
    help="1 if the bond finds its member usable (MII status).",
)
MEMBER_ACTIVE = _member(
    name="hostcollector_host_bond_member_active",
    can_be=FLAG,
    help="1 if the bond sends over this member now, 0 for a backup.",
)
MEMBER_FAILURES = counter(
    name="hostcollector_host_bond_member_failures_total",
    source="uplinks",
    scope=Scope.HOST,
    labels=_MEMBER,
    can_be=ERRORS,
    help="Times that the bond found its member unusable.",
)
UPLINK_INFO = info(
    name="libvirt_domain_uplink_info",
    source="uplinks",
    labels=("target_device", "uplink"),
    help="A link of the host that the guest's interface (or VF, by its PCI address) leads to.",
)
