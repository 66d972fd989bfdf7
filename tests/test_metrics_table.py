"""The catalogue as text."""

import json

from hostcollector.catalogue import ALL
from hostcollector.metrics_table import TableFormat, render


def test_json_has_every_row() -> None:
    """The JSON is a list with every metric of the catalogue, in order, with all that a program needs."""
    rows = json.loads(render(TableFormat.JSON))
    assert [row["name"] for row in rows] == [row.name for row in ALL]
    assert [tuple(row["labels"]) for row in rows] == [row.label_names for row in ALL]
    assert all(row["type"] and row["source"] and row["help"] for row in rows)


def test_the_table_names_every_metric_with_its_labels() -> None:
    """Each metric stands on a line of its own, written as its series are, with its meaning below."""
    lines = render(TableFormat.TABLE).splitlines()
    for row in ALL:
        labels = f"{{{','.join(row.label_names)}}}" if row.label_names else ""
        place = lines.index(f"  {row.name}{labels}")
        assert row.help in lines[place + 1]


def test_markdown_has_one_table_row_per_metric() -> None:
    """METRICS.md has a five-column row for each metric; no help text breaks a column."""
    text = render(TableFormat.MARKDOWN)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(ALL)
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)
    assert text.endswith("|\n")
