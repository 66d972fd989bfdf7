"""What the variables of a board are on a Prometheus: what Grafana opens the board with, or everything."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.dashboards.boards import Json, asked_by, panels

Ask = Callable[[str], list[dict[str, Any]]]
"""Answers an instant query with its series."""
Fill = Callable[[str, Mapping[str, str]], str]
"""Returns a query with the values of variables."""

_ALL = "$__all"
_SPECIAL = re.compile(r"[\\^$.*+?()\[\]{}|]")


def chosen(board: Json, ask: Ask, fill: Fill, *, everything: bool) -> dict[str, str]:
    """Return the value of each variable; with `everything` all values also where a board opens with one."""
    values: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        name = variable["name"]
        match variable["type"]:
            case "textbox" | "constant":
                values[name] = variable["query"]
            case "query":
                found = options(variable, ask(fill(asked_by(variable), values)))
                together = everything and not variable["includeAll"] and not _excluded(name, board)
                values[name] = pattern(found) if together else opened_with(variable, found)
    return values


def options(variable: Json, series: Iterable[dict[str, Any]]) -> list[str]:
    """Return the values that a variable offers for the series that its query gave."""
    if variable["definition"].startswith("label_values("):
        label = variable["definition"].rpartition(",")[2].strip(" )")
        return sorted({each["metric"][label] for each in series if each["metric"].get(label)})
    return offered(variable, map(text, series))


def text(series: Mapping[str, Any]) -> str:
    """Return a series of a `query_result` as Grafana writes it: in Prometheus' order, values as they are."""
    labels = dict(series["metric"])
    name = labels.pop("__name__", "")
    written = ",".join(f'{label}="{value}"' for label, value in labels.items())
    at, value = series.get("value", (0, "1"))
    return f"{name}{{{written}}} {value} {at * 1000:.0f}"


def offered(variable: Json, texts: Iterable[str]) -> list[str]:
    """Return the values that the variable's expression finds in the texts, sorted by what is shown."""
    expression = (variable.get("regex") or "").strip("/")
    if not expression:
        return sorted(texts) if variable.get("sort") else list(texts)
    compiled = re.compile(expression.replace("(?<", "(?P<"))
    found: dict[str, str] = {}
    for each in texts:
        if match := compiled.search(each):
            groups = match.groupdict()
            value = groups.get("value") or (match[1] if match.lastindex else match[0])
            found.setdefault(value, groups.get("text") or value)
    return sorted(found, key=lambda value: found[value])


def opened_with(variable: Json, found: list[str]) -> str:
    """Return a variable's value as it opens, written as Grafana writes it into a query."""
    current = (variable.get("current") or {}).get("value") or ""
    values = current if isinstance(current, list) else [current]
    if _ALL in values or (variable.get("includeAll") and not set(values) & set(found)):
        return str(variable["allValue"]) if variable.get("allValue") else pattern(found)
    return pattern(values if set(values) & set(found) else found[:1])


def pattern(values: list[str]) -> str:
    """Return the regular expression for any of the values, inside a string of PromQL; empty without one."""
    written = [_SPECIAL.sub(r"\\\\\g<0>", value) for value in values]
    return f"({'|'.join(written)})" if len(written) > 1 else "".join(written)


def _excluded(name: str, board: Json) -> bool:
    """Return whether a panel shows what the variable does not choose, which is nothing if all is chosen."""
    return any(f'!~"${name}"' in target["expr"] for panel in panels(board) for target in panel["targets"])
