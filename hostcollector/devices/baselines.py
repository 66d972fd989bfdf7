"""Baselines: the counters of reused hardware at the moment when their present owner got it.

The counters of a VF or a GPU survive a change of tenant. So each owner is shown the difference to the
baseline. The record of baselines is kept on disk: a restart of the collector changes no counter. Devices and
owners are opaque names here; the sources decide them.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hostcollector.base.lanes import Clock
from hostcollector.devices.baseline_record import Record
from hostcollector.devices.kept_record import PATIENCE_SECONDS, Form, KeptRecord, KeptStatus

FILE_NAME = "baselines.json"
VERSION = 1
_HAD = "had/"


def boot_of(root: Path) -> str:
    """Return the id of this boot of the host (random(4): boot_id); empty where it cannot be read."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def same_stay(known: str, now: str) -> bool:
    """Whether two names can be the same stay: equal, or one is the other with more parts after a slash.

    The start of a guest's QEMU is not always known; a name without it means the same owner.
    """
    return known == now or known.startswith(f"{now}/") or now.startswith(f"{known}/")


class Baselines:
    """Counters relative to their owner's start. Safe to use from several threads.

    - `directory` holds the record, which is read at the first use. `root` has the host's ``/proc``.
    - Records of another boot are ignored: owners end with the boot, and others may have used the hardware.
    - With `writes` False (a collection by hand, beside a daemon) the record on disk is not changed.
    - `patience` is the longest wait for the disk in seconds; `clock` gives seconds since the host's boot.
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
        """Return the part of the device's raw `counters` that belongs to `owner`.

        - 0 for a new owner, and for a counter read for the first time.
        - NaN for an implausible reading (see `Record.read_off`): it is left off the page, counted and noted.
        - Empty until the disk has given the record, and while less of `owner` is known than was recorded.

        `owner` names one stay (see `same_stay`): a guest that comes back after another one is a new owner.
        `fastest` is the most that each raw counter grows in a second.
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
                return {}  # perhaps another stay than the recorded one
            values, moved = record.read_off(counters, self._clock(), fastest)
            if moved:
                self._kept.changed()
            return values

    def had(self, device: str, owner: str, parts: Collection[str]) -> frozenset[str] | None:
        """Note that `owner` has these parts of the device now, and return all that it has had in its stay.

        None until the disk has given the record, and while less of `owner` is known than was recorded. A part
        is kept as a counter that is always 1.
        """
        noted = {f"{_HAD}{part}": 1 for part in parts}
        if len(self.relative(device, owner, noted)) < len(noted):
            return None
        with self._kept.entries() as records:
            record = (records or {}).get(device)
            if record is None or not same_stay(record.owner, owner):
                return None
            return frozenset(name.removeprefix(_HAD) for name in record.baseline if name.startswith(_HAD))

    def retain(self, prefix: str, devices: Collection[str]) -> None:
        """Forget the devices whose names start with `prefix` and that are not in `devices`."""
        with self._kept.entries() as records:
            gone = [device for device in records or () if device.startswith(prefix) and device not in devices]
            if records is None or not gone:
                return
            for device in gone:
                del records[device]
            self._kept.changed()

    def flush(self) -> None:
        """Write the changes, if there are any; a disk that hangs delays only this thread, by `patience`."""
        self._kept.flush()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the failed reads and writes, each a sentence with its consequence."""
        return self._kept.problems

    @property
    def status(self) -> KeptStatus:
        """Return the state of the record, without waiting for the disk."""
        return self._kept.status


def form(boot: Callable[[], str]) -> Form[Record]:
    """Return the form of the document with the records by device. `boot` returns the id of this boot.

    Records of another boot are left out: owners end with their boot.
    """

    def write(records: Mapping[str, Record]) -> dict[str, Any]:
        entries = [
            {"device": device, "owner": record.owner, "counters": dict(record.baseline)}
            for device, record in records.items()
        ]
        return {"boot": boot(), "records": entries}

    def read(document: Mapping[str, Any]) -> Iterable[tuple[str, Record] | None]:
        recorded, entries = document.get("boot"), document.get("records")
        if isinstance(recorded, str) and isinstance(entries, list):
            read = [*map(_entry, entries)]
            return read if recorded == boot() or None in read else ()
        raise ValueError("no boot or no records")

    return Form(
        name=FILE_NAME,
        version=VERSION,
        write=write,
        read=read,
        unread="the counters of reused hardware are unknown or started at 0",
        unwritten="the counters of reused hardware will start at 0 after a restart",
    )


def _entry(entry: object) -> tuple[str, Record] | None:
    match entry:
        case {"device": str(device), "owner": str(owner), "counters": dict(counters)} if all(
            type(raw) is int and raw >= 0 for raw in counters.values()
        ):
            return device, Record.restored(owner, counters)
    return None
