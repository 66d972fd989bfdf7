"""The switch's statistics to rows, seen from the guest: what the switch receives, the guest transmitted.

Names: ovs-vswitchd.conf.db(5), Interface:statistics; of the user-space datapath also lib/netdev-dpdk.c.
A statistic that the port does not have is missing there, and here.
"""

import re
from collections.abc import Iterator, Mapping

from hostcollector.base.model import Metric, Sample
from hostcollector.catalogue import interface, ovs

Row = tuple[Metric, tuple[str, ...]]

_SIZES = (
    *("1_to_64", "65_to_127", "128_to_255", "256_to_511", "512_to_1023"),
    *("1024_to_1522", "1523_to_max"),
)
_TRANSMIT_ERRORS = {
    "rx_frame_err": "frame",
    "rx_over_err": "overrun",
    "rx_crc_err": "crc",
    "rx_missed_errors": "missed",
    "rx_undersized_errors": "undersized",
    "rx_oversize_errors": "oversize",
    "rx_fragmented_errors": "fragmented",
    "rx_jabber_errors": "jabber",
}

BASIC: Mapping[str, Metric] = {
    "tx_bytes": ovs.RECEIVE_BYTES,
    "tx_packets": ovs.RECEIVE_PACKETS,
    "tx_errors": ovs.RECEIVE_ERRORS,
    "tx_dropped": ovs.RECEIVE_DROPS,
    "rx_bytes": ovs.TRANSMIT_BYTES,
    "rx_packets": ovs.TRANSMIT_PACKETS,
    "rx_errors": ovs.TRANSMIT_ERRORS,
    "rx_dropped": ovs.TRANSMIT_DROPS,
}
COMMON: Mapping[str, Metric] = {
    "tx_bytes": interface.RECEIVE_BYTES,
    "tx_packets": interface.RECEIVE_PACKETS,
    "tx_errors": interface.RECEIVE_ERRORS,
    "tx_dropped": interface.RECEIVE_DROPS,
    "rx_bytes": interface.TRANSMIT_BYTES,
    "rx_packets": interface.TRANSMIT_PACKETS,
    "rx_errors": interface.TRANSMIT_ERRORS,
    "rx_dropped": interface.TRANSMIT_DROPS,
}
"""The rows of every exporter, for ports that the netlink source cannot see."""

LEFT_OUT: Mapping[str, str] = {
    "collisions": "no virtual port has any",
}

_ROWS: Mapping[str, Row] = {
    **{name: (metric, ()) for name, metric in BASIC.items()},
    **{name: (ovs.TRANSMIT_ERRORS_BY_CAUSE, (cause,)) for name, cause in _TRANSMIT_ERRORS.items()},
    **{f"tx_{size}_packets": (ovs.RECEIVE_SIZES, (size,)) for size in _SIZES},
    **{f"rx_{size}_packets": (ovs.TRANSMIT_SIZES, (size,)) for size in _SIZES},
    "tx_multicast_packets": (ovs.RECEIVE_MULTICAST, ()),
    "rx_multicast_packets": (ovs.TRANSMIT_MULTICAST, ()),
    "tx_broadcast_packets": (ovs.RECEIVE_BROADCAST, ()),
    "rx_broadcast_packets": (ovs.TRANSMIT_BROADCAST, ()),
    "ovs_tx_retries": (ovs.RECEIVE_RETRIES, ()),
}
_DROPS = re.compile(r"ovs_([rt]x)_([a-z][a-z0-9_]{0,40})_drops")
_QUEUE = re.compile(r"([rt]x)_q([0-9]{1,4})_good_packets")


def samples(statistics: Mapping[str, int], target: str, uuid: str) -> Iterator[Sample]:
    """Yield a port's series, as they are named for Open vSwitch."""
    for name, value in statistics.items():
        row = _ROWS.get(name) or _custom(name)
        if row is not None and value >= 0:
            yield Sample(row[0], value, (target, *row[1]), uuid)


def common_samples(statistics: Mapping[str, int], target: str, uuid: str) -> Iterator[Sample]:
    """Yield a port's series as every exporter names them."""
    for name, metric in COMMON.items():
        if (value := statistics.get(name, -1)) >= 0:
            yield Sample(metric, value, (target,), uuid)


def _custom(name: str) -> Row | None:
    """Return the row of a counter whose name has a queue or a cause in it."""
    if drops := _DROPS.fullmatch(name):
        to_guest = drops[1] == "tx"
        return (ovs.RECEIVE_DROPS_BY_CAUSE if to_guest else ovs.TRANSMIT_DROPS_BY_CAUSE, (drops[2],))
    if queue := _QUEUE.fullmatch(name):
        to_guest = queue[1] == "tx"
        number = str(int(queue[2]))
        return (ovs.RECEIVE_QUEUE_PACKETS if to_guest else ovs.TRANSMIT_QUEUE_PACKETS, (number,))
    return None
