"""The `netlink` source: traffic of the guests' taps and macvtaps, from the guests' point of view.

One dump of the counters of all links (RTM_GETSTATS), not of the links themselves with everything that the
kernel knows about them.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from hostcollector.catalogue import interface
from hostcollector.model import Guest, Nic, Sample
from hostcollector.rtnetlink import LinkCounters, RouteSocket
from hostcollector.sources.base import Reading, Request, Source

# Interfaces whose traffic does not pass a netdev of the host, even if their definition names one.
_WITHOUT_NETDEV = frozenset({"hostdev", "vdpa", "vhostuser"})


# In the order of `LinkCounters`.
_RECEIVED = (
    interface.RECEIVE_PACKETS,
    interface.RECEIVE_BYTES,
    interface.RECEIVE_ERRORS,
    interface.RECEIVE_DROPS,
)
_TRANSMITTED = (
    interface.TRANSMIT_PACKETS,
    interface.TRANSMIT_BYTES,
    interface.TRANSMIT_ERRORS,
    interface.TRANSMIT_DROPS,
)


class _Port(NamedTuple):
    uuid: str
    nic: Nic


class Route(Protocol):
    """The part of `RouteSocket` that is used."""

    def index(self, name: str) -> int | None:
        """Return the index of the link with this name, None when there is none. Raises `SourceError`."""

    def counters(self, deadline: float) -> Mapping[int, LinkCounters]:
        """Return the counters of all links of this network namespace by index. Raises `SourceError`."""

    def close(self) -> None:
        """Close the socket."""


class Netlink(Source):
    """Reads the links' counters from `route`."""

    name = "netlink"

    def __init__(self, route: Route | None = None) -> None:
        self._route = route or RouteSocket()

    def read(self, request: Request) -> Reading:
        """Return the counters of all guests' interfaces that are links of the host. Raises `SourceError`."""
        ports, notes = _ports(request.guests)
        # The index first: a name may pass to another guest's link, an index is never given twice.
        indexes = {target: index for target in ports if (index := self._route.index(target)) is not None}
        counters = self._route.counters(request.deadline) if indexes else {}
        samples = [
            sample
            for target, index in indexes.items()
            if index in counters
            for sample in _samples(ports[target], counters[index])
        ]
        return Reading(samples=samples, notes=notes, partial=bool(notes))

    def close(self) -> None:
        """Close the socket."""
        self._route.close()


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


def _samples(port: _Port, counters: LinkCounters) -> Iterator[Sample]:
    uuid, nic = port
    label = (nic.target,)
    # What comes out of a tap was put in by the guest. A macvtap is a port of its own, on the guest's side.
    macvtap = nic.type == "direct"
    figures = zip(counters[::2], counters[1::2], _RECEIVED, _TRANSMITTED, strict=True)
    for rx, tx, received, transmitted in figures:
        yield Sample(received, rx if macvtap else tx, label, uuid)
        yield Sample(transmitted, tx if macvtap else rx, label, uuid)
