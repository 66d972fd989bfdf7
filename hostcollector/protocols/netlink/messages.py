"""Layouts and numbers of rtnetlink (kernel: include/uapi/linux/{netlink,rtnetlink,if_link}.h)."""

import struct

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

IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO, IFLA_EXT_MASK = 1, 3, 18, 29
IFLA_INFO_KIND = 1
RTEXT_FILTER_SKIP_STATS = 8
ARPHRD_ETHER = 1
IFLA_STATS_LINK_64 = 1


def aligned(length: int) -> int:
    """Return the length with the padding to four bytes that follows an attribute or a message."""
    return length + 3 & ~3
