"""Which drivers count per VF, and what (Linux 6.12, each driver's ndo_get_vf_stats).

The kernel sends the counters of every driver: zeros where it has none. So a counter is shown only if this
table says that the driver fills it. Names are those of the PCI drivers; IPoIB links have their own line,
because InfiniBand counts less.
"""

from collections.abc import Mapping

_FOUR = frozenset({"receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"})
_DROPPED = frozenset({"receive_dropped", "transmit_dropped"})
_BROADCAST = frozenset({"receive_broadcast_packets"})
_MULTICAST = frozenset({"receive_multicast_packets"})
_ALL = _FOUR | _DROPPED | _BROADCAST | _MULTICAST

ETHERNET: Mapping[str, frozenset[str]] = {
    "mlx5_core": _ALL,
    "mlx4_core": _FOUR,
    "i40e": _ALL,
    "ice": _ALL,
    "ionic": _ALL,
    "ixgbe": _FOUR | _MULTICAST,
    "fm10k": _FOUR | {"receive_dropped"},
    "LiquidIO": _FOUR | _BROADCAST | _MULTICAST,
}

IPOIB: Mapping[str, frozenset[str]] = {
    "mlx5_core": _FOUR | _MULTICAST,
}


def counted(driver: str, *, ipoib: bool, switchdev: bool) -> frozenset[str]:
    """Return the counters that the driver really fills; empty when it does not count per VF."""
    if ipoib:
        return IPOIB.get(driver, frozenset())
    fields = ETHERNET.get(driver, frozenset())
    # In switchdev mode mlx5 does not ask for drops and leaves zeros.
    return fields - _DROPPED if switchdev and driver == "mlx5_core" else fields
