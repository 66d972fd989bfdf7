"""Rows that the page leaves out by its configuration, and which shipped rules and boards need them."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib import resources

from hostcollector.base.model import Metric
from hostcollector.base.wording import named
from hostcollector.catalogue import ALL

MOST_NAMED = 3
"""How many rules and boards a sentence names."""


def dropped(switched_off: Collection[str], patterns: Iterable[str]) -> frozenset[Metric]:
    """Return the rows whose switch is off, or whose name matches one of the shell's patterns."""
    patterns = tuple(patterns)
    return frozenset(
        row
        for row in ALL
        if row.switch in switched_off or any(fnmatchcase(row.name, pattern) for pattern in patterns)
    )


def needed(rows: Collection[Metric]) -> Iterator[str]:
    """Yield a sentence for each of the rows that a shipped alert, recording or board asks for."""
    needed_by = _needed_by() if rows else {}
    for row in sorted(rows, key=lambda row: row.name):
        if users := needed_by.get(row.name):
            yield f"{row.name} is dropped, but needed by {named(users, MOST_NAMED)}"


def _needed_by() -> Mapping[str, list[str]]:
    """Return the rules and boards by the name of a row; `make dashboards` writes the file from them."""
    file = resources.files(__package__) / "needed_by.json"
    found: Mapping[str, list[str]] = json.loads(file.read_text())
    return found
