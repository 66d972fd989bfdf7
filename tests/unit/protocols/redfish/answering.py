"""What rounds of questions make of documents, without a network between them."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from hostcollector.protocols.redfish.client import Pace, Rounds
from hostcollector.protocols.redfish.links import Resource
from hostcollector.protocols.redfish.values import BmcAnswer
from hostcollector.protocols.rest.refusals import NoSuchPathError
from tests.fakes.bmc import Tree
from tests.fakes.bmc.baseboard import Document

NOW = 1_777_900_000.0
"""Somewhat later than the time stamps of the baseboard's reports."""


class Answered:
    """Answers with the documents of a tree; `changed` has others for some paths, or errors to be raised."""

    def __init__(self, tree: Tree, changed: Mapping[str, Any] | None = None) -> None:
        self.tree = tree
        self.changed = dict(changed or {})
        self.asked: Counter[str] = Counter()
        self.now = 1000.0
        self.seconds_each = 0.0
        self.rounds = Rounds(Pace(reports=15, ports=300), self.clock, lambda: NOW)

    def clock(self) -> float:
        """Return the monotonic time."""
        return self.now

    async def root(self) -> Resource:
        """Return the service root."""
        found: Resource = await self.get("/redfish/v1/")
        return found

    async def get(self, path: str) -> Any:
        """Return a copy of a document. Raises what is to be raised in its place."""
        self.asked[path] += 1
        self.now += self.seconds_each
        key = path.rstrip("/")
        document = self.changed[key] if key in self.changed else self.tree.document(path)
        if isinstance(document, Exception):
            raise document
        if document is None:
            raise NoSuchPathError(f"{path} does not exist there (404)", 404)
        return json.loads(json.dumps(document))

    def age(self) -> float:
        """Return that nothing lay in a cache."""
        return 0.0

    def answer(self) -> BmcAnswer:
        """Return the answer of the next round, some seconds later."""
        self.now += 15.0
        return asyncio.run(self.rounds.next(self))


def answer_to(tree: Tree, changed: Mapping[str, Any] | None = None) -> BmcAnswer:
    """Return the answer of the first round."""
    return Answered(tree, changed).answer()


def series(answer: BmcAnswer, gpu: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the readings of a GPU by its name, keyed by the rows' endings and labels; reports come first."""
    (path,) = (path for path, known in answer.gpus.items() if known.name == gpu)
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for part in reversed(answer.parts):
        if path in part.readings:
            values = {**part.readings[path].gauges, **part.readings[path].counters}
            found.update({(twin.key, labels): value for (twin, labels), value in values.items()})
    return found


class Still:
    """A tree as it is now, which answers faster than one that is made anew for each question."""

    def __init__(self, tree: Tree) -> None:
        shown = Answered(tree)
        shown.answer()
        self.documents = {path.rstrip("/"): tree.document(path) for path in shown.asked}

    def document(self, path: str) -> Document | None:
        """Return what is at a path, not to be changed."""
        return self.documents.get(path.rstrip("/"))


def spelled(tree: Tree, spell: Callable[[str], str]) -> Tree:
    """Return a tree in which every link to a resource is spelled another way."""

    class Spelled:
        def document(self, path: str) -> Any:
            return _spelled(tree.document(path), spell)

    return Spelled()


def _spelled(value: Any, spell: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {
            key: spell(inner) if key == "@odata.id" and isinstance(inner, str) else _spelled(inner, spell)
            for key, inner in value.items()
        }
    return [_spelled(inner, spell) for inner in value] if isinstance(value, list) else value
