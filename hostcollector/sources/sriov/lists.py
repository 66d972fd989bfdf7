"""Gets each PF's VF list from the kernel, the cheapest way that works for it."""

from enum import Enum, auto

from hostcollector.errors import SourceError
from hostcollector.rtnetlink import MessageTooLongError, RouteSocket
from hostcollector.sources.sriov.attributes import RTEXT_FILTER_SKIP_STATS, RTEXT_FILTER_VF
from hostcollector.sources.sriov.vf_list import VfList, parse
from hostcollector.sriov import Netdev, PhysicalFunction


class Way(Enum):
    """How a PF is asked. Each time costs its firmware a command or two per VF, under the host's RTNL."""

    GET = auto()
    DUMP = auto()
    WITHOUT_STATISTICS = auto()


class VfLists:
    """Reads the lists of one host; one thread at a time.

    Some kernels cannot fit a list with InfiniBand GUIDs into the answer to a single question and warn in
    their log each time; a dump then works. What did not work for a PF is not tried again until `forget`.
    """

    def __init__(self, route: RouteSocket) -> None:
        self._route = route
        self._ways: dict[int, Way] = {}
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

    def _list(self, index: int, deadline: float) -> VfList:
        way = self._ways.get(index, Way.GET)
        if way is Way.GET:
            try:
                return parse(self._route.link(index, RTEXT_FILTER_VF, deadline))
            except MessageTooLongError:
                self._ways[index] = way = Way.DUMP
        if way is Way.DUMP:
            try:
                message = self._dumped(deadline).get(index)
            except MessageTooLongError:
                message = None
            if message is not None:
                return parse(message)
            self._ways[index] = Way.WITHOUT_STATISTICS
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
