"""Links of a host as the kernel's messages describe them, and a kernel that gives them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.protocols.netlink.messages import LinkState
from hostcollector.protocols.netlink.route_socket import LinkGoneError


def state(number: int, name: str, kind: str = "", master: int = 0, lower: int = 0) -> LinkState:
    """Return a link that works."""
    return LinkState(
        number, name, kind, master, lower, enabled=True, carrier=True, ups=2, downs=1, member=None
    )


def links(*states: LinkState) -> Mapping[int, LinkState]:
    """Return the links by index."""
    return {each.number: each for each in states}


@dataclass
class Kernel:
    """Replaces the kernel: these links, each with its present state."""

    present: dict[int, LinkState]
    dumps: int = 0
    now: float = 100.0
    refused: set[int] = field(default_factory=set)

    def state(self, index: int, _deadline: float) -> LinkState:
        """Return the state of one link."""
        if index in self.refused:
            raise SourceUnavailableError("refused")
        if index not in self.present:
            raise LinkGoneError("gone")
        return self.present[index]

    def states(self, _deadline: float) -> Mapping[int, LinkState]:
        """Return all, and count the question."""
        self.dumps += 1
        return dict(self.present)

    def close(self) -> None:
        """Nothing is open."""
