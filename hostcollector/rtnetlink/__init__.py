"""The kernel's routing netlink: questions about links, and the raw bytes of the answers.

A library is not worth its price on the way to the page: pyroute2 takes 9 MiB to load and ten times as long to
decode, and loses long lists of VFs, whose 16-bit length wraps. `diagnose` asks it for a second opinion.
"""

from hostcollector.rtnetlink.counters import LinkCounters, link_counters
from hostcollector.rtnetlink.description import LinkDescription, link_description
from hostcollector.rtnetlink.messages import ATTRIBUTE, LINK, MESSAGE, NLA_TYPE_MASK, aligned
from hostcollector.rtnetlink.route_socket import LinkGoneError, MessageTooLongError, RouteSocket

__all__ = [
    "ATTRIBUTE",
    "LINK",
    "MESSAGE",
    "NLA_TYPE_MASK",
    "LinkCounters",
    "LinkDescription",
    "LinkGoneError",
    "MessageTooLongError",
    "RouteSocket",
    "aligned",
    "link_counters",
    "link_description",
]
