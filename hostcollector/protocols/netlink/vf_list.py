"""Reads the VF list out of a raw link message, also where its length has wrapped.

The kernel writes the whole list, but its length has 16 bits: past 221 VFs (195 with InfiniBand GUIDs) it is
wrong, and a normal decoder misreads everything after it. The lengths inside are right. So the parser takes
IFLA_NUM_VF steps from the list's start and uses only what it sees there. It never raises.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from hostcollector.protocols.netlink.messages import ATTRIBUTE, LINK, MESSAGE, NLA_TYPE_MASK, aligned

IFLA_NUM_VF, IFLA_VFINFO_LIST = 21, 22
IFLA_VF_INFO = 1
RTEXT_FILTER_VF, RTEXT_FILTER_SKIP_STATS = 1, 8

ARPHRD_INFINIBAND = 32

(
    IFLA_VF_MAC,
    IFLA_VF_VLAN,
    IFLA_VF_TX_RATE,
    IFLA_VF_SPOOFCHK,
    IFLA_VF_LINK_STATE,
    IFLA_VF_RATE,
    IFLA_VF_RSS_QUERY_EN,
    IFLA_VF_STATS,
    IFLA_VF_TRUST,
    IFLA_VF_IB_NODE_GUID,
    IFLA_VF_IB_PORT_GUID,
) = range(1, 12)

VF_COUNTERS = {
    0: "receive_packets",
    1: "transmit_packets",
    2: "receive_bytes",
    3: "transmit_bytes",
    4: "receive_broadcast_packets",
    5: "receive_multicast_packets",
    7: "receive_dropped",
    8: "transmit_dropped",
}
"""IFLA_VF_STATS_*: 64 bits each, counted from 0; 6 is padding. Broadcast and multicast are received ones."""


_HEADER = ATTRIBUTE.size
_NUMBER = Struct("=I")
_PAIR = Struct("=II")
_TRIPLE = Struct("=III")
_COUNTER = Struct("=Q")
# The list of counters as every kernel so far writes it: header and value, eight times, without padding.
_ALL_COUNTERS = Struct("=" + "HHQ" * len(VF_COUNTERS))
_HEADERS = tuple(part for kind in VF_COUNTERS for part in (_COUNTER.size + _HEADER, kind))
_NAMES = tuple(VF_COUNTERS.values())
_LAST_VLAN, _LAST_PRIORITY, _LAST_LINK_STATE = 4095, 7, 2

Places = Mapping[int, tuple[int, int]]


class ListedVf(NamedTuple):
    """One VF as the kernel lists it; None where the driver did not say. A tuple because there may be 1,000.

    Rates are in Mbit/s, 0 for none; `link_state` is 0 auto, 1 enabled, 2 disabled; `statistics` are raw
    counters by name. On an IPoIB link only the link state, the GUIDs and the counters mean anything.
    """

    number: int
    mac: str | None = None
    vlan: int | None = None
    qos: int | None = None
    min_rate: int | None = None
    max_rate: int | None = None
    spoof_check: bool | None = None
    trust: bool | None = None
    link_state: int | None = None
    node_guid: str | None = None
    port_guid: str | None = None
    statistics: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class VfList:
    """What a link message says of VFs: how many there are, and those that could be read, by number.

    `listed` is False for a link without a list, such as a representor. `hardware_type` is the link's ARPHRD.
    """

    hardware_type: int
    total: int
    listed: bool
    vfs: Mapping[int, ListedVf]

    @property
    def truncated(self) -> bool:
        """Whether VFs are missing from the list."""
        return self.listed and len(self.vfs) < self.total


def parse(message: bytes) -> VfList:
    """Return what an RTM_NEWLINK message, cut short or not, says of VFs."""
    if len(message) < MESSAGE.size + LINK.size:
        return VfList(0, 0, listed=False, vfs={})
    hardware_type = LINK.unpack_from(message, MESSAGE.size)[1]
    count, position = 0, MESSAGE.size + LINK.size
    while position + _HEADER <= len(message):
        length, kind = ATTRIBUTE.unpack_from(message, position)
        kind &= NLA_TYPE_MASK
        if kind == IFLA_VFINFO_LIST:
            vfs = _vfs(message, position + _HEADER, position + length, count)
            return VfList(hardware_type, count, listed=True, vfs=vfs)
        if length < _HEADER:
            break
        if kind == IFLA_NUM_VF and length >= _HEADER + 4 and position + length <= len(message):
            (count,) = _NUMBER.unpack_from(message, position + _HEADER)
        position += aligned(length)
    return VfList(hardware_type, count, listed=False, vfs={})


def _vfs(message: bytes, position: int, end: int, count: int) -> dict[int, ListedVf]:
    """Take up to `count` steps through the list. `end` is where it ends if its length has not wrapped."""
    vfs: dict[int, ListedVf] = {}
    # The driver may leave VFs out: then the true end comes before `count` steps.
    for _ in range(count):
        if position == end or position + _HEADER > len(message):
            break
        length, kind = ATTRIBUTE.unpack_from(message, position)
        if kind & NLA_TYPE_MASK != IFLA_VF_INFO or length < _HEADER or position + length > len(message):
            break
        vf = _vf(message, _places(message, position + _HEADER, position + length))
        # A VF that names no number, or one that cannot be, costs itself: its length is right all the same.
        if vf is not None and vf.number < count and vf.number not in vfs:
            vfs[vf.number] = vf
        position += aligned(length)
    return vfs


def _places(message: bytes, position: int, end: int) -> dict[int, tuple[int, int]]:
    """Return where each attribute's payload starts and how long it is, by type."""
    places = {}
    unpack = ATTRIBUTE.unpack_from
    while position + _HEADER <= end:
        length, kind = unpack(message, position)
        if length < _HEADER or position + length > end:
            break
        places[kind & NLA_TYPE_MASK] = position + _HEADER, length - _HEADER
        position += length + 3 & ~3
    return places


