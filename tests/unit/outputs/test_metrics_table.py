"""The catalogue as text."""

import importlib.resources
import json
import re

import pytest

from hostcollector import catalogue
from hostcollector.catalogue.left_out import PEER_METRICS
from hostcollector.catalogue.libvirt_fields import FIELDS
from hostcollector.outputs.metrics_table import TableFormat, render


def sections() -> dict[str, list[list[str]]]:
    """Return the Markdown's tables by heading, each as rows of cells with the heads first."""
    tables: dict[str, list[list[str]]] = {}
    for part in render(TableFormat.MARKDOWN).split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        lines = [line for line in text.splitlines() if line]
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        tables[title] = [cells[0], *cells[2:]]
    return tables


def test_json_has_every_row() -> None:
    """The JSON is a list with every metric of the catalogue, sorted, with all that a program needs."""
    rows = json.loads(render(TableFormat.JSON))
    assert [row["name"] for row in rows] == [row.name for row in catalogue.ALL]
    assert [tuple(row["labels"]) for row in rows] == [row.label_names for row in catalogue.ALL]
    assert all(row["type"] and row["source"] and row["help"] and row["subject"] for row in rows)


def test_the_table_names_every_metric_with_its_labels() -> None:
    """Each metric is on a line of its own, written as its series are, with its meaning below."""
    lines = render(TableFormat.TABLE).splitlines()
    for row in catalogue.ALL:
        labels = f"{{{','.join(row.label_names)}}}" if row.label_names else ""
        place = lines.index(f"  {row.name}{labels}")
        assert row.help in lines[place + 1]


def test_markdown_has_a_table_per_subject() -> None:
    """Each subject's table has all its rows, with every label, unit, range, source, help and note."""
    tables = list(sections().values())
    for subject, table in zip(catalogue.SUBJECTS, tables, strict=False):
        assert table[0] == ["Name", "Type", "Unit", "Labels", "Range", "Source", "Tenants see", "Meaning"]
        for row, cells in zip(catalogue.rows_of(subject), table[1:], strict=True):
            labels = ", ".join(f"`{label}`" for label in row.label_names)
            assert cells[:4] == [f"`{row.name}`", row.kind.value, row.unit, labels]
            assert cells[4:6] == [row.can_be.text, row.source]
            assert cells[6] == (f"`{row.tenant.family.name}`" if row.tenant else "")
            assert cells[7].replace("\\|", "|").startswith(f"{row.help} {row.note}".rstrip())


def test_markdown_names_what_is_left_out() -> None:
    """Names of other exporters and fields of libvirt that have no row are listed with their reasons."""
    peers, fields = list(sections().values())[-2:]
    assert [name for name, _ in peers[1:]] == [f"`{name}`" for name in PEER_METRICS]
    assert [name for name, _ in fields[1:]] == [f"`{field.pattern}`" for field in FIELDS if not field.metric]
    assert all(reason for _, reason in peers + fields)


@pytest.mark.parametrize("form", TableFormat)
def test_text_ends_with_one_line_break(form: TableFormat) -> None:
    """Each form is a text file as it is."""
    text = render(form)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_metrics_md_is_up_to_date() -> None:
    """METRICS.md in the package is what `hostcollector metrics --format markdown` prints."""
    written = importlib.resources.files("hostcollector").joinpath("METRICS.md").read_text(encoding="utf-8")
    fix = "run: hostcollector metrics --format markdown > hostcollector/METRICS.md"
    assert written == render(TableFormat.MARKDOWN), fix
