"""The boards keep the rules of Grafana's dashboard linter and the house's own for a night on call."""

import filecmp
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dashboards.src.queries import highest
from tests.dashboards.boards import FILES, STEPS, boards, filled_in, panel_questions, panels, variables
from tests.dashboards.choice import options
from tests.dashboards.contract import ABOUT_GUESTS
from tests.dashboards.promql import read
from tests.dashboards.rule_files import DASHBOARDS

BOARDS = boards()
ONE_HOST = ("hypervisor", "neighbours", "network", "gpu", "collector")
OF_THE_GATEWAY = "gateway"
ONE = {
    **dict.fromkeys(ONE_HOST, ("instance",)),
    "neighbours": ("instance", "guest"),
    "tenant": ("tenant",),
    "guest": ("tenant", "guest"),
}
"""What boards are about one of."""
KEPT = {
    variable["name"]: f"${variable['name']}"
    for board in BOARDS.values()
    for variable in variables(board)
    if variable["name"].startswith("top_")
}
each_board = pytest.mark.parametrize(("name", "board"), BOARDS.items(), ids=BOARDS)
Json = dict[str, Any]

UNITS = frozenset(
    {
        "short",
        "none",
        "percent",
        "percentunit",
        "s",
        "bytes",
        "Bps",
        "bps",
        "pps",
        "ops",
        "iops",
        "watt",
        "celsius",
    }
    | {"bool_yes_no", "hertz", "volt"}
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
    menu, *others = board["links"]
    # A board about a hypervisor leads to the same host in node_exporter's board.
    assert [link["title"] for link in others] == ["node_exporter"] * (name in ONE_HOST)
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
    """Jobs, regions and zones are on every board; every variable is asked again when the range changes."""
    by_name = {variable["name"]: variable for variable in variables(board)}
    assert list(by_name)[:3] == ["job", "region", "availability_zone"]
    assert {variable["refresh"] for variable in by_name.values()} == {2}
    assert all(variable["label"] for variable in by_name.values())
    # Any other label of the inventory.
    assert board["templating"]["list"][-1]["type"] == "adhoc"


@each_board
def test_no_variable_chooses_other_jobs(name: str, board: Json) -> None:
    """The jobs are those with the collector's own metric, and no pattern lets others in."""
    job = next(variable for variable in variables(board) if variable["name"] == "job")
    build = "hostcollector_gateway_build_info" if name == OF_THE_GATEWAY else "hostcollector_build_info"
    assert job["definition"] == f"label_values({build}, job)"
    assert (job["multi"], job["includeAll"], job.get("allValue")) == (True, False, None)


@each_board
def test_a_board_about_one_thing_opens_with_one(name: str, board: Json) -> None:
    """Its hypervisor, tenant or guest is one value, and there is no choice of all."""
    one = {
        variable["name"]: variable for variable in variables(board) if variable["name"] in ONE.get(name, ())
    }
    assert set(one) == set(ONE.get(name, ()))
    for variable in one.values():
        assert (variable["multi"], variable["includeAll"], variable.get("allValue")) == (False, False, None)


@each_board
def test_tenants_and_guests_are_shown_by_name_and_chosen_by_id(name: str, board: Json) -> None:
    """A name that looks like a label, which its owner may choose, takes no other's id."""
    hostile = 'x",tenant="globex",uuid="u-2'
    labels = {"domain": hostile, "project": hostile, "server": hostile, "tenant": "acme", "uuid": "u-1"}
    for variable in variables(board):
        if variable["name"] in {"tenant", "guest"}:
            assert "(?<text>" in variable["regex"]
            ids = {"tenant": "acme", "guest": "u-1"}
            of_query = labels if variable["name"] == "guest" else {"project": hostile, "tenant": "acme"}
            assert options(variable, [{"metric": of_query}]) == [ids[variable["name"]]]
        elif "uuid" in variable.get("regex", ""):
            assert options(variable, [{"metric": labels}]) == ["u-1"]


@each_board
def test_what_is_chosen_by_topk_is_chosen_once(name: str, board: Json) -> None:
    """No graph chooses at each step: a hidden variable or the end of the range does so."""
    for panel in panels(board):
        for target in panel["targets"] if panel["type"] != "table" else ():
            for choice in re.findall(r"(?:topk|bottomk)\(\d+, .*", target["expr"]):
                assert " @ end()" in choice
                assert name in ONE_HOST
    for variable in variables(board):
        if variable["name"].startswith("top_"):
            assert re.match(r"query_result\((topk|bottomk)\(", variable["definition"])
            assert variable["hide"] == 2


def test_the_highest_of_a_host_are_chosen_at_the_end_of_the_range() -> None:
    """Every selector of the choice has `@ end()`, with a range or without; what is drawn has none."""
    drawn = "rate(a{HOST}[5m]) / (b{HOST} > 0)"
    chosen = "rate(a{HOST}[5m] @ end()) / (b{HOST} @ end() > 0)"
    assert highest(3, drawn) == f"({drawn} and topk(3, {chosen}))"


@each_board
def test_wide_graphs_ask_recordings_or_what_was_chosen(name: str, board: Json) -> None:
    """A graph over many hypervisors reads raw series of guests only of those that a variable chose."""
    if name in {*ONE_HOST, "guest", OF_THE_GATEWAY}:
        return
    for panel in panels(board):
        for target in panel["targets"] if panel["type"] in {"timeseries", "state-timeline"} else ():
            for selector in read(filled_in(target["expr"], KEPT)).selectors:
                narrow = any("$top_" in value for _, value in selector.matchers)
                assert ":" in selector.metric or narrow or selector.metric not in ABOUT_GUESTS, target["expr"]


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
def test_subqueries_of_a_table_have_as_many_steps_in_every_range(name: str, board: Json) -> None:
    """Grafana sets the interval by the number of points that the panel names."""
    for panel in panels(board):
        if any("$__interval" in target["expr"] for target in panel["targets"]):
            assert panel["maxDataPoints"] == STEPS, panel["title"]


@each_board
def test_targets_are_scoped_and_follow_the_scrape_interval(name: str, board: Json) -> None:
    """Every selector has the job; ranges are Grafana's rate interval, or wider for a reason."""
    for question in panel_questions(name, board):
        query = filled_in(question.expr)
        assert all("job" in selector.labels for selector in read(query).selectors), str(question)
        ranges = set(re.findall(r"\[([^\]]+)\]", question.expr))
        # A day for a table, an hour for the service level, a quarter for what a BMC reports every 5 minutes.
        assert ranges <= {
            "$__rate_interval",
            "$__range",
            "$__range:1m",
            "$__range:$__interval",
            "1d",
            "1h",
            "15m",
        }, str(question)


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
    found = set()
    for board in BOARDS.values():
        for panel in panels(board):
            for override in panel["fieldConfig"]["overrides"]:
                for prop in override["properties"]:
                    for link in prop["value"] if prop["id"] == "links" else ():
                        found.add(link["url"].partition("?")[0])
                        if link["url"].startswith("/d/hostcollector-"):
                            for kept in (
                                "${__url_time_range}",
                                "${datasource:queryparam}",
                                "${job:queryparam}",
                            ):
                                assert kept in link["url"]
    outside = {"/d/${node_board}", "${runbook}/${__data.fields.alertname}.md"}
    assert outside <= found
    assert {url.removeprefix("/d/hostcollector-") for url in found - outside} <= BOARDS.keys()


@each_board
def test_what_happened_is_marked(name: str, board: Json) -> None:
    """Starts, migrations and critical alerts are marks; they are off where there are many guests."""
    if name == OF_THE_GATEWAY:  # no guest and no hypervisor is on it
        return
    marks = {annotation["name"]: annotation["enable"] for annotation in board["annotations"]["list"]}
    assert {"Guest starts", "Migrations and other jobs", "Migrated here", "Collector starts"} <= marks.keys()
    assert any(marks.values()) == (name in {*ONE_HOST, "guest"})


def test_alerts_are_sorted_by_severity() -> None:
    """The table's value is a rank, the highest first, that is shown as the severity."""
    table = next(panel for panel in panels(BOARDS["fleet"]) if panel["title"] == "Firing alerts")
    (target,) = table["targets"]
    assert re.findall(r'(\d) \* ALERTS\{.*?severity="(\w+)"', target["expr"]) == [
        ("3", "critical"),
        ("2", "warning"),
        ("1", "info"),
    ]
    assert table["options"]["sortBy"] == [{"displayName": "Severity", "desc": True}]
