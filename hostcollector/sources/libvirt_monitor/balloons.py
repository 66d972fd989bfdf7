"""Balloon statistics: read when QEMU can have new ones, and kept until then.

QEMU keeps the last report of the guest's driver, and requests the next report one period later
(`<stats period=''/>`; QEMU's hw/virtio/virtio-balloon.c). Until then each reading returns the same values,
for two of the five monitor commands that a guest's statistics cost. libvirt has events for a new balloon
size, a restart of the guest and a new definition. Each makes a new `Guest` object, whose balloon is read at
once.
"""

from collections.abc import Mapping
from typing import NamedTuple

from hostcollector.base.lanes import Clock
from hostcollector.base.model import Guest
from hostcollector.protocols.libvirt.worker import Record
from hostcollector.sources.libvirt_monitor.decode import is_partial, lacks_counters, promises_counters

# How long it may take to notice a report of a driver without a period.
UNASKED_SECONDS = 10.0


class _Kept(NamedTuple):
    guest: Guest
    fields: Record
    due_at: float


class Balloons:
    """The last balloon fields of each guest, and from when on QEMU can have new ones."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def due(self, guests: Mapping[str, Guest]) -> frozenset[str]:
        """Return the guests whose balloon to read, and forget those that are gone.

        A guest without disk counters is always among them: only its balloon shows a busy monitor.
        """
        now = self._clock()
        self._kept = {
            uuid: kept
            for uuid, kept in self._kept.items()
            if guests.get(uuid) is kept.guest and now < kept.due_at and _tells_by_disks(kept.guest)
        }
        return frozenset(guests.keys() - self._kept.keys())

    def completed(self, guest: Guest, record: Record, taken_at: float) -> Record:
        """Return the record with the guest's balloon fields: those just read, or the kept ones."""
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
