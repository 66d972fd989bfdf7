"""The `netlink` source: traffic and limits of the guests' taps and macvtaps, from the guests' point of view.

It takes one dump of the counters of all links (RTM_GETSTATS), not of all properties of the links. The kind of
each link is read once: a name alone does not make a link a guest's, and the kind gives the direction of its
counters.
"""

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from hostcollector.base.definition import Nic
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Guest, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import interface
from hostcollector.protocols.netlink.messages import LinkCounters, LinkDescription
from hostcollector.protocols.netlink.route_socket import LinkGoneError, RouteSocket
from hostcollector.protocols.netlink.traffic_control import ARRIVAL, ROOT
from hostcollector.sources.netlink import limits

# Kinds of links whose other end QEMU can hold (kernel: drivers/net/tun.c, macvtap.c, ipvlan/ipvtap.c).
_TAP, _MACVTAPS = "tun", frozenset({"macvtap", "ipvtap"})
_TAPS = frozenset({_TAP})
# The types of interfaces with a netdev of the host, and its kind. The traffic of other types, such as user,
# vhostuser or hostdev, does not pass through a netdev, even if their definition names one.
_KINDS = {"direct": _MACVTAPS, "bridge": _TAPS, "network": _TAPS, "ethernet": _TAPS | _MACVTAPS}
_NO_SUCH_LINK = "no link of that name in this network namespace"

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
    guest: str
    nic: Nic

    @property
    def named(self) -> str:
        return f"{self.nic.target!r} of guest {self.guest!r}"


class _Link(NamedTuple):
    """The link of an interface, by its number."""

    nic: Nic
    number: int
    macvtap: bool


class Route(limits.Traffic, Protocol):
    """The part of `RouteSocket` that is used."""

    def index(self, name: str) -> int | None:
        """Return the index of the link with this name, None when there is none. Raises `SourceError`."""

    def description(self, index: int, deadline: float) -> LinkDescription:
        """Return what kind of link has this index. Raises `LinkGoneError` or another `SourceError`."""

    def counters(self, deadline: float) -> Mapping[int, LinkCounters]:
        """Return the counters of all links of this network namespace by index. Raises `SourceError`."""

    def close(self) -> None:
        """Close the socket."""


