"""Rows about the networks behind the guests' VLANs, as the fabric's controller knows them."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import DURATION, number_of
from hostcollector.catalogue.rows import EXPERIMENTAL, gauge, info

_gauge = partial(gauge, source="ndfc", scope=Scope.HOST)
_info = partial(info, source="ndfc", scope=Scope.HOST)

_AGE = (
    "As old as hostcollector_ndfc_age_seconds says: the last good answer stands until there is another one."
)

NETWORK_INFO = _info(
    name="hostcollector_network_info",
    labels=("vlan", "vni", "network", "vrf", "fabric"),
    help="What a VLAN of this host's guests is in the fabric; only VLANs with one meaning.",
    note=_AGE,
)
VRF_INFO = _info(
    name="hostcollector_network_vrf_info",
    labels=("vrf", "vni", "fabric"),
    help="The layer 3 VNI of a VRF that a VLAN of this host's guests is in.",
    note=_AGE,
)
VLANS_UNRESOLVED = _gauge(
    name="hostcollector_network_vlans_unresolved",
    can_be=number_of(4096),
    help="VLANs of this host's guests that the fabric's controller has no network for, or more than one.",
    note=_AGE,
)
NDFC_INFO = _info(
    name="hostcollector_ndfc_info",
    labels=("version",),
    help="The fabric's controller.",
    stability=EXPERIMENTAL,
)
NDFC_AGE = _gauge(
    name="hostcollector_ndfc_age_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long ago the fabric's controller last answered everything that it was asked.",
)
