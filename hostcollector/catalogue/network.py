"""Rows about the networks behind the guests' VLANs, and about the controllers of the fabrics.

The guests' memberships in InfiniBand partitions are rows of `vf`.
"""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import DURATION, number_of
from hostcollector.catalogue.rows import EXPERIMENTAL, gauge, info

_gauge = partial(gauge, source="ndfc", scope=Scope.HOST)
_info = partial(info, source="ndfc", scope=Scope.HOST)

_AGE = "As old as hostcollector_ndfc_age_seconds says: the last good answer stays until the next one."

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


_ufm_gauge = partial(gauge, source="ufm", scope=Scope.HOST)

UFM_AGE = _ufm_gauge(
    name="hostcollector_ufm_age_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long ago UFM was last asked something that it answered.",
)
UFM_PARTITIONS = _ufm_gauge(
    name="hostcollector_ufm_partitions",
    can_be=number_of(2**15),
    help="Partitions of the whole fabric.",
)
UFM_INFO = info(
    name="hostcollector_ufm_info",
    source="ufm",
    scope=Scope.HOST,
    labels=("version",),
    help="The fabric's manager.",
    stability=EXPERIMENTAL,
)
