"""The kernel's routing netlink: questions about links, and the raw bytes of the answers.

A library is not worth its price here: to load one takes 9 MiB and decoding with it ten times as long. And one
that believes the lengths it reads cannot be used for long lists of VFs, whose 16-bit length wraps.
"""

from hostcollector.rtnetlink.counters import LinkCounters
from hostcollector.rtnetlink.messages import ATTRIBUTE, LINK, MESSAGE, NLA_TYPE_MASK, aligned
from hostcollector.rtnetlink.route_socket import LinkGoneError, MessageTooLongError, RouteSocket

__all__ = [
    "ATTRIBUTE",
    "LINK",
    "MESSAGE",
    "NLA_TYPE_MASK",
    "LinkCounters",
    "LinkGoneError",
    "MessageTooLongError",
    "RouteSocket",
    "aligned",
]
