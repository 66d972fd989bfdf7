"""rtnetlink's messages about links: layouts, numbers, descriptions and counters.

Kernel: include/uapi/linux/{netlink,rtnetlink,if_link}.h.
"""

import struct
import sys
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import NamedTuple

# struct nlmsghdr: length, type, flags, sequence number, port
MESSAGE = struct.Struct("=IHHII")
# struct ifinfomsg: family, (pad), hardware type, index, flags, change mask
LINK = struct.Struct("=BxHiII")
# struct if_stats_msg: family, (pads), index, filter mask
STATISTICS = struct.Struct("=BxxxII")
# struct nlattr: length with this header, type
ATTRIBUTE = struct.Struct("=HH")

NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWSTATS, RTM_GETSTATS = 92, 94
NLM_F_REQUEST, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x1, 0x300, 0x10
NLA_TYPE_MASK = 0x3FFF

IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO, IFLA_EXT_MASK = 1, 3, 5, 10, 18, 29
IFLA_CARRIER, IFLA_LINK_NETNSID, IFLA_CARRIER_UP_COUNT, IFLA_CARRIER_DOWN_COUNT = 33, 37, 47, 48
IFLA_INFO_KIND, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 4, 5
IFLA_BOND_SLAVE_STATE, IFLA_BOND_SLAVE_MII_STATUS, IFLA_BOND_SLAVE_LINK_FAILURE_COUNT = 1, 2, 3
BOND_STATE_ACTIVE, BOND_LINK_UP = 0, 0
IFF_UP = 1
RTEXT_FILTER_SKIP_STATS = 8
ARPHRD_ETHER = 1
IFLA_STATS_LINK_64 = 1
# The first eight of struct rtnl_link_stats64; later kernels only add to its end.
_COUNTERS = Struct("=8Q")
_ATTRIBUTE_AT = MESSAGE.size + STATISTICS.size
_BYTES_OF_A_MAC = 6


def aligned(length: int) -> int:
    """Return the length with the padding to four bytes that follows an attribute or a message."""
    return length + 3 & ~3


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

    Only IFLA_STATS_LINK_64 is requested, so it is the first attribute.
    """
    if len(message) < _ATTRIBUTE_AT + ATTRIBUTE.size + _COUNTERS.size:
        return None
    length, kind = ATTRIBUTE.unpack_from(message, _ATTRIBUTE_AT)
    if kind != IFLA_STATS_LINK_64 or length < ATTRIBUTE.size + _COUNTERS.size:
        return None
    index = STATISTICS.unpack_from(message, MESSAGE.size)[1]
    return index, LinkCounters(*_COUNTERS.unpack_from(message, _ATTRIBUTE_AT + ATTRIBUTE.size))


class LinkDescription(NamedTuple):
    """A link's name, its kind (``tun``, ``macvtap``, ``veth`` ...) and MAC address; empty for none.

    `ethernet` is False for links that carry bare IP packets or other frames.
    """

    name: str
    kind: str
    mac: str
    ethernet: bool


def link_description(message: bytes) -> LinkDescription:
    """Return the link of an RTM_NEWLINK message."""
    _family, hardware_type, *_ = LINK.unpack_from(message, MESSAGE.size)
    link = dict(attributes(message[MESSAGE.size + LINK.size :]))
    about = dict(attributes(link.get(IFLA_LINKINFO, b"")))
    mac = link.get(IFLA_ADDRESS, b"")
    return LinkDescription(
        name=text(link.get(IFLA_IFNAME, b"")),
        kind=text(about.get(IFLA_INFO_KIND, b"")),
        mac=mac.hex(":") if len(mac) == _BYTES_OF_A_MAC else "",
        ethernet=hardware_type == ARPHRD_ETHER,
    )


class BondMember(NamedTuple):
    """What a bond knows of its member; `failures` are how often it found the member unusable."""

    up: bool
    active: bool
    failures: int | None


class LinkState(NamedTuple):
    """What a link is on top of and in, and whether it works. 0 for no link, None for what is not known.

    `number` is the link's index, as in `master` and `lower`.
    `lower` is the link below a macvtap or VLAN, and the other end of a veth pair; 0 if that is in another
    network namespace. `ups` and `downs` are how often the carrier came and went (Linux 4.16 and later).
    """

    number: int
    name: str
    kind: str
    master: int
    lower: int
    enabled: bool
    carrier: bool | None
    ups: int | None
    downs: int | None
    member: BondMember | None


def link_state(message: bytes) -> LinkState:
    """Return the state of the link of an RTM_NEWLINK message."""
    _, _, index, flags, _ = LINK.unpack_from(message, MESSAGE.size)
    link = dict(attributes(message[MESSAGE.size + LINK.size :]))
    about = dict(attributes(link.get(IFLA_LINKINFO, b"")))
    below = _number(link.get(IFLA_LINK)) or 0
    carrier = _number(link.get(IFLA_CARRIER), 1)
    return LinkState(
        number=index,
        name=text(link.get(IFLA_IFNAME, b"")),
        kind=text(about.get(IFLA_INFO_KIND, b"")),
        master=_number(link.get(IFLA_MASTER)) or 0,
        lower=0 if IFLA_LINK_NETNSID in link or below == index else below,
        enabled=bool(flags & IFF_UP),
        carrier=None if carrier is None else bool(carrier),
        ups=_number(link.get(IFLA_CARRIER_UP_COUNT)),
        downs=_number(link.get(IFLA_CARRIER_DOWN_COUNT)),
        member=_bond_member(about),
    )


def _bond_member(about: Mapping[int, bytes]) -> BondMember | None:
    """Return what a bond says of its member (kernel: drivers/net/bonding/bond_netlink.c)."""
    if text(about.get(IFLA_INFO_SLAVE_KIND, b"")) != "bond":
        return None
    said = dict(attributes(about.get(IFLA_INFO_SLAVE_DATA, b"")))
    state = _number(said.get(IFLA_BOND_SLAVE_STATE), 1)
    link = _number(said.get(IFLA_BOND_SLAVE_MII_STATUS), 1)
    if state is None or link is None:
        return None
    return BondMember(
        up=link == BOND_LINK_UP,
        active=state == BOND_STATE_ACTIVE,
        failures=_number(said.get(IFLA_BOND_SLAVE_LINK_FAILURE_COUNT)),
    )


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and payload of each attribute; one that is cut short has what there is."""
    position = 0
    while position + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, position)
        if length < ATTRIBUTE.size:
            return
        yield kind & NLA_TYPE_MASK, data[position + ATTRIBUTE.size : position + length]
        position += aligned(length)


def text(payload: bytes) -> str:
    """Return a text that ends with a zero byte."""
    return payload.partition(b"\0")[0].decode(errors="replace")


def _number(payload: bytes | None, size: int = 4) -> int | None:
    return int.from_bytes(payload, sys.byteorder) if payload is not None and len(payload) == size else None
