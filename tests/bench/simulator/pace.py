"""Rules and Alertmanager's configuration in a hurry: an hour takes minutes, every duration is divided."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+)(ms|[smhdw])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
# In a query a duration is in brackets or behind `offset`; elsewhere are labels such as le="5m".
_IN_QUERY = re.compile(r"\[[^\]\"]+\]|\boffset\s+-?[\dsmhdw]+")
_FIELDS = {
    "for", "keep_firing_for", "interval", "group_wait", "group_interval", "repeat_interval", "resolve_timeout"
}  # fmt: skip


def shorter(duration: str, pace: float) -> str:
    """Return a duration of Prometheus, such as 1h30m, divided by the pace; zero stays zero."""
    whole = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(duration))
    return f"{max(1, round(whole / pace))}ms" if whole else duration


def hurried(document: Any, pace: float) -> Any:
    """Return a rule file or configuration with every duration in it divided by the pace."""
    if isinstance(document, list):
        return [hurried(item, pace) for item in document]
    if not isinstance(document, dict):
        return document
    return {key: _value(key, value, pace) for key, value in document.items()}


def _value(key: str, value: Any, pace: float) -> Any:
    if key in _FIELDS:
        return shorter(str(value), pace)
    if key == "expr":
        return _IN_QUERY.sub(lambda place: _shorter_inside(place[0], pace), value)
    return hurried(value, pace)


def _shorter_inside(text: str, pace: float) -> str:
    return _DURATION.sub(lambda duration: shorter(duration[0], pace), text)


def hurried_rules(rules: Iterable[Path], pace: float, directory: Path) -> list[Path]:
    """Write the rule files with shorter durations into a directory, and return their paths."""
    written = []
    for path in rules:
        written.append(directory / path.name)
        written[-1].write_text(
            yaml.safe_dump(hurried(yaml.safe_load(path.read_text()), pace), sort_keys=False)
        )
    return written
