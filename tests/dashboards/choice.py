"""What the variables of a board are on a Prometheus: what Grafana opens the board with, or everything."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.dashboards.boards import Json, asked_by, panels

Ask = Callable[[str], list[dict[str, Any]]]
"""Answers an instant query with its series."""
Fill = Callable[[str, Mapping[str, str]], str]
"""Returns a query with the values of variables."""

ALL = "$__all"


def chosen(board: Json, ask: Ask, fill: Fill, *, everything: bool) -> dict[str, str]:
    """Return the value of each variable; with `everything` all values also where a board opens with one."""
    values: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        match variable["type"]:
            case "textbox" | "constant":
                values[variable["name"]] = variable["query"]
            case "query":
                found = options(variable, ask(fill(asked_by(variable), values)))
                together = everything and not _excluded(variable["name"], board)
                values[variable["name"]] = _value(variable, found, everything=together)
    return values


def _excluded(name: str, board: Json) -> bool:
    """Return whether a panel shows what the variable does not choose, which is nothing if all is chosen."""
    return any(f'!~"${name}"' in target["expr"] for panel in panels(board) for target in panel["targets"])


def options(variable: Json, series: Iterable[dict[str, Any]]) -> list[str]:
    """Return the values that a variable offers, sorted, for the series that its query gave."""
    if variable["definition"].startswith("label_values("):
        label = variable["definition"].rpartition(",")[2].strip(" )")
        return sorted({each["metric"][label] for each in series if each["metric"].get(label)})
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    found = (pattern.search(_text(each["metric"])) for each in series)
    return sorted({_taken(match) for match in found if match})


def _taken(match: re.Match[str]) -> str:
    """Return what the pattern takes from a series: its group `value`, else the first."""
    return match.groupdict().get("value") or match[1]


def _text(labels: Mapping[str, str]) -> str:
    """Return a series as Grafana writes it for `query_result`: in Prometheus' order, values as they are."""
    inside = ",".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return f"{labels.get('__name__', '')}{{{inside}}} 1 1700000000000"


def _value(variable: Json, found: list[str], *, everything: bool) -> str:
    """Return the value as a pattern for `=~`."""
    opens_with_all = variable["current"].get("value") == [ALL]
    if opens_with_all and variable.get("allValue"):
        return str(variable["allValue"])
    if opens_with_all or everything:
        return "(" + "|".join(_literal(value) for value in found) + ")"
    return _literal(found[0]) if found else ""


def _literal(value: str) -> str:
    """Return the pattern of one value, escaped for a PromQL string."""
    return re.sub(r"([\\^$*+?.()|{}\[\]])", r"\\\1", value).replace("\\", "\\\\").replace('"', '\\"')
