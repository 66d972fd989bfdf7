"""What a fault may take from the page, while it lasts and until all is back."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from hostcollector import catalogue
from hostcollector.base.model import Metric
from tests.lab.running import RunningGuest

MONITOR = frozenset({"libvirt_monitor"})
LIBVIRT = MONITOR | {"libvirt_state"}
EVERYTHING = frozenset(row.source for row in catalogue.ALL)

_SUFFIXES = ("", "_bucket", "_count", "_sum", "_created")
ROWS: dict[str, Metric] = {row.name + suffix: row for row in catalogue.ALL for suffix in _SUFFIXES}
"""The catalogue's row of each name that a line of the page may begin with."""


@dataclass(frozen=True, slots=True)
class Harm:
    """Sources whose series may be missing: for all guests, and for single guests by UUID."""

    everywhere: frozenset[str] = frozenset()
    guests: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def to(cls, guests: Iterable[RunningGuest], sources: Collection[str]) -> "Harm":
        """Return the harm to some guests."""
        return cls(guests={guest.guest.uuid: frozenset(sources) for guest in guests})

    def covers(self, source: str, uuid: str = "") -> bool:
        """Whether a series of the source, of the guest if one is named, may be missing."""
        return source in self.everywhere or source in self.guests.get(uuid, ())

    def ends(self, uuid: str) -> bool:
        """Whether the guest itself may be gone, or one that is only starting."""
        return self.guests.get(uuid) == EVERYTHING

    def __or__(self, other: "Harm") -> "Harm":
        """Return both together."""
        uuids = self.guests.keys() | other.guests.keys()
        nothing: frozenset[str] = frozenset()
        both = {uuid: self.guests.get(uuid, nothing) | other.guests.get(uuid, nothing) for uuid in uuids}
        return Harm(self.everywhere | other.everywhere, both)


NO_HARM = Harm()
