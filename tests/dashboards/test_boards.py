"""The boards keep the rules of Grafana's dashboard linter and the house's own for a night on call."""

import filecmp
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.boards import FILES, boards, filled_in, panel_questions, panels, variables
from tests.dashboards.promql import INCREASES, read
from tests.dashboards.rule_files import DASHBOARDS

BOARDS = boards()
each_board = pytest.mark.parametrize(("name", "board"), BOARDS.items(), ids=BOARDS)
Json = dict[str, Any]

UNITS = frozenset(
    {"short", "none", "percent", "percentunit", "s", "bytes", "Bps", "pps", "ops", "iops", "watt", "celsius"}
    | {"bool_yes_no"}
)


def test_the_committed_boards_are_what_the_source_makes(tmp_path: Path) -> None:
    """The JSON is not edited by hand: `make dashboards` writes the same again."""
    command = [sys.executable, "-W", "ignore", "-m", "dashboards.src", str(tmp_path)]
    subprocess.run(command, check=True, cwd=DASHBOARDS.parent)
    names = [path.name for path in FILES]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert filecmp.cmpfiles(DASHBOARDS, tmp_path, names, shallow=False)[0] == names


@each_board
def test_a_board_can_be_provisioned_and_found(name: str, board: Json) -> None:
    """Classic schema, stable UID, not editable, UTC, shared crosshair, a menu with time and variables."""
    assert board["schemaVersion"] == 42
    assert board["uid"] == f"hostcollector-{name}"
    assert board["editable"] is False
    assert board["timezone"] == "utc"
    assert board["graphTooltip"] == 1
    assert board["tags"] == ["hostcollector"]
    assert board["description"]
    (menu,) = board["links"]
    assert (menu["tags"], menu["includeVars"], menu["keepTime"]) == (["hostcollector"], True, True)


@each_board
def test_the_data_source_is_chosen_on_the_board(name: str, board: Json) -> None:
    """One variable for the data source, and everything asks through it."""
    source = board["templating"]["list"][0]
    assert (source["type"], source["name"], source["label"], source["query"]) == (
        "datasource",
        "datasource",
        "Data source",
        "prometheus",
    )
    polling = [*panels(board), *variables(board), *board["annotations"]["list"]]
    polling += [target for panel in panels(board) for target in panel["targets"]]
    assert {each["datasource"]["uid"] for each in polling} == {"${datasource}"}


@each_board
def test_variables_follow_the_time_range(name: str, board: Json) -> None:
    """Job and instance as the linter wants them; every variable is asked again when the range changes."""
    by_name = {variable["name"]: variable for variable in variables(board)}
    assert list(by_name)[:3] == ["job", "region", "instance"]
    for variable in by_name.values():
        assert variable["refresh"] == 2
        assert variable["label"] == variable["name"].title()
    for variable in (by_name["job"], by_name["instance"]):
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".+")
    if "guest" in by_name:
        guest = by_name["guest"]
        assert guest["regex"] == r'/domain="(?<text>[^"]*)".*uuid="(?<value>[^"]*)"/'


@each_board
def test_every_panel_explains_itself(name: str, board: Json) -> None:
    """Title, description that says what bad looks like, unit, a text for no data, and a question."""
    shown = list(panels(board))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in shown:
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["targets"]
        assert defaults["noValue"]
        assert defaults["unit"] in UNITS
        thresholds = defaults["thresholds"]["steps"]
        assert "Bad" in panel["description"] or len(thresholds) == 1


@each_board
def test_targets_are_scoped_and_follow_the_scrape_interval(name: str, board: Json) -> None:
    """Every selector is narrowed down by job, region and instance; ranges are Grafana's rate interval."""
    for question in panel_questions(name, board):
        for selector in read(filled_in(question.expr)).selectors:
            assert {"job", "instance", "region"} <= selector.labels, str(question)
        assert question.expr.count("[") == question.expr.count("[$__rate_interval]"), str(question)
        assert any(name in question.expr for name in INCREASES) or "[" not in question.expr


@each_board
def test_series_have_readable_names(name: str, board: Json) -> None:
    """Every series of a graph has a name of its own; the legend is a table of latest and highest values."""
    for panel in panels(board):
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["displayMode"] == "table"
            assert panel["options"]["legend"]["calcs"] == ["lastNotNull", "max"]
            legends = [target["legendFormat"] for target in panel["targets"]]
            assert all(legends), panel["title"]
            assert len(set(legends)) == len(legends), panel["title"]


def test_links_lead_to_boards_and_keep_time_and_choice() -> None:
    """Every link between boards names a board that exists and takes time range and data source along."""
    found = 0
    for board in BOARDS.values():
        for panel in panels(board):
            for override in panel["fieldConfig"]["overrides"]:
                for prop in override["properties"]:
                    for link in prop["value"] if prop["id"] == "links" else ():
                        found += 1
                        target = link["url"].removeprefix("/d/hostcollector-").partition("?")[0]
                        assert target in BOARDS
                        for kept in ("${__url_time_range}", "${datasource:queryparam}", "${job:queryparam}"):
                            assert kept in link["url"]
    assert found


@each_board
def test_what_happened_is_marked(name: str, board: Json) -> None:
    """Starts of guests and of the collector, migrations and critical alerts are marks on every board."""
    marks = {annotation["name"] for annotation in board["annotations"]["list"]}
    assert {"Guest starts", "Migrations and other jobs", "Migrated here", "Collector starts"} <= marks
