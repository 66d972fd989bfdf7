"""The shipped rule files and their unit tests, read as the plain values that they are."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
RULES = tuple(sorted((DASHBOARDS / "rules").glob("*.yml")))
RUNBOOK = DASHBOARDS / "runbook"
UNIT_TESTS = tuple(sorted((DASHBOARDS / "tests").glob("*.yml")))

_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as its file has it; `lasts` is its `for`, or empty."""

    name: str
    query: str
    lasts: str
    labels: dict[str, str]
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
                lasts=rule.get("for", ""),
                labels=rule["labels"],
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


def completed(path: Path, directory: Path) -> Path:
    """Write a unit test into the directory as promtool wants it, and return its path.

    A test says what it is about: the labels that come from the series, and the summary. promtool compares all
    labels and annotations; the others are added as the rule has them.
    """
    shipped = {alert.name: alert for alert in alerts()}
    text = yaml.safe_load(path.read_text())
    text["rule_files"] = [str(rules) for rules in RULES]
    for test in text["tests"]:
        for verdict in test.get("alert_rule_test", ()):
            for expected in verdict["exp_alerts"]:
                _complete(expected, shipped[verdict["alertname"]])
    written = directory / path.name
    written.write_text(yaml.safe_dump(text, allow_unicode=True))
    return written


def _complete(expected: dict[str, Any], alert: Alert) -> None:
    labels = {**expected.get("exp_labels", {}), **alert.labels}
    expected["exp_labels"] = labels
    for name, text in alert.annotations.items():
        if name != "summary":
            expected["exp_annotations"].setdefault(name, _filled(text, labels))


def _filled(text: str, labels: Mapping[str, str]) -> str:
    return _LABEL.sub(lambda label: str(labels.get(label[1], "")), text)


def _rules() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]
