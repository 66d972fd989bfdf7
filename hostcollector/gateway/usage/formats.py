"""Exports as CSV and as CloudEvents, one record in a line."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from hostcollector.catalogue.usage import METERS, SECONDS_PER_HOUR, hour_text
from hostcollector.gateway.usage.exports import ERASED, Entry, HourFinal

SOURCE = "/hostcollector/usage"
RECORD = "hostcollector.usage.record.v1"
HOUR_FINAL = "hostcollector.usage.hour_final.v1"

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that spreadsheets take for a formula (OWASP, CSV Injection)."""

Names = Callable[[str, str], str]
"""Returns the display name of a tenant's VM; empty for none."""

_FIXED = ("id", "state", "tenant", "vm", "name", "hour", "period", "life", "flavour", "ended")
_CORRECTION = ("revision", "corrects", "reason")
_SECONDS = ("observed_seconds", "unseen_seconds", "doubled_seconds", "gpu_seconds", "gpu_joules")


def record_document(entry: Entry, names: Names, *, for_operator: bool) -> dict[str, Any]:
    """Return an entry as JSON. Meters are billed ones: without what another record of the VM has too.

    Only the operator sees ledger and sequence number, since VMs with the same ledger are on the same host,
    and the author of a correction.
    """
    record = entry.record
    erased = record.vm == ERASED
    shown: dict[str, Any] = {
        "id": None if erased else record.id,
        "revision": record.revision,
        "corrects": replace(record, revision=0).id if record.revision and not erased else None,
        "reason": entry.reason or None,
        "state": str(entry.state),
        "tenant": record.tenant,
        "vm": record.vm,
        "name": names(record.tenant, record.vm) or None,
        "hour": hour_text(record.hour),
        "period": hour_text(entry.period * SECONDS_PER_HOUR),
        "life": record.life,
        "flavour": record.flavour or None,
        "ended": str(record.ended) or None,
        "running": [list(interval) for interval in record.running],
        "observed_seconds": record.observed_seconds,
        "unseen_seconds": record.unseen_seconds,
        "doubled_seconds": entry.doubled.get("running_seconds", 0),
        "gaps": [{"reason": str(gap.reason), "start": gap.start, "end": gap.end} for gap in record.gaps],
        "meters": {name: value - entry.doubled.get(name, 0) for name, value in record.meters.items()},
        "gpus": [
            {
                "model": gpu.model,
                "mode": str(gpu.mode),
                "profile": gpu.profile,
                "seconds": gpu.seconds,
                "joules": gpu.joules,
            }
            for gpu in record.gpus
        ],
        "doubled_gpu_seconds": entry.doubled_gpu_seconds,
    }
    if for_operator:
        shown |= {"ledger": record.ledger, "sequence": record.sequence, "author": entry.author or None}
    return shown


def events(entries: Iterable[Entry | HourFinal], names: Names, *, for_operator: bool) -> bytes:
    """Return entries as CloudEvents 1.0 in JSON, one in a line."""
    lines = (
        _hour_event(entry)
        if isinstance(entry, HourFinal)
        else _event(entry, names, for_operator=for_operator)
        for entry in entries
    )
    return "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines).encode()


def table(entries: Iterable[Entry | HourFinal], names: Names, *, for_operator: bool) -> bytes:
    """Return the records among entries as CSV. A text that a spreadsheet takes for a formula gets a quote."""
    text = io.StringIO()
    more = ("ledger", "sequence", "author") if for_operator else ()
    writer = csv.writer(text)
    writer.writerow([*_FIXED, *_SECONDS, *METERS, *_CORRECTION, *more])
    for entry in entries:
        if isinstance(entry, Entry):
            shown = record_document(entry, names, for_operator=for_operator)
            writer.writerow([_cell(value) for value in _cells(shown, more)])
    return text.getvalue().encode()


def _cells(shown: Mapping[str, Any], more: Iterable[str]) -> list[object]:
    gpus = shown["gpus"]
    joules = [gpu["joules"] for gpu in gpus if gpu["joules"] is not None]
    seconds = sum(gpu["seconds"] for gpu in gpus) - shown["doubled_gpu_seconds"] if gpus else None
    return [
        *(shown[name] for name in _FIXED),
        *(shown[name] for name in _SECONDS[:3]),
        seconds,
        sum(joules) if joules else None,
        *(shown["meters"].get(name) for name in METERS),
        *(shown[name] for name in _CORRECTION),
        *(shown[name] for name in more),
    ]


def _cell(value: object) -> object:
    """Return a cell; None is empty, which is another thing than 0."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value


def _event(entry: Entry, names: Names, *, for_operator: bool) -> dict[str, Any]:
    data = record_document(entry, names, for_operator=for_operator)
    return {
        "specversion": "1.0",
        "id": data["id"] or f"position-{entry.position}",
        "source": SOURCE,
        "type": RECORD,
        "subject": entry.record.vm,
        "time": hour_text(entry.record.hour + SECONDS_PER_HOUR),
        "datacontenttype": "application/json",
        "data": data,
    }


def _hour_event(entry: HourFinal) -> dict[str, Any]:
    hour = hour_text(entry.hour * SECONDS_PER_HOUR)
    return {
        "specversion": "1.0",
        "id": f"final-{hour}",
        "source": SOURCE,
        "type": HOUR_FINAL,
        "subject": hour,
        "time": hour_text(entry.at),
        "datacontenttype": "application/json",
        "data": {"hour": hour},
    }
