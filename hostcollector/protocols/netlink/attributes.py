"""Numbers of rtnetlink that the VF list needs (kernel: include/uapi/linux/{netlink,rtnetlink,if_link}.h)."""

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

STATISTICS = {
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
