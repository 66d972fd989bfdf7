"""Balloon statistics: asked for when QEMU can have new ones, and the same as it has until then.

QEMU keeps the last report of the guest's driver, and asks the driver for the next one a period after it came
(`<stats period=''/>`; QEMU's hw/virtio/virtio-balloon.c). Until then every question gets the same answer, for
two of the five monitor commands that a guest's statistics cost. A change of the balloon's size, a restart of
the guest and a change of its definition are events, which make the guest another object: it is asked at once.
"""

from collections.abc import Mapping
from typing import NamedTuple

from hostcollector.base.lanes import Clock
from hostcollector.base.model import Guest
from hostcollector.protocols.libvirt.worker import Record
from hostcollector.sources.libvirt_monitor.completeness import is_partial, lacks_counters, promises_counters

# How long a driver that QEMU does not ask may take to be noticed.
UNASKED_SECONDS = 10.0


class _Kept(NamedTuple):
    guest: Guest
    fields: Record
    due_at: float


class Balloons:
    """What QEMU keeps of each guest's balloon, and from when on it can be something else."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def due(self, guests: Mapping[str, Guest]) -> frozenset[str]:
        """Return the guests to ask, and forget those that are gone.

        One without counters of a disk always is: its balloon alone tells a whole record from one of a busy
        monitor.
        """
        now = self._clock()
        self._kept = {
            uuid: kept
            for uuid, kept in self._kept.items()
            if guests.get(uuid) is kept.guest and now < kept.due_at and _tells_by_disks(kept.guest)
        }
        return frozenset(guests.keys() - self._kept.keys())

    def completed(self, guest: Guest, record: Record, taken_at: float) -> Record:
        """Return the record with the guest's balloon, which was asked for or is known to be the same."""
        uuid = guest.domain.uuid
        kept = self._kept.get(uuid)
        if kept is not None and not lacks_counters(record, guest):
            return kept.fields | record
        if not is_partial(record, guest):
            fields = {key: value for key, value in record.items() if key.startswith("balloon.")}
            self._kept[uuid] = _Kept(guest, fields, self._clock() + _same_for(guest, fields, taken_at))
        else:
            self._kept.pop(uuid, None)
        return record


def _tells_by_disks(guest: Guest) -> bool:
    return bool(guest.domain.disks) and promises_counters(guest)


def _same_for(guest: Guest, fields: Record, taken_at: float) -> float:
    """Return for how many seconds QEMU cannot get a new report."""
    period = guest.domain.balloon_period_seconds
    if not period:
        return UNASKED_SECONDS
    reported = fields.get("balloon.last-update")
    return min(max(0.0, float(reported) + period - taken_at), period) if reported else period
