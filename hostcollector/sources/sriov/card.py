"""One PF in one collection: its VF list from the kernel, its VFs' counters, and the notes on it."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from hostcollector.base.errors import SourceError
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.devices.sriov import Netdev, PhysicalFunction
from hostcollector.protocols.netlink.route_socket import MessageTooLongError, RouteSocket
from hostcollector.protocols.netlink.vf_list import (
    ARPHRD_INFINIBAND,
    RTEXT_FILTER_SKIP_STATS,
    RTEXT_FILTER_VF,
    ListedVf,
    VfList,
    parse,
)
from hostcollector.sources.sriov.vendor_files import VendorFiles

# Counters that each driver fills (Linux 6.12, each driver's ndo_get_vf_stats). The kernel sends zeros for all
# others, so a counter is shown only if it is in this table. Names are those of the PCI drivers; IPoIB links
# have a table of their own, because InfiniBand counts less.
_FOUR = frozenset({"receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"})
_DROPPED = frozenset({"receive_dropped", "transmit_dropped"})
_BROADCAST = frozenset({"receive_broadcast_packets"})
_MULTICAST = frozenset({"receive_multicast_packets"})
_ALL = _FOUR | _DROPPED | _BROADCAST | _MULTICAST

ETHERNET: Mapping[str, frozenset[str]] = {
    "mlx5_core": _ALL,
    "mlx4_core": _FOUR,
    "i40e": _ALL,
    "ice": _ALL,
    "ionic": _ALL,
    "ixgbe": _FOUR | _MULTICAST,
    "fm10k": _FOUR | {"receive_dropped"},
    "LiquidIO": _FOUR | _BROADCAST | _MULTICAST,
}

IPOIB: Mapping[str, frozenset[str]] = {
    "mlx5_core": _FOUR | _MULTICAST,
}


def counters_of(driver: str, *, ipoib: bool, switchdev: bool) -> frozenset[str]:
    """Return the counters that the driver fills; empty for a driver that does not count per VF."""
    if ipoib:
        return IPOIB.get(driver, frozenset())
    fields = ETHERNET.get(driver, frozenset())
    # In switchdev mode mlx5 does not read drops and leaves zeros.
    return fields - _DROPPED if switchdev and driver == "mlx5_core" else fields


class Way(Enum):
    """The kinds of requests for a VF list. Each takes firmware commands per VF, under the RTNL lock."""

    GET = auto()
    DUMP = auto()
    WITHOUT_STATISTICS = auto()


LOOK_AGAIN_SECONDS = 3600.0
"""After this time a cheaper request that failed is tried again: it costs a warning in the kernel's log."""


class VfLists:
    """Reads each PF's VF list by the cheapest request that works; one thread at a time. `clock` is monotonic.

    Some kernels cannot fit a list with InfiniBand GUIDs into the answer to a single request, and log a
    warning each time; a dump then works. A failed request is not tried again for `LOOK_AGAIN_SECONDS`.
    """

    def __init__(self, route: RouteSocket, clock: Clock = time.monotonic) -> None:
        self._route = route
        self._clock = clock
        self._ways: dict[int, tuple[Way, float]] = {}
        self._dump: dict[int, bytes] | SourceError | None = None

    def begin(self) -> None:
        """Start a new collection, without the dump of the last one."""
        self._dump = None

    def forget(self) -> None:
        """Try the cheapest request again, after a change of the PFs or their VFs."""
        self._ways.clear()

    def read(self, pf: PhysicalFunction, deadline: float) -> tuple[Netdev, VfList] | None:
        """Return the PF's list and the interface that has it; None if no interface has a list.

        Raises `SourceError`. `deadline` is on the monotonic clock.
        """
        for netdev in pf.netdevs:
            listed = self._list(netdev.index, deadline)
            if listed.listed:
                return netdev, listed
        return None

    def close(self) -> None:
        """Close the socket."""
        self._route.close()

    def leaves_out_counters(self, netdev: Netdev) -> bool:
        """Whether this card has too many VFs for the kernel to send their counters."""
        return self._way(netdev.index) is Way.WITHOUT_STATISTICS

    def _way(self, index: int) -> Way:
        way, until = self._ways.get(index, (Way.GET, math.inf))
        return way if self._clock() < until else Way.GET

    def _turn_to(self, index: int, way: Way) -> Way:
        self._ways[index] = way, self._clock() + LOOK_AGAIN_SECONDS
        return way

    def _list(self, index: int, deadline: float) -> VfList:
        way = self._way(index)
        if way is Way.GET:
            try:
                return parse(self._route.link(index, RTEXT_FILTER_VF, deadline))
            except MessageTooLongError:
                way = self._turn_to(index, Way.DUMP)
        if way is Way.DUMP:
            try:
                message = self._dumped(deadline).get(index)
            except MessageTooLongError:
                self._turn_to(index, Way.WITHOUT_STATISTICS)
            else:
                # An interrupted dump may lack the card, this time only.
                if message is not None:
                    return parse(message)
        return parse(self._route.link(index, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS, deadline))

    def _dumped(self, deadline: float) -> dict[int, bytes]:
        """Return this collection's dump, made once for all PFs: a dump reads every card."""
        if self._dump is None:
            try:
                self._dump = self._route.links(RTEXT_FILTER_VF, deadline)
            except SourceError as error:
                self._dump = error
        if isinstance(self._dump, SourceError):
            raise self._dump
        return self._dump


