"""What reusable hardware's counters stood at when their present owner took over.

A VF's or a GPU's counters survive a change of tenant. So each owner is shown the difference to what they
stood at when it came; the record of that is kept on disk, so that a restart of the collector changes nothing.
Knows devices and owners as opaque names; whose they are is the business of the sources.
"""

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hostcollector.baselines.file import BaselineFile
from hostcollector.baselines.record import Record
from hostcollector.errors import StateError
from hostcollector.lanes import Lane

__all__ = ["FILE_NAME", "Baselines", "BaselinesStatus", "boot_of"]

FILE_NAME = "baselines.json"
PATIENCE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselinesStatus:
    """How the keeping of baselines fares: devices on record, whether the disk lacks some, failures so far."""

    records: int
    unsaved: bool
    read_errors: int
    write_errors: int


def boot_of(root: Path) -> str:
    """Return what tells this boot of the host from every other one (random(4): boot_id); may be empty."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Baselines:
    """Counters relative to their owner's start. Safe to use from several threads.

    `directory` holds the record and is read at the first use; `root` is where the host's ``/proc`` lies.
    Records of another boot are not believed: no owner outlives the host's boot, and the hardware may have
    counted for others meanwhile. `patience` is for how many seconds a flush waits for the disk.
    """

    def __init__(
        self, directory: Path, root: Path = Path("/"), *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._file = BaselineFile(directory / FILE_NAME, partial(boot_of, root))
        self._patience = patience
        self._lane = Lane("baselines")
        self._lock = threading.Lock()
        self._records: dict[str, Record] | None = None
        self._changes = self._saved = 0
        self._read_errors = self._write_errors = 0
        self._read_problem = self._write_problem = ""

    def relative(self, device: str, owner: str, counters: Mapping[str, int]) -> Mapping[str, int]:
        """Return what `owner` has used of `device` so far, by the device's raw `counters`.

        0 for an owner that was not there before, and for a counter met for the first time. A counter that
        goes back starts at 0 again; one whose reading cannot be believed is missing from the answer. `owner`
        has to differ for every stay: a guest that comes back after somebody else is a new owner.
        """
        with self._lock:
            records = self._loaded()
            record = records.get(device)
            if record is None or record.owner != owner:
                record = records[device] = record.taken_over(owner) if record else Record(owner)
                self._changes += 1
            values, changed = record.read_off(counters)
            self._changes += changed
            return values

    def retain(self, prefix: str, devices: Collection[str]) -> None:
        """Forget the devices whose names start with `prefix` and that are not in `devices` any more."""
        with self._lock:
            records = self._loaded()
            gone = [device for device in records if device.startswith(prefix) and device not in devices]
            for device in gone:
                del records[device]
            self._changes += bool(gone)

    def flush(self) -> None:
        """Write what changed, if anything did, and wait for the disk at most for `patience`.

        A disk that hangs holds up nobody: the next flush tries again. Failures show in `problems`.
        """
        with self._lock:
            if self._changes == self._saved or self._lane.busy:
                return
            writing = self._lane.submit(self._write)
        wait([writing], timeout=self._patience)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what could not be read or written, each a sentence with its consequence."""
        with self._lock:
            return tuple(filter(None, (self._read_problem, self._write_problem)))

    @property
    def status(self) -> BaselinesStatus:
        """Return how the keeping fares."""
        with self._lock:
            return BaselinesStatus(
                records=len(self._records or ()),
                unsaved=self._changes != self._saved,
                read_errors=self._read_errors,
                write_errors=self._write_errors,
            )

    def _loaded(self) -> dict[str, Record]:
        if self._records is None:
            try:
                self._records = self._file.load()
            except StateError as error:
                self._records = {}
                self._read_errors += 1
                self._read_problem = f"{error}: the counters of reused hardware started at 0"
        return self._records

    def _write(self) -> None:
        with self._lock:
            changes = self._changes
            records = {device: _copy(record) for device, record in self._loaded().items()}
        try:
            self._file.save(records)
        except StateError as error:
            problem = f"{error}: the counters of reused hardware will start at 0 after a restart"
        else:
            problem = ""
        with self._lock:
            self._write_problem = problem
            self._write_errors += bool(problem)
            if not problem:
                self._saved = changes


def _copy(record: Record) -> Record:
    return Record(record.owner, dict(record.baseline))
