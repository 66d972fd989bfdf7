"""Which InfiniBand partitions a port is in: membership lives in the subnet manager, not on the hypervisor.

What the configuration says of a port stands; NVIDIA's UFM, where it is configured, is believed for the
others.
"""

import time
from collections.abc import Iterable
from dataclasses import replace

from hostcollector.base.errors import SourceError
from hostcollector.base.lanes import Clock
from hostcollector.config.settings import PartitionSettings
from hostcollector.protocols.ufm import Answer, Client, Member, Membership, Origin

__all__ = ["Answer", "Client", "Member", "Membership", "Origin", "Partitions"]


class Partitions:
    """Knows ports by their GUID. `ufm` is None where none is configured; whoever starts it, closes it."""

    def __init__(
        self,
        configured: Iterable[PartitionSettings] = (),
        ufm: Client | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        configured = tuple(configured)
        self._names = {each.pkey: each.name for each in configured if each.name}
        self._static: dict[str, tuple[Member, ...]] = {}
        for each in configured:
            for guids, membership in ((each.full, Membership.FULL), (each.limited, Membership.LIMITED)):
                member = Member(
                    partition=each.pkey, name=each.name, membership=membership, origin=Origin.STATIC
                )
                for guid in guids:
                    self._static[guid] = (*self._static.get(guid, ()), member)
        self._ufm = ufm
        self._clock = clock

    @property
    def known(self) -> bool:
        """Whether anybody is there who could know of memberships."""
        return bool(self._static) or self._ufm is not None

    def of(self, port_guid: str, since: float) -> tuple[Member, ...]:
        """Return a port's memberships, at once; none where nobody knows.

        `since`, on the clock, is when the port came to its present owner: what UFM was asked before that may
        have been about somebody else, and is not told.
        """
        if (static := self._static.get(port_guid)) is not None:
            return static
        if self._ufm is None:
            return ()
        try:
            answer, age, _ = self._ufm.current()
        except SourceError:
            return ()  # the reason is the business of the source `ufm`
        if self._clock() - age < since:
            return ()
        return tuple(self._named(member) for member in answer.of(port_guid))

    def _named(self, member: Member) -> Member:
        """Return the membership with the name that the configuration gives to its partition."""
        name = self._names.get(member.partition, member.name)
        return member if name == member.name else replace(member, name=name)