class Netlink(Source):
    """Reads the links' counters from `route`.

    `macs_are_set` is False where libvirt cannot give a tap the address of its guest: in a session, QEMU's
    bridge helper makes the taps.
    """

    name = "netlink"

    def __init__(
        self, route: Route | None = None, *, macs_are_set: bool = True, clock: Clock = time.monotonic
    ) -> None:
        self._route = route or RouteSocket()
        self._limits = limits.Limits(self._route, clock)
        self._macs_are_set = macs_are_set
        self._links: dict[str, _Link] = {}

    def read(self, request: Request) -> Reading:
        """Return the counters of all guests' interfaces that are links of the host. Raises `SourceError`."""
        gaps = Gaps()
        ports = _ports(request.guests, gaps)
        # The index first: another guest's link may get the name, but no link gets the index again.
        links = {target: self._link(port, request.deadline, gaps) for target, port in ports.items()}
        self._links = {target: link for target, link in links.items() if link is not None}
        counters = self._route.counters(request.deadline) if self._links else {}
        samples: list[Sample] = []
        for target, link in self._links.items():
            port = ports[target]
            if link.number in counters:
                samples.extend(_samples(port, counters[link.number], macvtap=link.macvtap))
            else:
                gaps.missing("link", port.named, "it has gone, or the kernel lists it without counters")
        with gaps.item("the limits of the guests' links"):
            samples += self._limit_samples(ports, request.deadline)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def _limit_samples(self, ports: Mapping[str, _Port], deadline: float) -> list[Sample]:
        if not self._links:
            return []
        found = self._limits.read((link.number for link in self._links.values()), deadline)
        limited = {index for index, _ in found}
        return [
            sample
            for target, link in self._links.items()
            if link.number in limited or link.nic.inbound or link.nic.outbound
            for sample in limits.samples(
                link.nic, ports[target].uuid, _sides(macvtap=link.macvtap), found, link.number
            )
        ]

    def close(self) -> None:
        """Close the socket."""
        self._route.close()

    def _link(self, port: _Port, deadline: float, gaps: Gaps) -> _Link | None:
        """Return an interface's link; None, with the reason among the gaps, if no link can be it."""
        nic = port.nic
        index = self._route.index(nic.target)
        if index is None:
            gaps.missing("link", port.named, _NO_SUCH_LINK)
            return None
        known = self._links.get(nic.target)
        if known is not None and known.number == index and known.nic is nic:
            return known
        try:
            link = self._route.description(index, deadline)
        except LinkGoneError:
            gaps.missing("link", port.named, _NO_SUCH_LINK)
            return None
        if why := self._why_not(nic, link):
            gaps.missing("link", port.named, f"the one of that name is {why}")
            return None
        return _Link(nic, index, macvtap=link.kind in _MACVTAPS)

    def _why_not(self, nic: Nic, link: LinkDescription) -> str:
        """Return why the link cannot be the interface's; empty if it can."""
        if link.kind not in _KINDS[nic.type]:
            return f"no tap or macvtap as the definition says, but {link.kind or 'none that is virtual'}"
        if link.kind == _TAP and not link.ethernet:
            return "a tunnel without Ethernet frames"
        # Another program may have made the link of an `ethernet` interface, with any address.
        fixed = self._macs_are_set and nic.type != "ethernet" and not nic.trusts_guest
        if fixed and not _has_mac(link, nic.mac):
            return f"another interface's: its address is {link.mac}"
        return ""


def _has_mac(link: LinkDescription, mac: str) -> bool:
    """Whether a link has the address of a guest's interface, as libvirt gives it to the link.

    A macvtap has the same address. A tap has it with another first byte, so that its bridge does not use that
    address as its own (libvirt: virNetDevTapCreateInBridgePort).
    """
    if not mac or not link.mac:
        return True
    same = slice(None) if link.kind in _MACVTAPS else slice(2, None)
    return link.mac[same] == mac.lower()[same]


def _ports(guests: Mapping[str, Guest], gaps: Gaps) -> dict[str, _Port]:
    """Return the interfaces by their links' names, without names that two guests have: those are noted.

    A link's name can pass to another guest before the inventory knows that the first one is gone. The owner
    of the counters is then unknown, and a gap is better than another tenant's counters.
    """
    ports: dict[str, _Port] = {}
    disputed = set()
    for uuid, guest in guests.items():
        for nic in guest.domain.nics:
            if nic.target and nic.type in _KINDS:
                port = ports.setdefault(nic.target, _Port(uuid, guest.domain.name, nic))
                if port.uuid != uuid:
                    disputed.add(nic.target)
    for target in sorted(disputed):
        gaps.note(f"two guests name the interface {target!r}: neither is read")
    return {target: port for target, port in ports.items() if target not in disputed}


def _samples(port: _Port, counters: LinkCounters, *, macvtap: bool) -> Iterator[Sample]:
    label = (port.nic.target,)
    # A tap receives what the guest sends. A macvtap is the guest's own port, with the guest's directions.
    figures = zip(counters[::2], counters[1::2], _RECEIVED, _TRANSMITTED, strict=True)
    for rx, tx, received, transmitted in figures:
        yield Sample(received, rx if macvtap else tx, label, port.uuid)
        yield Sample(transmitted, tx if macvtap else rx, label, port.uuid)


def _sides(*, macvtap: bool) -> Mapping[str, int]:
    """Return which side of the link limits which direction of the guest."""
    receive, transmit = (ARRIVAL, ROOT) if macvtap else (ROOT, ARRIVAL)
    return {"receive": receive, "transmit": transmit}
