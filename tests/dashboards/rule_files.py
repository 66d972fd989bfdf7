"""The shipped rule files and their unit tests, read as the plain values that they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
RULES = tuple(sorted((DASHBOARDS / "rules").glob("*.yml")))
UNIT_TESTS = tuple(sorted((DASHBOARDS / "tests").glob("*.yml")))
RUNBOOK = DASHBOARDS / "runbook.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as its file has it."""

    name: str
    query: str
    severity: str
    annotations: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording: the series that it makes, with the labels that it adds."""

    name: str
    query: str
    labels: dict[str, str]


def alerts() -> Iterator[Alert]:
    """Yield every alert."""
    for rule in _rules():
        if "alert" in rule:
            yield Alert(
                name=rule["alert"],
                query=rule["expr"],
                severity=rule["labels"]["severity"],
                annotations=rule["annotations"],
            )


def recordings() -> Iterator[Recording]:
    """Yield every recording."""
    for rule in _rules():
        if "record" in rule:
            yield Recording(name=rule["record"], query=rule["expr"], labels=rule.get("labels", {}))


def verdicts() -> Iterator[tuple[str, bool]]:
    """Yield the name of each alert that a unit test evaluates, and whether it expects it to fire."""
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for verdict in test.get("alert_rule_test", ()):
                yield verdict["alertname"], bool(verdict["exp_alerts"])


def _rules() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]
