"""The host's own links, and which of them the guests' interfaces lead to.

From a tap the way goes to its bridge, and on over the bridge's other ports: VLANs, veth pairs, bonds. A
macvtap has its link below it, a VF its card. The way ends at a network card or a bond; its members count.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hostcollector.base.model import Guest
from hostcollector.base.units import bytes_from_mbit
from hostcollector.protocols.kernel.sysfs import entries, number, target, text
from hostcollector.protocols.netlink.messages import LinkState

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# What a card's representors are called (kernel: Documentation/networking/representors.rst).
_REPRESENTOR = re.compile(r"(?:c\d+)?pf\d+[vs]f\d+")
_WITH_A_NETDEV = frozenset({"bridge", "network", "ethernet", "direct"})
_OF_GUESTS = frozenset({"tun", "macvtap", "ipvtap"})
_CARDS, _BONDS = frozenset({"", "ipoib"}), frozenset({"bond", "team"})
# A speed that is not known is all ones (kernel: include/uapi/linux/ethtool.h, SPEED_UNKNOWN).
_UNKNOWN_SPEED = 2**32 - 1
_DUPLEX = {"full": True, "half": False}


class Interface(NamedTuple):
    """A guest's interface, by the name of its netdev or by the PCI address of its VF."""

    uuid: str
    name: str
    is_vf: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLink:
    """A card's or a bond's link. `speed` is in bytes per second; None for what is not known.

    `master` is the bond or bridge that it is in, empty for none.
    """

    name: str
    kind: str
    master: str = ""
    driver: str = ""
    pci_address: str = ""
    speed: int | None = None
    full_duplex: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkMap:
    """The host's links by index, and the names of those that each guest's interface leads to."""

    links: Mapping[int, HostLink] = field(default_factory=dict)
    uplinks: Mapping[Interface, tuple[str, ...]] = field(default_factory=dict)


def interfaces(guests: Mapping[str, Guest]) -> frozenset[Interface]:
    """Return the guests' interfaces on links and VFs of the host, without what two guests name."""
    named = [
        Interface(uuid, nic.target, is_vf=False)
        if nic.type in _WITH_A_NETDEV and nic.target
        else Interface(uuid, nic.pci_address, is_vf=True)
        for uuid, guest in guests.items()
        for nic in guest.domain.nics
        if (nic.type in _WITH_A_NETDEV and nic.target) or (nic.type == "hostdev" and nic.pci_address)
    ]
    claims = Counter(name for _, name in {(each.uuid, each.name) for each in named})
    return frozenset(each for each in named if claims[each.name] == 1)


class UplinkReader:
    """Reads which links of the host whose ``/sys`` lies under `root` are cards, and what leads to them."""

    def __init__(self, root: Path) -> None:
        self._class = str(root / "sys/class/net")
        self._devices = str(root / "sys/bus/pci/devices")

    def read(self, states: Mapping[int, LinkState], guests: Iterable[Interface]) -> UplinkMap:
        """Return the map; `states` are all links of the host by index."""
        links = {
            index: self._described(state, states)
            for index, state in sorted(states.items())
            if state.kind in _BONDS or (state.kind in _CARDS and self._is_card(state.name))
        }
        ways = _Ways(states, links)
        by_name = {state.name: state for state in states.values()}
        found = {each: tuple(sorted(set(self._of(each, by_name, ways)))) for each in guests}
        return UplinkMap(links=links, uplinks={each: names for each, names in found.items() if names})

    def _of(self, interface: Interface, by_name: Mapping[str, LinkState], ways: "_Ways") -> Iterator[str]:
        """Yield the uplinks of one interface; none for a link of that name that is no guest's."""
        if interface.is_vf:
            for name in entries(f"{self._devices}/{interface.name}/physfn/net"):
                if name in by_name:
                    yield from ways.from_link(by_name[name].number)
        elif (state := by_name.get(interface.name)) is not None and state.kind in _OF_GUESTS:
            yield from ways.from_guest(state)

    def _is_card(self, name: str) -> bool:
        device = f"{self._class}/{name}/device"
        return (
            os.path.lexists(device)
            and not os.path.lexists(f"{device}/physfn")
            and not _REPRESENTOR.fullmatch(text(f"{self._class}/{name}/phys_port_name"))
        )

    def _described(self, state: LinkState, states: Mapping[int, LinkState]) -> HostLink:
        path = f"{self._class}/{state.name}"
        address = os.path.realpath(f"{path}/device").rpartition("/")[2]
        speed = number(f"{path}/speed") if state.carrier else None
        return HostLink(
            name=state.name,
            kind=state.kind if state.kind in _BONDS else "physical",
            master=states[state.master].name if state.master in states else "",
            driver=target(f"{path}/device/driver"),
            pci_address=address if _ADDRESS.fullmatch(address) else "",
            speed=bytes_from_mbit(speed) if speed and speed < _UNKNOWN_SPEED else None,
            full_duplex=_DUPLEX.get(text(f"{path}/duplex")) if state.carrier else None,
        )


class _Ways:
    """Finds the links at the end of each way; what begins at the same bridge is found once."""

    def __init__(self, states: Mapping[int, LinkState], links: Mapping[int, HostLink]) -> None:
        self._states = states
        self._links = links
        self._members: dict[int, list[int]] = defaultdict(list)
        for index, state in states.items():
            # Other guests' interfaces lead nowhere.
            if state.master and state.kind not in _OF_GUESTS:
                self._members[state.master].append(index)
        self._found: dict[tuple[int, int], frozenset[str]] = {}

    def from_guest(self, state: LinkState) -> frozenset[str]:
        """Return the names of the links that a tap or macvtap leads to."""
        key = state.master, state.lower
        if key not in self._found:
            self._found[key] = frozenset(self._ends(index for index in key if index))
        return self._found[key]

    def from_link(self, index: int) -> frozenset[str]:
        """Return the names of the links that a card's own one leads to: the card's."""
        return frozenset(self._ends([index]))

    def _ends(self, starts: Iterable[int]) -> Iterator[str]:
        seen: set[int] = set()
        open_ends = list(starts)
        while open_ends:
            index = open_ends.pop()
            state = self._states.get(index)
            if index in seen or state is None:
                continue
            seen.add(index)
            members = self._members.get(index, ())
            if index in self._links:
                yield self._links[index].name
                yield from (self._links[member].name for member in members if member in self._links)
                continue
            open_ends += (*members, state.master, state.lower)
