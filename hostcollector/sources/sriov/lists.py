"""Gets each PF's VF list from the kernel, the cheapest way that works for it."""

import math
import time
from enum import Enum, auto

from hostcollector.base.errors import SourceError
from hostcollector.base.lanes import Clock
from hostcollector.devices.sriov import Netdev, PhysicalFunction
from hostcollector.protocols.netlink.attributes import RTEXT_FILTER_SKIP_STATS, RTEXT_FILTER_VF
from hostcollector.protocols.netlink.route_socket import MessageTooLongError, RouteSocket
from hostcollector.protocols.netlink.vf_list import VfList, parse


class Way(Enum):
    """How a PF is asked. Each time costs its firmware a command or two per VF, under the host's RTNL."""

    GET = auto()
    DUMP = auto()
    WITHOUT_STATISTICS = auto()


LOOK_AGAIN_SECONDS = 3600.0
"""After how long a cheaper way is tried again that did not work: it costs a warning in the kernel's log."""


class VfLists:
    """Reads the lists of one host; one thread at a time. `clock` is monotonic.

    Some kernels cannot fit a list with InfiniBand GUIDs into the answer to a single question and warn in
    their log each time; a dump then works. What did not work for a PF is not tried again for a while.
    """

    def __init__(self, route: RouteSocket, clock: Clock = time.monotonic) -> None:
        self._route = route
        self._clock = clock
        self._ways: dict[int, tuple[Way, float]] = {}
        self._dump: dict[int, bytes] | SourceError | None = None

    def begin(self) -> None:
        """Start a new collection: what was dumped for the last one is too old."""
        self._dump = None

    def forget(self) -> None:
        """Try the cheapest way again: the PFs or their VFs are others now."""
        self._ways.clear()

    def read(self, pf: PhysicalFunction, deadline: float) -> tuple[Netdev, VfList] | None:
        """Return the PF's list and the interface that gave it; None when no interface has a list.

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
        """Whether the kernel cannot tell the counters of this card's VFs, because they are too many."""
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
                # A dump that was interrupted may lack the card: this time only.
                if message is not None:
                    return parse(message)
        return parse(self._route.link(index, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS, deadline))

    def _dumped(self, deadline: float) -> dict[int, bytes]:
        """Return the dump of this collection: it asks every card, so that once has to do for all PFs."""
        if self._dump is None:
            try:
                self._dump = self._route.links(RTEXT_FILTER_VF, deadline)
            except SourceError as error:
                self._dump = error
        if isinstance(self._dump, SourceError):
            raise self._dump
        return self._dump
