"""The catalogue as text: a table for a terminal, JSON for programs, Markdown for METRICS.md."""

import json
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from types import ModuleType

from hostcollector.catalogue import SUBJECTS
from hostcollector.model import Metric


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


def _rows(subject: ModuleType) -> list[Metric]:
    """Return a subject's rows in the order of its file."""
    found: list[Metric] = []
    for value in vars(subject).values():
        rows = value.values() if isinstance(value, dict) else (value,)
        found.extend(row for row in rows if isinstance(row, Metric))
    return found


def _title(subject: ModuleType) -> str:
    first = (subject.__doc__ or "").partition("\n")[0].removeprefix("Rows about ").rstrip(".")
    return first[:1].upper() + first[1:]


def _plain() -> Iterator[str]:
    for subject in SUBJECTS:
        yield f"{_title(subject)}:"
        for row in _rows(subject):
            labels = f"{{{','.join(row.label_names)}}}" if row.label_names else ""
            yield f"  {row.name}{labels}"
            yield f"      {row.kind} from {row.source}. {row.help}"
        yield ""


def _json() -> Iterator[str]:
    rows = [_fields(row) for subject in SUBJECTS for row in _rows(subject)]
    yield json.dumps(rows, indent=2)


def _fields(row: Metric) -> dict[str, object]:
    return {
        "name": row.name,
        "type": str(row.kind),
        "unit": row.unit,
        "labels": list(row.label_names),
        "source": row.source,
        "stability": row.stability,
        "help": row.help,
        "note": row.note,
    }


def _markdown() -> Iterator[str]:
    yield "# Metrics"
    yield ""
    yield "Written by `hostcollector metrics --format markdown` from the catalogue; not to be edited by hand."
    yield "Every series of a guest carries the labels `tenant`, `domain` and `uuid` besides those named here."
    for subject in SUBJECTS:
        yield ""
        yield f"## {_title(subject)}"
        yield ""
        yield "| Name | Type | Labels | Source | Meaning |"
        yield "|---|---|---|---|---|"
        yield from map(_markdown_row, _rows(subject))


def _markdown_row(row: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in row.labels)
    meaning = " ".join(part for part in (row.help, row.note) if part).replace("|", "\\|")
    if row.stability != "stable":
        meaning += f" ({row.stability})"
    return f"| `{row.name}` | {row.kind} | {labels} | {row.source} | {meaning} |"
