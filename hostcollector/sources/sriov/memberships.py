"""The InfiniBand partitions of the guests' VFs.

A VF keeps its GUID when another guest gets it, and the fabric's manager is polled only every few minutes. So
memberships from before the present owner are not shown: they were the previous owner's.
"""

import math
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from hostcollector.base import infiniband
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Sample
from hostcollector.base.wording import counted
from hostcollector.catalogue import vf as rows
from hostcollector.devices.partitions import Partitions
from hostcollector.sources.sriov.series import Described


class _Seen(NamedTuple):
    """The last guest with a VF, None before the first one, and the time since then."""

    uuid: str | None
    since: float


class Memberships:
    """Turns memberships into series of the VFs' owners."""

    def __init__(self, partitions: Partitions, clock: Clock = time.monotonic) -> None:
        self._partitions = partitions
        self._clock = clock
        self._seen: dict[str, _Seen] | None = None

    def follow(self, addresses: Collection[str]) -> None:
        """Keep the owners of these VFs only; a VF that is new has its owner since now."""
        before, came = (self._seen, self._clock()) if self._seen is not None else ({}, -math.inf)
        self._seen = {address: before.get(address, _Seen(None, came)) for address in addresses}

    def samples(self, vfs: Sequence[Described]) -> Iterator[Sample]:
        """Yield a sample for each partition of each guest's VF. A GUID of two VFs is left out."""
        if not self._partitions.known:
            return
        ambiguous = _ambiguous(vfs)
        for vf in vfs:
            port, uuid = vf.guids[1], vf.owner.uuid
            since = self._since(vf)
            if port and uuid and port not in ambiguous:
                for member in self._partitions.of(port, since):
                    shown = (infiniband.pkey(member.partition), member.membership, member.name, member.origin)
                    yield Sample(rows.PKEY_INFO, 1.0, (*vf.labels, port, *shown), uuid)

    def note(self, vfs: Sequence[Described], gaps: Gaps) -> None:
        """Note why memberships are missing."""
        if not self._partitions.known:
            return
        for port in sorted(_ambiguous(vfs)):
            gaps.note(f"the port GUID {port} is set for more than one VF: its partitions are left out")
        nameless = sum(1 for vf in vfs if vf.ipoib and vf.owner.uuid and not vf.guids[1])
        if nameless:
            gaps.fact(
                f"{counted(nameless, 'VF')} of guests without a port GUID, whose partitions cannot be found: "
                "set it with ip link set PF vf NUMBER port_guid GUID"
            )

    def _since(self, vf: Described) -> float:
        """Return the time since when the owner has the VF, as observed.

        A guest that gets the VF back without another guest in between has had it all the time.
        """
        assert self._seen is not None
        address, uuid = vf.labels[2], vf.owner.uuid
        seen = self._seen[address]
        if seen.uuid is None:
            seen = _Seen(uuid, seen.since)
        elif uuid and uuid != seen.uuid:
            seen = _Seen(uuid, self._clock())
        self._seen[address] = seen
        return seen.since


def _ambiguous(vfs: Iterable[Described]) -> frozenset[str]:
    found = Counter(vf.guids[1] for vf in vfs if vf.guids[1])
    return frozenset(port for port, count in found.items() if count > 1)
