"""Which InfiniBand partitions a port is in: membership lives in the subnet manager, not on the hypervisor.

The configuration decides for the ports that it names; NVIDIA's UFM, where configured, for all others.
"""

import time
from collections.abc import Iterable
from dataclasses import replace

from hostcollector.base.errors import SourceError
from hostcollector.base.lanes import Clock
from hostcollector.config.services import PartitionSettings
from hostcollector.protocols.ufm import Member, Membership, Origin, UfmClient


class Partitions:
    """Memberships of ports by GUID. `ufm` is None if not configured; its source starts and closes it."""

    def __init__(
        self,
        configured: Iterable[PartitionSettings] = (),
        ufm: UfmClient | None = None,
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
        """Whether memberships are configured, or UFM is."""
        return bool(self._static) or self._ufm is not None

    def of(self, port_guid: str, since: float) -> tuple[Member, ...]:
        """Return a port's memberships, without waiting; empty where they are not known.

        `since`, on the clock, is when the port came to its present owner. UFM's answers from before may be
        about an earlier owner, and are left out.
        """
        if (static := self._static.get(port_guid)) is not None:
            return static
        if self._ufm is None:
            return ()
        try:
            answer, age, _ = self._ufm.current()
        except SourceError:
            return ()  # the source `ufm` shows the reason
        if self._clock() - age < since:
            return ()
        return tuple(self._named(member) for member in answer.of(port_guid))

    def _named(self, member: Member) -> Member:
        """Return the membership with the name that the configuration gives to its partition."""
        name = self._names.get(member.partition, member.name)
        return member if name == member.name else replace(member, name=name)
