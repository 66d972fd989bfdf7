"""Which shipped alerts, recordings and boards ask for each row of the catalogue.

``python -m tests.dashboards.needed`` writes the list that the package brings along, for the warning about
rows that a configuration drops.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import hostcollector.catalogue
from hostcollector.catalogue import BY_NAME
from tests.dashboards.boards import filled_in, questions
from tests.dashboards.promql import read
from tests.dashboards.rule_files import alerts, recordings

FILE = Path(hostcollector.catalogue.__file__).with_name("needed_by.json")


def text() -> str:
    """Return the file's content: users by the name of a row, both sorted."""
    users: defaultdict[str, set[str]] = defaultdict(set)
    for user, query in _queries():
        for selector in read(query).selectors:
            row = BY_NAME.get(selector.metric) or BY_NAME.get(selector.metric.rpartition("_")[0])
            if row is not None:
                users[row.name].add(user)
    return json.dumps({name: sorted(users[name]) for name in sorted(users)}, indent=1) + "\n"


def _queries() -> Iterator[tuple[str, str]]:
    yield from ((f"the alert {alert.name}", alert.query) for alert in alerts())
    yield from ((f"the recording {recording.name}", recording.query) for recording in recordings())
    yield from ((f"the board {question.board}", filled_in(question.expr)) for question in questions())


if __name__ == "__main__":
    FILE.write_text(text())
