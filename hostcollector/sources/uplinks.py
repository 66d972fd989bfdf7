"""The `uplinks` source: carrier, speed and duplex of the host's links, and which guests depend on them.

Which links there are, and what leads where, is read once a minute and whenever a guest's interface is new:
one dump of all links, and a few files of sysfs. In between each of the few uplinks is read by its number.
"""

import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import uplinks as rows
from hostcollector.devices.uplinks import HostLink, Interface, UplinkMap, UplinkReader, interfaces
from hostcollector.protocols.netlink.messages import LinkState
from hostcollector.protocols.netlink.route_socket import LinkGoneError, RouteSocket

KEPT_SECONDS = 60.0
"""For how long the map of the links is kept."""
MOST_LINKS = 256
"""More links than a host has ports."""


class Route(Protocol):
    """The part of `RouteSocket` that is used."""

    def state(self, index: int, deadline: float) -> LinkState:
        """Return the state of the link with this index. Raises `LinkGoneError` or another `SourceError`."""

    def states(self, deadline: float) -> Mapping[int, LinkState]:
        """Return the states of all links by index. Raises `SourceError`."""

    def close(self) -> None:
        """Close the socket."""


class Uplinks(Source):
    """Reads the links of the host under `root`. Tests replace `route`, the netlink socket."""

    name = "uplinks"

    def __init__(self, root: Path, route: Route | None = None, clock: Clock = time.monotonic) -> None:
        self._route = route or RouteSocket()
        self._reader = UplinkReader(root)
        self._clock = clock
        self._map = UplinkMap()
        self._known: frozenset[Interface] = frozenset()
        self._until = 0.0

    def read(self, request: Request) -> Reading:
        """Return the series of all links. Raises `SourceError` when the kernel does not list them."""
        gaps = Gaps()
        present = interfaces(request.guests)
        if self._clock() >= self._until or not present <= self._known:
            self._map = self._reader.read(self._route.states(request.deadline), present)
            self._known, self._until = present, self._clock() + KEPT_SECONDS
        samples: list[Sample] = []
        links = list(self._map.links.items())
        for index, link in links[:MOST_LINKS]:
            with gaps.item(f"link {link.name}"):
                try:
                    samples += _samples(self._route.state(index, request.deadline), link)
                except LinkGoneError:
                    gaps.missing("link", link.name, "it has gone")
                    self._until = 0.0
        if len(links) > MOST_LINKS:
            gaps.note(f"{len(links) - MOST_LINKS} links more than {MOST_LINKS} are left out")
        samples += _guests(self._map, present)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def close(self) -> None:
        """Close the socket."""
        self._route.close()


def _samples(state: LinkState, link: HostLink) -> Iterator[Sample]:
    device = (link.name,)
    described = (link.kind, link.master, link.driver, link.pci_address)
    yield Sample(rows.INFO, 1.0, (*device, *described))
    yield Sample(rows.ENABLED, float(state.enabled), device)
    if state.carrier is not None:
        yield Sample(rows.UP, float(state.enabled and state.carrier), device)
    for to, changes in (("up", state.ups), ("down", state.downs)):
        if changes is not None:
            yield Sample(rows.CARRIER_CHANGES, changes, (*device, to))
    if state.carrier and link.speed is not None:
        yield Sample(rows.SPEED, link.speed, device)
    if state.carrier and link.full_duplex is not None:
        yield Sample(rows.FULL_DUPLEX, float(link.full_duplex), device)
    if state.member is not None and link.master:
        member = (link.master, link.name)
        yield Sample(rows.MEMBER_UP, float(state.member.up), member)
        yield Sample(rows.MEMBER_ACTIVE, float(state.member.active), member)
        if state.member.failures is not None:
            yield Sample(rows.MEMBER_FAILURES, state.member.failures, member)


def _guests(found: UplinkMap, present: AbstractSet[Interface]) -> Iterator[Sample]:
    """Yield what the present guests' interfaces lead to, and how many guests each link has."""
    dependent: dict[str, set[str]] = {link.name: set() for link in found.links.values()}
    for interface, names in found.uplinks.items():
        if interface in present:
            for name in names:
                dependent[name].add(interface.uuid)
                yield Sample(rows.UPLINK_INFO, 1.0, (interface.name, name), interface.uuid)
    for name, guests in dependent.items():
        yield Sample(rows.GUESTS, len(guests), (name,))
