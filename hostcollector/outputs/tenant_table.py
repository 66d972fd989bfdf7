"""What tenants see, as text: tables for people, JSON for programs, and the allow-list of the tenant store.

All of it follows from the column `tenant` of the catalogue.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby

from hostcollector.base.model import TENANT_LABELS, Metric, Neighbours, TenantView
from hostcollector.catalogue import ALL, OF_TENANTS
from hostcollector.catalogue.vm_labels import LABELS, LONGEST_VALUE, MOST_SERIES
from hostcollector.outputs.metrics_table import section

_PREFACE = (
    "# Metrics of tenants",
    "",
    "Written by `hostcollector metrics --tenant --format markdown`; not to be edited by hand.",
    "These are all the metrics of the tenant page, `/tenants/metrics`; `docs/tenant-page.md` explains it.",
    f"Every series has the labels {' and '.join(f'`{name}`' for name in TENANT_LABELS)} (the VM's UUID).",
    "",
    "*Neighbours* is how strongly a value moves with other VMs of the host.",
    "A *strong* one is shown once a minute, in whole steps.",
)
_STRENGTH = (Neighbours.NONE, Neighbours.WEAK, Neighbours.STRONG)


class TenantFormat(StrEnum):
    """How the rows of tenants are written. `RELABEL` is a list of relabelling rules for vmagent."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    RELABEL = "relabel"


def render(form: TenantFormat) -> str:
    """Return all rows of tenants in `form`, with a line break at the end."""
    writers: Mapping[TenantFormat, Callable[[], Iterator[str]]] = {
        TenantFormat.TABLE: _plain,
        TenantFormat.JSON: _json,
        TenantFormat.MARKDOWN: _markdown,
        TenantFormat.RELABEL: _relabel,
    }
    return "\n".join(writers[form]()) + "\n"


def views_of(family: Metric) -> list[tuple[Metric, TenantView]]:
    """Return the operator's rows that a row of tenants is made from, each with its view."""
    return [(row, row.tenant) for row in ALL if row.tenant is not None and row.tenant.family is family]


def neighbours_of(family: Metric) -> Neighbours:
    """Return how strongly the family moves with neighbours: as the strongest of its rows."""
    return max(
        (view.neighbours for _, view in views_of(family)), key=_STRENGTH.index, default=Neighbours.NONE
    )


def _step(family: Metric) -> float:
    return max((view.step for _, view in views_of(family)), default=0.0)


def _plain() -> Iterator[str]:
    for family in OF_TENANTS:
        yield f"{family.name}{{{','.join(family.label_names)}}}"
        yield f"    {family.kind}. {family.help} {family.note}".rstrip()


def _json() -> Iterator[str]:
    metrics = [
        {
            "name": family.name,
            "type": str(family.kind),
            "unit": family.unit,
            "labels": list(family.label_names),
            "range": family.can_be.text,
            "neighbours": str(neighbours_of(family)),
            "step": _step(family),
            "help": family.help,
            "note": family.note,
        }
        for family in OF_TENANTS
    ]
    rules = {"labels": LABELS, "longest_value": LONGEST_VALUE, "most_series": MOST_SERIES}
    yield json.dumps({"metrics": metrics, **rules}, indent=2)


def _markdown() -> Iterator[str]:
    yield from _PREFACE
    for title, group in groupby(OF_TENANTS, key=_subject):
        yield from section(
            title, ("Name", "Type", "Labels", "Neighbours", "Made from", "Meaning"), map(_cells, group)
        )
    values = [(f"`{name}`", f"`{pattern}`") for name, pattern in LABELS.items()]
    yield from section("Values of labels", ("Label", "Whole value"), values)
    yield ""
    yield (
        f"A value has at most {LONGEST_VALUE} characters, and a metric at most {MOST_SERIES} series for each "
        "VM. Series beyond these rules are left out and counted."
    )


def _subject(family: Metric) -> str:
    first = family.name.split("_")[1]
    return {
        "cpu": "Processors",
        "memory": "Memory",
        "disk": "Disks",
        "network": "Network",
        "gpu": "GPUs",
    }.get(first, "The VM")


def _cells(family: Metric) -> Sequence[str]:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    step = f", steps of {_step(family):g}" if _step(family) else ""
    sources = ", ".join(f"`{row.name}`" for row, _ in views_of(family)) or "the VM's definition"
    meaning = f"{family.help} {family.note}".rstrip()
    return f"`{family.name}`", str(family.kind), labels, f"{neighbours_of(family)}{step}", sources, meaning


def _relabel() -> Iterator[str]:
    """Yield the allow-list: the last rules before the store (`-remoteWrite.urlRelabelConfig`).

    Prometheus and vmagent match whole values, and take a missing label for an empty one.
    """
    yield "# Written by `hostcollector metrics --tenant --format relabel`: nothing else reaches the store."
    yield from _keep("__name__", "|".join(family.name for family in OF_TENANTS))
    for name, pattern in LABELS.items():
        yield from _keep(name, pattern if name in TENANT_LABELS else f"({pattern})?")
    yield from ("- action: labelkeep", f"  regex: {_quoted('|'.join(('__name__', *LABELS)))}")


def _keep(label: str, pattern: str) -> Iterator[str]:
    yield from ("- action: keep", f"  source_labels: [{label}]", f"  regex: {_quoted(pattern)}")


def _quoted(pattern: str) -> str:
    return "'" + pattern.replace("'", "''") + "'"
