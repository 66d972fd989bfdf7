"""A board as a value, and how it becomes a dashboard of Grafana (classic JSON, schema version 42)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableType,
)

from dashboards.src.annotations import annotations
from dashboards.src.drawing import drawn
from dashboards.src.links import node_board
from dashboards.src.panels import Input, Panel, Row, Top
from dashboards.src.variables import ONE_HOST, Scope, variables

PREFIX = "hostcollector-"
TAG = "hostcollector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard: which question it answers, what it is about, its rows, and the numbers that its reader types."""

    name: str
    title: str
    description: str
    scope: Scope
    rows: tuple[Row, ...]
    inputs: tuple[Input, ...] = ()

    @property
    def uid(self) -> str:
        """The stable UID, by which links and bookmarks find it."""
        return PREFIX + self.name

    @property
    def tops(self) -> tuple[Top, ...]:
        """What the graphs select by, each once."""
        panels = (panel for row in self.rows for panel in row.panels if isinstance(panel, Panel))
        return tuple(dict.fromkeys(panel.top for panel in panels if panel.top))


def build(board: Board) -> Dashboard:
    """Return the dashboard."""
    made = (
        grafana.Dashboard(f"hostcollector / {board.title}")
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .readonly()
        .timezone("utc")
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(_menu())
    )
    if board.scope in ONE_HOST:
        made.link(
            grafana.DashboardLink("node_exporter").type(DashboardLinkType.LINK).url(node_board("$instance"))
        )
    for variable in variables(board.scope, board.inputs, board.tops):
        made.with_variable(variable)
    for annotation in annotations(board.scope):
        made.annotation(annotation)
    numbers = count(1)
    for row in board.rows:
        _add(made, row, numbers)
    built = made.build()
    # What the builders preset hides menu and switches behind one more click.
    for visible in (*(built.links or ()), *(built.annotations.list_val or ())):
        visible.placement = None
    for each in built.templating.list_val or ():
        if each.type_val is VariableType.CONSTANT:
            each.hide = VariableHide.HIDE_VARIABLE
    return built


def _add(made: grafana.Dashboard, row: Row, numbers: Iterator[int]) -> None:
    heading = grafana.Row(row.title).id(next(numbers))
    panels = [drawn(panel).id(next(numbers)) for panel in row.panels]
    if row.folded:
        for panel in panels:
            heading.with_panel(panel)
    made.with_row(heading)
    if not row.folded:
        for panel in panels:
            made.with_panel(panel)


def _menu() -> grafana.DashboardLink:
    """Return the menu of all boards, which takes time range and variables along."""
    return (
        grafana.DashboardLink("hostcollector")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(as_dropdown=True)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )
