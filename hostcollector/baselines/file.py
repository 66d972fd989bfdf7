"""The file of baselines: one JSON document. What is found there is checked before it is believed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from hostcollector.baselines.record import Record
from hostcollector.state_file import StateFile

VERSION = 1


class BaselineFile:
    """The document at `path`. `boot` tells one boot of the host from another: owners end with their boot."""

    def __init__(self, path: Path, boot: Callable[[], str]) -> None:
        self.path = path
        self._file = StateFile(path)
        self._boot = boot

    def load(self) -> dict[str, Record]:
        """Return the records by device; none when there is no file or it is of another boot.

        Raises `StateError` when the file cannot be read or believed; it is then set aside.
        """
        text = self._file.read()
        if text is None:
            return {}
        try:
            boot, records = _parsed(text)
        except (ValueError, RecursionError) as error:
            raise self._file.damaged(error) from error
        return records if boot == self._boot() else {}

    def save(self, records: Mapping[str, Record]) -> None:
        """Replace the document. Raises `StateError` when that is not possible; the old one then stands."""
        self._file.replace(self.document(records))

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
