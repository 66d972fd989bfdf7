"""The document of baselines. What is found there is checked before it is believed."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hostcollector.devices.baseline_record import Record
from hostcollector.devices.kept_record import Form

FILE_NAME = "baselines.json"
VERSION = 1


def form(boot: Callable[[], str]) -> Form[Record]:
    """Return how records by device are written. `boot` tells one boot of the host from another.

    Records of another boot are none: owners end with their boot.
    """

    def write(records: Mapping[str, Record]) -> dict[str, Any]:
        entries = [
            {"device": device, "owner": record.owner, "counters": dict(record.baseline)}
            for device, record in records.items()
        ]
        return {"boot": boot(), "records": entries}

    def read(document: Mapping[str, Any]) -> Iterable[tuple[str, Record] | None]:
        told, entries = document.get("boot"), document.get("records")
        if isinstance(told, str) and isinstance(entries, list):
            read = [*map(_entry, entries)]
            return read if told == boot() or None in read else ()
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
