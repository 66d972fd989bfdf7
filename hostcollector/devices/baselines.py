"""What reusable hardware's counters stood at when their present owner took over.

A VF's or a GPU's counters survive a change of tenant. So each owner is shown the difference to what they
stood at when it came; the record of that is kept on disk, so that a restart of the collector changes nothing.
Knows devices and owners as opaque names; whose they are is the business of the sources.
"""

import time
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from hostcollector.base.lanes import Clock
from hostcollector.devices.baseline_record import Record
from hostcollector.devices.baselines_file import FILE_NAME, form
from hostcollector.devices.kept_record import PATIENCE_SECONDS, KeptRecord, KeptStatus

__all__ = ["FILE_NAME", "Baselines", "boot_of"]


def boot_of(root: Path) -> str:
    """Return what tells this boot of the host from every other one (random(4): boot_id); may be empty."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def same_stay(known: str, now: str) -> bool:
    """Whether two names of a stay can be the same one: the longer one says more, after another slash.

    When a guest's QEMU started is not always known, and not knowing it makes no other owner.
    """
    return known == now or known.startswith(f"{now}/") or now.startswith(f"{known}/")


class Baselines:
    """Counters relative to their owner's start. Safe to use from several threads.

    `directory` holds the record and is read at the first use; `root` is where the host's ``/proc`` lies.
    Records of another boot are not believed: no owner outlives the host's boot, and the hardware may have
    counted for others meanwhile. Where `writes` is False (a collection by hand, beside a daemon) the record
    on disk stays as it is. `patience` is for how many seconds the disk is waited for.
    `clock` gives seconds since the host's boot.
    """

    def __init__(
        self,
        directory: Path,
        root: Path = Path("/"),
        *,
        writes: bool = True,
        patience: float = PATIENCE_SECONDS,
        clock: Clock = time.monotonic,
    ) -> None:
        self._clock = clock
        self._kept = KeptRecord(directory, form(partial(boot_of, root)), writes=writes, patience=patience)

    def relative(
        self,
        device: str,
        owner: str,
        counters: Mapping[str, int],
        fastest: Mapping[str, float] = MappingProxyType({}),
    ) -> Mapping[str, float]:
        """Return what `owner` has used of `device` so far, by the device's raw `counters`.

        0 for an owner that was not there before, and for a counter met for the first time. A counter whose
        reading cannot be believed is NaN (see `Record.read_off`), so that it is left off the page, counted
        and noted. `fastest` is by how much a raw counter grows in a second at most. The answer is empty as
        long as the disk has not given the record. `owner` has to differ for every stay: a guest that comes
        back after another one is a new owner. It may grow by parts (see `same_stay`): while
        less of it is known than before there is no answer.
        """
        with self._kept.entries() as records:
            if records is None:
                return {}
            record = records.get(device)
            if record is None or not same_stay(record.owner, owner):
                record = records[device] = record.taken_over(owner) if record else Record(owner)
                self._kept.changed()
            elif len(owner) > len(record.owner):
                record.owner = owner
                self._kept.changed()
            elif len(owner) < len(record.owner):
                return {}  # it may be another stay than the recorded one
            values, moved = record.read_off(counters, self._clock(), fastest)
            if moved:
                self._kept.changed()
            return values

    def retain(self, prefix: str, devices: Collection[str]) -> None:
        """Forget the devices whose names start with `prefix` and that are not in `devices` any more."""
        with self._kept.entries() as records:
            gone = [device for device in records or () if device.startswith(prefix) and device not in devices]
            if records is None or not gone:
                return
            for device in gone:
                del records[device]
            self._kept.changed()

    def flush(self) -> None:
        """Write what changed, if anything did; a disk that hangs holds up nobody."""
        self._kept.flush()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what could not be read or written, each a sentence with its consequence."""
        return self._kept.problems

    @property
    def status(self) -> KeptStatus:
        """Return how the keeping fares, without waiting for anything."""
        return self._kept.status
