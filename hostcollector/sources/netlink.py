"""The `netlink` source: traffic of the guests' taps and macvtaps, from the guests' point of view.

One dump of the counters of all links (RTM_GETSTATS, Linux 4.7 and later), not of the links themselves with
everything that the kernel knows about them: decoding those takes five times as long.
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkDecodeError, NetlinkError

from hostcollector.catalogue import interface
from hostcollector.errors import SourceMalformedError, SourceUnavailableError
from hostcollector.model import Guest, Nic, Sample
from hostcollector.sources.base import Reading, Request

Counters = Mapping[str, int]

# The filter bit of IFLA_STATS_LINK_64, include/uapi/linux/if_link.h.
_LINK_64 = 1
# What comes out of a tap was put in by the guest. A macvtap is a port of its own, on the guest's side.
_FROM_TAP = ("tx", "rx")
_FROM_MACVTAP = ("rx", "tx")
# Interfaces whose traffic does not pass a netdev of the host, even if their definition names one.
_WITHOUT_NETDEV = frozenset({"hostdev", "vdpa", "vhostuser"})


class _Port(NamedTuple):
    uuid: str
    nic: Nic


def dump_counters() -> dict[int, Counters]:
    """Return the counters (struct rtnl_link_stats64) of all links of this network namespace by index.

    The socket is opened for each dump, which costs 0.2 ms: it belongs to the thread that opened it, and an
    old one would have to be watched for what an earlier, abandoned dump left in it. Raises `SourceError`.
    """
    try:
        with IPRoute(groups=0) as route:
            return {
                message["ifindex"]: counters
                for message in route.stats("dump", filter_mask=_LINK_64)
                if (counters := message.get_attr("IFLA_STATS_LINK_64")) is not None
            }
    except (OSError, NetlinkError) as error:
        raise SourceUnavailableError(f"rtnetlink does not give the links' counters: {error}") from error
    except NetlinkDecodeError as error:
        raise SourceMalformedError(f"rtnetlink's answer cannot be decoded: {error}") from error


class Netlink:
    """Reads the links' counters; `dump` and `index_of` (by a link's name) ask the kernel."""

    name = "netlink"

    def __init__(
        self,
        dump: Callable[[], Mapping[int, Counters]] = dump_counters,
        index_of: Callable[[str], int] = socket.if_nametoindex,
    ) -> None:
        self._dump = dump
        self._index_of = index_of

    def read(self, request: Request) -> Reading:
        """Return the counters of all guests' interfaces that are links of the host. Raises `SourceError`."""
        ports, notes = _ports(request.guests)
        # The index first: a name may pass to another guest's link, an index is never given twice.
        indexes = {target: index for target in ports if (index := self._index(target)) is not None}
        counters = self._dump() if indexes else {}
        samples = [
            sample
            for target, index in indexes.items()
            if index in counters
            for sample in _samples(ports[target], counters[index])
        ]
        return Reading(samples=samples, notes=notes, partial=bool(notes))

    def close(self) -> None:
        """Nothing is held open."""

    def _index(self, target: str) -> int | None:
        try:
            return self._index_of(target)
        except (OSError, ValueError):  # no such link, or a name that no link can have
            return None


def _ports(guests: Mapping[str, Guest]) -> tuple[dict[str, _Port], tuple[str, ...]]:
    """Return the interfaces by their links' names, and a note for each name that two guests have.

    That happens when a link's name passes to another guest before the inventory knows that the first one is
    gone. Whose the counters are is then unknown, and showing one tenant the other's is worse than a gap.
    """
    ports: dict[str, _Port] = {}
    disputed = set()
    for uuid, guest in guests.items():
        for nic in guest.domain.nics:
            if nic.target and nic.type not in _WITHOUT_NETDEV:
                port = ports.setdefault(nic.target, _Port(uuid, nic))
                if port.uuid != uuid:
                    disputed.add(nic.target)
    notes = tuple(f"two guests name the interface {target!r}: neither is read" for target in sorted(disputed))
    return {target: port for target, port in ports.items() if target not in disputed}, notes


def _samples(port: _Port, counters: Counters) -> Iterator[Sample]:
    uuid, nic = port
    received, sent = _FROM_MACVTAP if nic.type == "direct" else _FROM_TAP
    label = (nic.target,)
    yield Sample(interface.RECEIVE_BYTES, counters[f"{received}_bytes"], label, uuid)
    yield Sample(interface.RECEIVE_PACKETS, counters[f"{received}_packets"], label, uuid)
    yield Sample(interface.RECEIVE_ERRORS, counters[f"{received}_errors"], label, uuid)
    yield Sample(interface.RECEIVE_DROPS, counters[f"{received}_dropped"], label, uuid)
    yield Sample(interface.TRANSMIT_BYTES, counters[f"{sent}_bytes"], label, uuid)
    yield Sample(interface.TRANSMIT_PACKETS, counters[f"{sent}_packets"], label, uuid)
    yield Sample(interface.TRANSMIT_ERRORS, counters[f"{sent}_errors"], label, uuid)
    yield Sample(interface.TRANSMIT_DROPS, counters[f"{sent}_dropped"], label, uuid)
