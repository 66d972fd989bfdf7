"""Who is in which InfiniBand partition: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Membership(StrEnum):
    """Limited members of a partition do not reach each other, only full ones."""

    FULL = "full"
    LIMITED = "limited"


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
    """What the fabric's manager said: its version, its partitions' count, and memberships by port GUID."""

    version: str = ""
    partitions: int = 0
    members: Mapping[str, tuple[Member, ...]] = field(default_factory=dict)
