"""What kind of link a link is, as the kernel says in its message about it."""

from collections.abc import Iterator
from typing import NamedTuple

from hostcollector.protocols.netlink.messages import (
    ARPHRD_ETHER,
    ATTRIBUTE,
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    LINK,
    MESSAGE,
    NLA_TYPE_MASK,
    aligned,
)

_BYTES_OF_A_MAC = 6


class LinkDescription(NamedTuple):
    """A link's name, its kind (``tun``, ``macvtap``, ``veth`` ...) and MAC address; empty for none.

    `ethernet` is False for links that carry bare IP packets or other frames.
    """

    name: str
    kind: str
    mac: str
    ethernet: bool


def link_description(message: bytes) -> LinkDescription:
    """Return what an RTM_NEWLINK message says of its link."""
    _family, hardware_type, *_ = LINK.unpack_from(message, MESSAGE.size)
    told = dict(_attributes(message[MESSAGE.size + LINK.size :]))
    about = dict(_attributes(told.get(IFLA_LINKINFO, b"")))
    mac = told.get(IFLA_ADDRESS, b"")
    return LinkDescription(
        name=_text(told.get(IFLA_IFNAME, b"")),
        kind=_text(about.get(IFLA_INFO_KIND, b"")),
        mac=mac.hex(":") if len(mac) == _BYTES_OF_A_MAC else "",
        ethernet=hardware_type == ARPHRD_ETHER,
    )


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and payload of each attribute; one that is cut short has what there is."""
    position = 0
    while position + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, position)
        if length < ATTRIBUTE.size:
            return
        yield kind & NLA_TYPE_MASK, data[position + ATTRIBUTE.size : position + length]
        position += aligned(length)


def _text(payload: bytes) -> str:
    return payload.partition(b"\0")[0].decode(errors="replace")
