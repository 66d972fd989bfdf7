"""The committed boards as tests read them: panels, targets, variables, annotations."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.dashboards.rule_files import DASHBOARDS

FILES = tuple(sorted(DASHBOARDS.glob("*.json")))
Json = dict[str, Any]
STEPS = 60
"""The steps of a table in its range, by which Grafana sets `$__interval` for it (`maxDataPoints`)."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query that a board asks: of which board, panel (or variable, annotation) and target it is.

    Titles may repeat in a board; with the row's before it they do not.
    """

    board: str
    panel: str
    target: str
    expr: str

    def __str__(self) -> str:
        return f"{self.board} / {self.panel} / {self.target}"


@cache
def boards() -> dict[str, Json]:
    """Return every board by the last part of its UID."""
    return {path.stem.removeprefix("hostcollector-"): json.loads(path.read_text()) for path in FILES}


def panels(board: Json) -> Iterator[Json]:
    """Yield the panels of a board that show something, those in folded rows too."""
    yield from (panel for _, panel in _rows(board))


def _rows(board: Json) -> Iterator[tuple[str, Json]]:
    """Yield the panels with the title of their row."""
    row = ""
    for panel in board["panels"]:
        if panel["type"] == "row":
            row = panel["title"].partition(" (")[0]
            yield from ((row, folded) for folded in panel.get("panels") or ())
        else:
            yield row, panel


def variables(board: Json) -> Iterator[Json]:
    """Yield the variables that ask Prometheus."""
    yield from (variable for variable in board["templating"]["list"] if variable["type"] == "query")


def panel_questions(name: str, board: Json) -> Iterator[Question]:
    """Yield what the panels of a board ask."""
    for row, panel in _rows(board):
        for target in panel["targets"]:
            yield Question(name, f"{row}: {panel['title']}", target["refId"], target["expr"])


def side_questions(name: str, board: Json) -> Iterator[Question]:
    """Yield what the annotations and variables of a board ask, the latter as PromQL."""
    for annotation in board["annotations"]["list"]:
        yield Question(name, f"annotation {annotation['name']}", "A", annotation["expr"])
    for variable in variables(board):
        yield Question(name, f"variable {variable['name']}", "A", asked_by(variable))


def asked_by(variable: Json) -> str:
    """Return the PromQL inside a variable's `label_values(query, label)` or `query_result(query)`."""
    text: str = variable["definition"]
    if text.startswith("query_result("):
        return text.removeprefix("query_result(").removesuffix(")")
    assert text.startswith("label_values("), text
    return text.removeprefix("label_values(").rpartition(",")[0]


def questions() -> Iterator[Question]:
    """Yield everything that all boards ask."""
    for name, board in boards().items():
        yield from panel_questions(name, board)
        yield from side_questions(name, board)


@cache
def inputs() -> dict[str, str]:
    """Return what the fields of all boards that a reader fills in have at first."""
    return {
        each["name"]: each["query"]
        for board in boards().values()
        for each in board["templating"]["list"]
        if each["type"] == "textbox"
    }


def filled_in(
    expr: str, values: Mapping[str, str] | None = None, *, interval: str = "5m", span: int = 3600
) -> str:
    """Return the query as Grafana sends it: with the values of variables, else with all of them chosen."""
    step = max(1, span // STEPS)
    of_grafana = {
        "__rate_interval": interval,
        "__interval": f"{step}s",
        "__interval_ms": str(step * 1000),
        "__range": f"{span}s",
        "__range_s": str(span),
    }
    known = {**inputs(), **(values or {}), **of_grafana}
    return re.sub(r"\$([A-Za-z_]\w*)", lambda name: known.get(name[1], ".+"), expr)
