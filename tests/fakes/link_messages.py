"""RTM_NEWLINK messages with VF lists, written byte by byte as the kernel writes them.

The layout is that of rtnl_fill_vf() and rtnl_fill_vfinfo() in net/core/rtnetlink.c (Linux 6.12): the same
attributes in the same order, 296 bytes for each VF with statistics, 336 with InfiniBand GUIDs; and the length
of the list is what is left of it in 16 bits.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

ETHERNET, INFINIBAND = 1, 32
UNKNOWN = 0xFFFFFFFF

RTM_NEWLINK, NLM_F_MULTI = 16, 2
IFLA_ADDRESS, IFLA_IFNAME, IFLA_NUM_VF, IFLA_VFINFO_LIST, IFLA_PORT_SELF, IFLA_LINKINFO = 1, 3, 21, 22, 25, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Vf:
    """A VF as its driver describes it; `counters` in the order of IFLA_VF_STATS_*, padding left out."""

    number: int
    mac: bytes = b"\x52\x54\x00\x00\x00\x01"
    vlan: int = 0
    qos: int = 0
    min_rate: int = 0
    max_rate: int = 0
    spoof_check: int = 1
    link_state: int = 0
    trust: int = 0
    guids: tuple[int, int] | None = None
    counters: tuple[int, ...] | None = field(default=(0,) * 8)


def attribute(kind: int, payload: bytes) -> bytes:
    """Return an attribute; the length is cut to 16 bits as the kernel does, the payload is whole."""
    length = len(payload) + 4
    return struct.pack("=HH", length & 0xFFFF, kind) + payload + bytes(-length % 4)


def vf_info(vf: Vf) -> bytes:
    """Return one IFLA_VF_INFO."""
    n = vf.number
    parts = [
        attribute(1, struct.pack("=I32s", n, vf.mac)),
        attribute(13, b"\xff" * 6 + bytes(26)),
        attribute(2, struct.pack("=III", n, vf.vlan, vf.qos)),
        attribute(6, struct.pack("=III", n, vf.min_rate, vf.max_rate)),
        attribute(3, struct.pack("=II", n, vf.max_rate)),
        attribute(4, struct.pack("=II", n, vf.spoof_check)),
        attribute(5, struct.pack("=II", n, vf.link_state)),
        attribute(7, struct.pack("=II", n, UNKNOWN)),
        attribute(9, struct.pack("=II", n, vf.trust)),
    ]
    if vf.guids is not None:
        parts += [attribute(10 + i, struct.pack("=IxxxxQ", n, guid)) for i, guid in enumerate(vf.guids)]
    parts.append(attribute(12, attribute(1, struct.pack("=III2sxx", n, vf.vlan, vf.qos, b"\x81\x00"))))
    if vf.counters is not None:
        kinds = (0, 1, 2, 3, 4, 5, 7, 8)
        values = zip(kinds, vf.counters, strict=True)
        parts.append(attribute(8, b"".join(attribute(kind, struct.pack("=Q", raw)) for kind, raw in values)))
    return attribute(1, b"".join(parts))


def link_message(
    vfs: Iterable[Vf] | None,
    *,
    count: int | None = None,
    index: int = 2,
    hardware_type: int = ETHERNET,
    sequence: int = 1,
    flags: int = 0,
    vf_blocks: Sequence[bytes] | None = None,
) -> bytes:
    """Return the whole message. `count` is IFLA_NUM_VF, by default the number of VFs; None for no list."""
    blocks = list(vf_blocks) if vf_blocks is not None else [vf_info(vf) for vf in vfs or ()]
    number = len(blocks) if count is None else count
    address = bytes(20 if hardware_type == INFINIBAND else 6)
    payload = struct.pack("=BxHiII", 0, hardware_type, index, 0x1043, 0)
    payload += attribute(IFLA_IFNAME, b"enp1s0\0") + attribute(IFLA_ADDRESS, address)
    payload += attribute(IFLA_NUM_VF, struct.pack("=I", number))
    if vfs is not None or vf_blocks is not None:
        payload += attribute(IFLA_VFINFO_LIST, b"".join(blocks))
    payload += attribute(IFLA_PORT_SELF, b"") + attribute(IFLA_LINKINFO, attribute(1, b"mlx5\0"))
    return struct.pack("=IHHII", len(payload) + 16, RTM_NEWLINK, flags, sequence, 0) + payload


def statistics_message(index: int, attributes: bytes, *, sequence: int = 1) -> bytes:
    """Return an RTM_NEWSTATS: struct if_stats_msg, then the attributes."""
    payload = struct.pack("=BxxxII", 0, index, 1) + attributes
    return struct.pack("=IHHII", len(payload) + 16, 92, NLM_F_MULTI, sequence, 0) + payload


def error_message(code: int, *, sequence: int = 1) -> bytes:
    """Return an NLMSG_ERROR with this errno."""
    return struct.pack("=IHHIIi16x", 36, 2, 0, sequence, 0, -code)


def done_message(*, sequence: int = 1, code: int = 0) -> bytes:
    """Return the NLMSG_DONE that ends a dump."""
    return struct.pack("=IHHIIi", 20, 3, NLM_F_MULTI, sequence, 0, -code)
