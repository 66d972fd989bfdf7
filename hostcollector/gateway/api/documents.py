"""Documents of the typed API, made of what the store answers. Long ones take seconds: threads make them."""

import csv
import io
import json
import math
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields
from typing import Any

from hostcollector.base.model import Metric
from hostcollector.gateway.api.types import MetricDescription, Series, SeriesAnswer, Vm, VmList
from hostcollector.gateway.reply import Reply

_HIDDEN = frozenset({"__name__", "tenant", "vm"})


@dataclass(frozen=True, slots=True)
class Overview:
    """VMs in sequence, and the time of the newest sample of a state in Unix seconds."""

    vms: list[Vm]
    until: float | None


Shown = list[tuple[dict[str, str], float]]
"""Labels and present values of an expression."""


def shown_of(own: Collection[str], data: Any) -> Shown:
    """Return what a vector has of the VMs in `own`, or of all if that is empty."""
    return [
        (one["metric"], value)
        for one in data["result"]
        if (not own or one["metric"].get("vm", "") in own) and math.isfinite(value := float(one["value"][1]))
    ]


def overview_of(states: Shown, others: Shown, name: Callable[[str], str | None]) -> Overview:
    """Return the VMs with the newest state of each.

    A state is a series of its own, and the store gives one that has ended for some minutes more.
    """
    vms: dict[str, dict[str, Any]] = {}
    for labels, _ in sorted(states, key=lambda each: each[1]):
        vms.setdefault(labels.get("vm", ""), {"checks": {}})["state"] = labels.get("state")
    for labels, value in others:
        facts = vms.setdefault(labels.get("vm", ""), {"checks": {}})
        match labels["__name__"]:
            case "vm_status_check":
                facts["checks"][labels.get("check", "")] = value == 1
            case "vm_start_time_seconds":
                facts["started_at"] = value
            case "vm_vcpus":
                facts["vcpus"] = value
    found = [
        Vm(
            id=vm,
            name=name(vm),
            state=facts.get("state"),
            started_at=facts.get("started_at"),
            vcpus=facts.get("vcpus"),
            checks=facts["checks"],
        )
        for vm, facts in sorted(vms.items())
    ]
    return Overview(found, max((at for _, at in states), default=None))


def page_of(overview: Overview, after: str, limit: int) -> Reply:
    """Return a page of at most `limit` VMs, from the first one behind the id `after`."""
    rest = [vm for vm in overview.vms if vm.id > after]
    shown, more = rest[:limit], len(rest) > limit
    cursor = urlsafe_b64encode(_padded(shown[-1].id)).decode() if more else None
    return typed_document(VmList(vms=shown, next=cursor, data_until=overview.until))


def typed_document(answer: Any) -> Reply:
    """Return a document of the typed API as JSON."""
    text = json.dumps(answer, default=_fields, separators=(",", ":"), allow_nan=False)
    return Reply(body=text.encode())


def _fields(one: Any) -> dict[str, Any]:
    """Return a document's fields; `asdict` would copy each number of a list, which takes longer than JSON."""
    return {field.name: getattr(one, field.name) for field in fields(one)}


def description(row: Metric) -> MetricDescription:
    """Return what a metric is."""
    return MetricDescription(
        name=row.name, kind=str(row.kind), unit=row.unit, help=row.help, labels=list(row.labels)
    )


def series_answer(row: Metric, result: list[Any], *, rate: bool, step: float) -> SeriesAnswer:
    """Return a metric over time, of the series that the store gives; what is no number is left out."""
    series = [
        Series(
            labels={name: text for name, text in one["metric"].items() if name not in _HIDDEN},
            points=[[float(at), value] for at, text in one["values"] if math.isfinite(value := float(text))],
        )
        for one in result
    ]
    series.sort(key=lambda one: sorted(one.labels.items()))
    until = max((one.points[-1][0] for one in series if one.points), default=None)
    unit = f"{row.unit} per second" if rate and row.unit else row.unit
    return SeriesAnswer(metric=row.name, unit=unit, rate=rate, step=step, series=series, data_until=until)


def table(answer: SeriesAnswer) -> Reply:
    """Return the same as CSV: a line for each point, with its labels."""
    names = sorted({name for one in answer.series for name in one.labels})
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["time", *names, answer.metric])
    for row in _csv_rows(answer, names):
        writer.writerow(row)
    return Reply(headers={"Content-Type": "text/csv; charset=utf-8"}, body=text.getvalue().encode())


def _csv_rows(answer: SeriesAnswer, names: list[str]) -> Iterator[list[object]]:
    for one in answer.series:
        for at, value in one.points:
            yield [at, *(_plain_cell(one.labels.get(name, "")) for name in names), value]


def _plain_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _padded(text: str) -> bytes:
    """Return bytes whose base64 ends without a sign for missing ones."""
    return text.encode() + b" " * (-len(text.encode()) % 3)
