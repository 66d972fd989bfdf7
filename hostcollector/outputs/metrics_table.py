"""The catalogue as text: a table for a terminal, JSON for programs, Markdown for METRICS.md."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import ModuleType

from hostcollector.base.model import Metric
from hostcollector.catalogue import SUBJECTS, rows_of
from hostcollector.catalogue.left_out import PEER_METRICS
from hostcollector.catalogue.libvirt_fields import FIELDS

_PREFACE = (
    "# Metrics",
    "",
    "Written by `hostcollector metrics --format markdown` from the catalogue; not to be edited by hand.",
    "Traffic is from the guest's point of view. What could not be read is absent, and never 0.",
    "A value out of its range is left out, counted in `hostcollector_implausible_values_total` and noted.",
)
_BAR = "\\|"


class TableFormat(StrEnum):
    """How the catalogue is written."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def render(form: TableFormat) -> str:
    """Return the whole catalogue in `form`, with a line break at the end."""
    writers: Mapping[TableFormat, Callable[[], Iterator[str]]] = {
        TableFormat.TABLE: _plain,
        TableFormat.JSON: _json,
        TableFormat.MARKDOWN: _markdown,
    }
    return "\n".join(writers[form]()) + "\n"


def _title(subject: ModuleType) -> str:
    first = (subject.__doc__ or "").partition("\n")[0].removeprefix("Rows about ").rstrip(".")
    return first[:1].upper() + first[1:]


def _plain() -> Iterator[str]:
    for number, subject in enumerate(SUBJECTS):
        yield from ("",) if number else ()
        yield f"{_title(subject)}:"
        for row in rows_of(subject):
            labels = f"{{{','.join(row.label_names)}}}" if row.label_names else ""
            yield f"  {row.name}{labels}"
            yield f"      {row.kind} from {row.source}. {row.help} {row.note}".rstrip()


def _json() -> Iterator[str]:
    rows = [_fields(row, subject) for subject in SUBJECTS for row in rows_of(subject)]
    yield json.dumps(rows, indent=2)


def _fields(row: Metric, subject: ModuleType) -> dict[str, object]:
    return {
        "subject": _title(subject),
        "name": row.name,
        "type": str(row.kind),
        "unit": row.unit,
        "labels": list(row.label_names),
        "range": row.can_be.text,
        "source": row.source,
        "tenants_see": row.tenant.family.name if row.tenant else "",
        "stability": row.stability,
        "help": row.help,
        "note": row.note,
    }


def _markdown() -> Iterator[str]:
    yield from _PREFACE
    for subject in SUBJECTS:
        rows = [_cells(row) for row in rows_of(subject)]
        yield from section(
            _title(subject),
            ("Name", "Type", "Unit", "Labels", "Range", "Source", "Tenants see", "Meaning"),
            rows,
        )
    peers = [(f"`{name}`", reason) for name, reason in PEER_METRICS.items()]
    yield from section("Left out: names of other exporters", ("Name", "Reason"), peers)
    fields = [(f"`{field.pattern}`", field.reason) for field in FIELDS if field.metric is None]
    yield from section("Left out: statistics fields of libvirt", ("Field", "Reason"), fields)


def section(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown under its title."""
    yield from ("", f"## {title}", "")
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', _BAR) for cell in row)} |"


def _cells(row: Metric) -> Sequence[str]:
    meaning = f"{row.help} {row.note}".rstrip()
    if row.stability != "stable":
        meaning += f" ({row.stability})"
    if row.switch:
        meaning += f" `series.{row.switch}: false` leaves it out."
    labels = ", ".join(f"`{label}`" for label in row.label_names)
    seen = f"`{row.tenant.family.name}`" if row.tenant else ""
    return f"`{row.name}`", str(row.kind), row.unit, labels, row.can_be.text, row.source, seen, meaning
