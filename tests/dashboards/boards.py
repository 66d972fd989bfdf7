"""The committed boards as tests read them: panels, targets, variables, annotations."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.dashboards.rule_files import DASHBOARDS

FILES = tuple(sorted(DASHBOARDS.glob("*.json")))
Json = dict[str, Any]


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


def filled_in(expr: str, *, guest: str = ".+", interval: str = "5m", span: str = "1h") -> str:
    """Return the query as Grafana sends it with everything chosen: the variables have values."""
    values = {
        "$__rate_interval": interval,
        "$__range": span,
        "$job": ".+",
        "$region": ".*",
        "$instance": ".+",
        "$tenant": ".*",
        "$guest": guest,
    }
    for name, value in values.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr
