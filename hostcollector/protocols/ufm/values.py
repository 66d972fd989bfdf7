"""Who is in which InfiniBand partition: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Membership(StrEnum):
    """Limited members of a partition do not reach each other, only full ones; `BOTH` is both at once.

    A port has two keys of the partition then, with and without the membership bit (opensm(8), "PARTITION
    CONFIGURATION").
    """

    FULL = "full"
    LIMITED = "limited"
    BOTH = "both"


class Origin(StrEnum):
    """Who says so."""

    STATIC = "static"
    UFM = "ufm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A port's membership in a partition, from 1 to 0x7fff; `name` is the partition's, if it has one."""

    partition: int
    name: str = ""
    membership: Membership
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the fabric's manager said: its version, its partitions' count, and memberships by port GUID.

    `everywhere` are the memberships of all ports of the fabric. `notes` name the entries that could not be
    read, `unread` is how many those are.
    """

    version: str = ""
    partitions: int = 0
    members: Mapping[str, tuple[Member, ...]] = field(default_factory=dict)
    everywhere: tuple[Member, ...] = ()
    notes: tuple[str, ...] = ()
    unread: int = 0

    def of(self, port_guid: str) -> tuple[Member, ...]:
        """Return a port's memberships; what it is told for itself goes before what holds for all ports."""
        own = self.members.get(port_guid, ())
        named = {member.partition for member in own}
        return (*own, *(member for member in self.everywhere if member.partition not in named))
