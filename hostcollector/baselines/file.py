"""The file of baselines: one JSON document, replaced as a whole or not at all.

Written to a temporary name, synced, renamed over the old one, and the directory synced: a crash at any point
leaves the old document or the new one. What is found there is checked before it is believed.
"""

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from hostcollector.baselines.record import Record
from hostcollector.errors import StateError

VERSION = 1
UNREADABLE = ".unreadable"
"""What is appended to the name of a document that cannot be believed, when it is set aside."""


class BaselineFile:
    """The document at `path`. `boot` tells one boot of the host from another: owners end with their boot."""

    def __init__(self, path: Path, boot: Callable[[], str]) -> None:
        self.path = path
        self._boot = boot

    def load(self) -> dict[str, Record]:
        """Return the records by device; none when there is no file or it is of another boot.

        Raises `StateError` when the file cannot be read or believed; it is then set aside.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StateError(f"{self.path} cannot be read: {error.strerror}{self._set_aside()}") from error
        try:
            boot, records = _parsed(text)
        except (ValueError, RecursionError) as error:
            raise StateError(f"{self.path} is damaged: {error}{self._set_aside()}") from error
        return records if boot == self._boot() else {}

    def save(self, records: Mapping[str, Record]) -> None:
        """Replace the document. Raises `StateError` when that is not possible; the old one then stands."""
        try:
            text = self.document(records)
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                # Two processes (a daemon and a collection by hand) share the temporary name.
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._replace(text)
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise StateError(f"{self.path} cannot be written: {error.strerror}") from error

    def document(self, records: Mapping[str, Record]) -> bytes:
        """Return the document for `records` as it is written."""
        entries = [
            {"device": device, "owner": record.owner, "counters": record.baseline}
            for device, record in records.items()
        ]
        text = json.dumps(
            {"version": VERSION, "boot": self._boot(), "records": entries}, separators=(",", ":")
        )
        return text.encode()

    def _replace(self, text: bytes) -> None:
        temporary = self.path.with_name(self.path.name + ".tmp")
        try:
            with temporary.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise

    def _set_aside(self) -> str:
        """Rename the file, so that it is not overwritten; returns what became of it."""
        aside = self.path.with_name(self.path.name + UNREADABLE)
        try:
            self.path.replace(aside)
        except OSError as error:
            return f" (and not set aside: {error.strerror})"
        return f" (set aside as {aside.name})"


def _parsed(text: bytes) -> tuple[str, dict[str, Record]]:
    """Return the boot and the records of a document. Raises `ValueError` with what is wrong with it."""
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError(f"not a document of version {VERSION}")
    boot, entries = document.get("boot"), document.get("records")
    if isinstance(boot, str) and isinstance(entries, list):
        return boot, dict(map(_entry, entries))
    raise ValueError("no boot or no records")


def _entry(entry: object) -> tuple[str, Record]:
    match entry:
        case {"device": str(device), "owner": str(owner), "counters": dict(counters)} if all(
            type(raw) is int and raw >= 0 for raw in counters.values()
        ):
            return device, Record.restored(owner, counters)
    raise ValueError("a record without device, owner or plausible counters")