# Prefixes of counters' names among the baselines: counters of another origin start at other values.
FILES, REPRESENTOR = "files:", "representor:"


@dataclass(slots=True)
class Card:
    """A PF with its VF list; `name` is the `pf` label.

    - `problem` is the reason for a missing list; `by_nature` means that this PF never has one.
    - `too_many`: the kernel cannot send the counters of so many VFs.
    """

    pf: PhysicalFunction
    name: str
    list: VfList | None
    problem: str = ""
    by_nature: bool = False
    too_many: bool = False
    fields: frozenset[str] = field(init=False)
    ipoib: bool = field(init=False)

    def __post_init__(self) -> None:
        self.ipoib = self.pf.infiniband if self.list is None else self.list.hardware_type == ARPHRD_INFINIBAND
        self.fields = counters_of(self.pf.driver, ipoib=self.ipoib, switchdev=self.pf.switchdev)

    @property
    def truncated(self) -> bool:
        """Whether the kernel's list lacks VFs of the card."""
        listed = len(self.list.vfs) if self.list is not None else 0
        return listed < len(self.pf.vfs)

    @property
    def counts(self) -> bool:
        """Whether the VF list should have counters: there is a list, and the driver fills some."""
        return bool(self.fields) and self.list is not None and not self.too_many

    def listed(self, number: int) -> ListedVf | None:
        """Return the VF's entry in the list."""
        return self.list.vfs.get(number) if self.list is not None else None


class CounterReader:
    """Finds the raw counters of a card's VFs: netlink first, then the vendor's files, then representors.

    `from_netlink` are the addresses of VFs that ever had counters in a list. Other origins are not used for
    them: a VF that is missing from one list would change to other counters and back.
    """

    def __init__(self, card: Card, files: VendorFiles, from_netlink: set[str], gaps: Gaps) -> None:
        self._card = card
        self._files = files
        self._from_netlink = from_netlink
        self._gaps = gaps
        self.directory = files.directory(card.pf)
        self.origins: set[str] = set()

    def counters(self, number: int) -> tuple[str, Mapping[str, int]]:
        """Return the prefix of the counters' origin and the counters, which may be empty."""
        card = self._card
        listed = card.listed(number)
        if listed is not None and listed.statistics and card.fields:
            raw = listed.statistics
            if len(card.fields) < len(raw):
                raw = {name: value for name, value in raw.items() if name in card.fields}
            self._from_netlink.add(card.pf.vfs[number])
            return self._noted("", raw)
        if card.pf.vfs[number] in self._from_netlink:
            return "", {}
        if self.directory and (raw := self._files.counters(self.directory, number, self._gaps)):
            return self._noted(FILES, raw)
        representor = card.pf.representors.get(number)
        if representor is not None:
            return self._noted(REPRESENTOR, self._files.representor_counters(representor, self._gaps))
        return "", {}

    def rdma(self, number: int) -> Mapping[str, int]:
        """Return the VF's RDMA counters, which only some representors have."""
        representor = self._card.pf.representors.get(number)
        return self._files.rdma_counters(representor, self._gaps) if representor is not None else {}

    def guids(self, number: int) -> tuple[str, str]:
        """Return an InfiniBand VF's node and port GUID, from the list, else from the driver's files."""
        if not self._card.ipoib:
            return "", ""
        listed = self._card.listed(number)
        node, port = (listed.node_guid, listed.port_guid) if listed is not None else (None, None)
        if node and port:
            return node, port
        filed = self._files.guids(self.directory, number) if self.directory else ("", "")
        return node or filed[0], port or filed[1]

    def _noted(self, origin: str, raw: Mapping[str, int]) -> tuple[str, Mapping[str, int]]:
        self.origins.add(origin)
        return origin, raw


_ORIGINS = {
    "": "counters from netlink",
    FILES: "counters from the driver's files",
    REPRESENTOR: "counters from the representors",
}


def note(card: Card, reader: CounterReader, owned: int, gaps: Gaps) -> None:
    """Note which series a card has, for the status page and `diagnose`, and which are missing."""
    pf = card.pf
    where = f"{card.name} ({pf.address}, {pf.driver or 'no driver'})"
    if not pf.vfs:
        gaps.fact(f"{where}: not split into VFs")
        return
    if reader.origins:
        counters = " and ".join(_ORIGINS[origin] for origin in sorted(reader.origins))
    elif card.too_many:
        counters = "no traffic counters: the kernel cannot send those of so many VFs"
    elif card.fields:
        counters = "no traffic counters: netlink has none and the driver has no files"
    else:
        counters = f"no traffic counters: the driver {pf.driver or '(none)'} does not count per VF"
    vfs = f"{len(pf.vfs)} VF" if len(pf.vfs) == 1 else f"{len(pf.vfs)} VFs"
    gaps.fact(f"{where}: {vfs}, {owned} owned by guests; {counters}")
    listed = len(card.list.vfs) if card.list is not None else 0
    if card.problem and card.by_nature:
        gaps.fact(f"{where}: its VFs have no configuration series: {card.problem}")
    elif card.problem:
        gaps.add((f"{where}: the configuration of its VFs cannot be read: {card.problem}",), len(pf.vfs))
    elif card.truncated:
        text = f"{where}: the kernel lists {listed} of {vfs}; the others have no configuration series"
        gaps.add((text,), len(pf.vfs) - listed)