def _vf(message: bytes, places: Places) -> ListedVf | None:
    """Return the VF, or None when the attribute that names it is missing."""
    start, length = places.get(IFLA_VF_MAC, (0, 0))
    if length < 10:
        return None
    (number,) = _NUMBER.unpack_from(message, start)
    vlan, qos = _two(message, places, IFLA_VF_VLAN, number)
    min_rate, max_rate = _two(message, places, IFLA_VF_RATE, number)
    if max_rate is None:
        max_rate = _one(message, places, IFLA_VF_TX_RATE, number)
    spoof_check = _one(message, places, IFLA_VF_SPOOFCHK, number)
    trust = _one(message, places, IFLA_VF_TRUST, number)
    link_state = _one(message, places, IFLA_VF_LINK_STATE, number)
    return ListedVf(
        number,
        message[start + 4 : start + 10].hex(":"),
        vlan if vlan is not None and vlan <= _LAST_VLAN else None,
        qos if qos is not None and qos <= _LAST_PRIORITY else None,
        min_rate,
        max_rate,
        # 0xffffffff: the driver did not say.
        bool(spoof_check) if spoof_check in (0, 1) else None,
        bool(trust) if trust in (0, 1) else None,
        link_state if link_state is not None and link_state <= _LAST_LINK_STATE else None,
        _guid(message, places, IFLA_VF_IB_NODE_GUID, number),
        _guid(message, places, IFLA_VF_IB_PORT_GUID, number),
        _statistics(message, places),
    )


def _one(message: bytes, places: Places, kind: int, number: int) -> int | None:
    """Return the 32-bit value of an attribute that names this VF."""
    start, length = places.get(kind, (0, 0))
    if length < _PAIR.size:
        return None
    named, value = _PAIR.unpack_from(message, start)
    return value if named == number else None


def _two(message: bytes, places: Places, kind: int, number: int) -> tuple[int | None, int | None]:
    """Return the two 32-bit values of an attribute that names this VF."""
    start, length = places.get(kind, (0, 0))
    if length < _TRIPLE.size:
        return None, None
    named, first, second = _TRIPLE.unpack_from(message, start)
    return (first, second) if named == number else (None, None)


def _guid(message: bytes, places: Places, kind: int, number: int) -> str | None:
    """Return a GUID as sysfs writes it; None where the host has set none (all zeros)."""
    start, length = places.get(kind, (0, 0))
    # struct ifla_vf_guid: the VF, four bytes of padding, the GUID in the host's byte order.
    if length < 16 or _NUMBER.unpack_from(message, start)[0] != number:
        return None
    guid = int.from_bytes(message[start + 8 : start + 16], sys.byteorder)
    return guid.to_bytes(8, "big").hex(":") if guid else None


def _statistics(message: bytes, places: Places) -> dict[str, int] | None:
    place = places.get(IFLA_VF_STATS)
    if place is None:
        return None
    start, length = place
    if length == _ALL_COUNTERS.size:
        parts = _ALL_COUNTERS.unpack_from(message, start)
        if parts[0::3] + parts[1::3] == _HEADERS[0::2] + _HEADERS[1::2]:
            return dict(zip(_NAMES, parts[2::3], strict=True))
    return {
        VF_COUNTERS[kind]: _COUNTER.unpack_from(message, where)[0]
        for kind, (where, size) in _places(message, start, start + length).items()
        if kind in VF_COUNTERS and size >= _COUNTER.size
    }
