"""rtnetlink's messages about traffic control: what limits a link, and how often the limit was met.

Queueing disciplines, their classes and the filters on arrival may be read by any account. Kernel:
include/uapi/linux/{rtnetlink,pkt_sched,pkt_cls,gen_stats}.h.
"""

from collections.abc import Iterator, Mapping
from struct import Struct
from typing import NamedTuple

from hostcollector.protocols.netlink.messages import ATTRIBUTE, MESSAGE, attributes, text

# struct tcmsg: family, (pads), link, handle, parent, info
TRAFFIC = Struct("=BxxxiIII")
RTM_NEWQDISC, RTM_GETQDISC = 36, 38
RTM_NEWTCLASS, RTM_GETTCLASS = 40, 42
RTM_NEWTFILTER, RTM_GETTFILTER = 44, 46

ROOT = 0xFFFFFFFF
"""The parent of a link's qdisc on departure, and of an HTB's highest classes (TC_H_ROOT)."""
ARRIVAL = 0xFFFFFFF1
"""The parent of a link's qdisc on arrival (TC_H_INGRESS, TC_H_CLSACT)."""
ON_ARRIVAL, ON_DEPARTURE = 0xFFFFFFF2, 0xFFFFFFF3
"""The parents of filters (TC_H_MIN_INGRESS, TC_H_MIN_EGRESS)."""

HTB, TBF, INGRESS, CLSACT = "htb", "tbf", "ingress", "clsact"
_WITH_A_LIMIT = frozenset({HTB, TBF, INGRESS, CLSACT})

_TCA_KIND, _TCA_OPTIONS, _TCA_STATS, _TCA_STATS2 = 1, 2, 3, 7
_TCA_STATS_QUEUE = 3
_FIRST = MESSAGE.size + TRAFFIC.size
# struct gnet_stats_queue: packets and bytes in the queue, drops, requeues, overlimits
_QUEUE = Struct("=5I")
# struct tc_stats: bytes, packets, drops, overlimits
_OLD_STATISTICS = Struct("=QIII")
# Where struct tc_ratespec has its rate, in bytes per second; a faster one has an attribute of 64 bits.
_RATE = Struct("=8xI")
_RATE64 = Struct("=Q")
_PARAMETERS = 1
_HTB_RATE64, _TBF_RATE64, _POLICE_RATE64 = 6, 4, 8
# struct tc_police: index, action, limit, burst, MTU, then the rate
_POLICE, _POLICE_RATE_AT = Struct("=IiIII"), 20
_ACT_KIND, _ACT_OPTIONS, _ACT_STATS = 1, 2, 4
# Where a classifier has its policer, in the form of old and of new: TCA_U32_POLICE and TCA_U32_ACT ...
_OLD_POLICE = {"u32": 6, "basic": 4, "fw": 2}
_ACTIONS = {"u32": 7, "matchall": 2, "basic": 3, "fw": 4, "flower": 3}


class Held(NamedTuple):
    """How often a limit was met: packets that it dropped, and times that one had to wait or was dropped."""

    drops: int
    overlimits: int


class Qdisc(NamedTuple):
    """A link's queueing discipline. `rate` is a TBF's limit in bytes per second, None for other kinds."""

    link: int
    parent: int
    kind: str
    rate: int | None
    held: "Held | None"


class HtbClass(NamedTuple):
    """A class of an HTB; `rate` is in bytes per second. One whose parent is `ROOT` borrows from no other."""

    handle: int
    parent: int
    rate: int | None


class Policer(NamedTuple):
    """A policing action of a filter; `rate` is in bytes per second, None for one that counts packets."""

    number: int
    rate: int | None
    held: Held | None


def qdisc(message: bytes) -> Qdisc | None:
    """Return the qdisc of an RTM_NEWQDISC message; None for a kind that limits nothing, or below another."""
    if len(message) < _FIRST + ATTRIBUTE.size:
        return None
    _, link, _, parent, _ = TRAFFIC.unpack_from(message, MESSAGE.size)
    if parent not in (ROOT, ARRIVAL):
        return None
    # The kernel writes the kind first. Most links have a qdisc that limits nothing: no more is read of it.
    length, first = ATTRIBUTE.unpack_from(message, _FIRST)
    kind = text(message[_FIRST + ATTRIBUTE.size : _FIRST + length])
    if first != _TCA_KIND or kind not in _WITH_A_LIMIT:
        return None
    found = _found(message)
    options = dict(attributes(found.get(_TCA_OPTIONS, b"")))
    rate = _rate(options, 0, _TBF_RATE64) if kind == TBF else None
    return Qdisc(link, parent, kind, rate, _held(found.get(_TCA_STATS2, b"")))


def htb_class(message: bytes) -> HtbClass | None:
    """Return the class of an RTM_NEWTCLASS message; None for one of another kind."""
    if len(message) < _FIRST:
        return None
    _, _, handle, parent, _ = TRAFFIC.unpack_from(message, MESSAGE.size)
    found = _found(message)
    if text(found.get(_TCA_KIND, b"")) != HTB:
        return None
    return HtbClass(handle, parent, _rate(dict(attributes(found.get(_TCA_OPTIONS, b""))), 0, _HTB_RATE64))


def policers(message: bytes) -> Iterator[Policer]:
    """Yield the policers of an RTM_NEWTFILTER message, in the form of old and of new."""
    if len(message) < _FIRST:
        return
    found = _found(message)
    kind = text(found.get(_TCA_KIND, b""))
    options = dict(attributes(found.get(_TCA_OPTIONS, b"")))
    if old := options.get(_OLD_POLICE.get(kind, -1)):
        # Of the old form the counters are beside the filter's options (kernel: tcf_exts_dump_stats).
        statistics = found.get(_TCA_STATS, b"")
        whole = len(statistics) >= _OLD_STATISTICS.size
        yield from _policer(old, Held(*_OLD_STATISTICS.unpack_from(statistics)[2:]) if whole else None)
    for _, payload in attributes(options.get(_ACTIONS.get(kind, -1), b"")):
        action = dict(attributes(payload))
        if text(action.get(_ACT_KIND, b"")) == "police":
            yield from _policer(action.get(_ACT_OPTIONS, b""), _held(action.get(_ACT_STATS, b"")))


def _policer(payload: bytes, held: Held | None) -> Iterator[Policer]:
    options = dict(attributes(payload))
    parameters = options.get(_PARAMETERS, b"")
    if len(parameters) >= _POLICE_RATE_AT + _RATE.size:
        rate = _rate(options, _POLICE_RATE_AT, _POLICE_RATE64)
        yield Policer(_POLICE.unpack_from(parameters)[0], rate, held)


def _found(message: bytes) -> dict[int, bytes]:
    return dict(attributes(message[_FIRST:]))


def _held(statistics: bytes) -> Held | None:
    queue = dict(attributes(statistics)).get(_TCA_STATS_QUEUE, b"")
    if len(queue) < _QUEUE.size:
        return None
    _, _, drops, _, overlimits = _QUEUE.unpack_from(queue)
    return Held(drops, overlimits)


def _rate(options: Mapping[int, bytes], start: int, wide: int) -> int | None:
    """Return a rate in bytes per second: of 64 bits where there is one, else of 32; None for none."""
    parameters, large = options.get(_PARAMETERS, b""), options.get(wide, b"")
    if len(large) >= _RATE64.size:
        return int(_RATE64.unpack_from(large)[0]) or None
    if len(parameters) < start + _RATE.size:
        return None
    return int(_RATE.unpack_from(parameters, start)[0]) or None
