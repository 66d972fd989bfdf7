"""A link's counters in a statistics message."""

from struct import Struct
from typing import NamedTuple

from hostcollector.protocols.netlink.messages import ATTRIBUTE, IFLA_STATS_LINK_64, MESSAGE, STATISTICS

# The first eight of struct rtnl_link_stats64; later kernels only add to its end.
_COUNTERS = Struct("=8Q")
_ATTRIBUTE_AT = MESSAGE.size + STATISTICS.size


class LinkCounters(NamedTuple):
    """What a link has received and transmitted, as the host sees it."""

    rx_packets: int
    tx_packets: int
    rx_bytes: int
    tx_bytes: int
    rx_errors: int
    tx_errors: int
    rx_dropped: int
    tx_dropped: int


def link_counters(message: bytes) -> tuple[int, LinkCounters] | None:
    """Return the link's index and counters from an RTM_NEWSTATS message; None when it has none.

    Only IFLA_STATS_LINK_64 was asked for, so that it is the first attribute.
    """
    if len(message) < _ATTRIBUTE_AT + ATTRIBUTE.size + _COUNTERS.size:
        return None
    length, kind = ATTRIBUTE.unpack_from(message, _ATTRIBUTE_AT)
    if kind != IFLA_STATS_LINK_64 or length < ATTRIBUTE.size + _COUNTERS.size:
        return None
    index = STATISTICS.unpack_from(message, MESSAGE.size)[1]
    return index, LinkCounters(*_COUNTERS.unpack_from(message, _ATTRIBUTE_AT + ATTRIBUTE.size))
