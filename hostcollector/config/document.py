"""YAML text to a tree of nodes with their lines, and the strict reading of mappings and lists.

Nodes keep duplicate keys visible and give every problem its line, and no document can run a constructor.
The size is bounded before anything is read: values are counted as often as aliases repeat them.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

import yaml

T = TypeVar("T")

MOST_PROBLEMS = 100
"""Problems of one document that are named; a wrong file has more."""

MOST_VALUES = 40_000
"""Values in a document, keys included: what takes about a second to read."""

_SHOWN = 60
_TAG = "tag:yaml.org,2002:"


class UnfitError(Exception):
    """A value does not fit its key; the message says what was expected. Never leaves the package."""


class TooManyProblemsError(Exception):
    """The list of problems is full. Never leaves the package."""


@dataclass(frozen=True, slots=True)
class Place:
    """The path of a value in the document, and the list that collects the problems of the document."""

    path: str = ""
    problems: list[str] = field(default_factory=list)

    def key(self, name: str) -> "Place":
        """Return the place of a mapping's entry."""
        shown = name if name.isidentifier() and len(name) <= _SHOWN else quoted(name)
        return Place(f"{self.path}.{shown}" if self.path else shown, self.problems)

    def item(self, index: int) -> "Place":
        """Return the place of a list's element, counted from 0."""
        return Place(f"{self.path}[{index}]", self.problems)

    def refuse(self, node: yaml.Node, message: str) -> None:
        """Note a problem with the value here. Raises `TooManyProblemsError` when the list is full."""
        if len(self.problems) >= MOST_PROBLEMS:
            raise TooManyProblemsError
        where = f"{self.path}: " if self.path else ""
        self.problems.append(f"{where}{message} (line {node.start_mark.line + 1})")


Read = Callable[[yaml.Node, Place], Any]
"""Reads the value of a key. Raises `UnfitError`; problems inside the value are noted in the place."""


def quoted(text: str) -> str:
    """Return text from the document as it can stand in one line of a terminal: short and escaped."""
    return ascii(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


class _Bounded(yaml.SafeLoader):
    """A loader that gives up where a document has too many values, and takes no tags."""

    def __init__(self, text: str, most_values: int) -> None:
        super().__init__(text)
        self._most_values = most_values
        self._values = 0
        self._values_in: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node, as SafeLoader does. Raises `UnfitError` with the line."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._values
        line = event.start_mark.line + 1 if event.start_mark else 1
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise UnfitError(f"the tag {quoted(tag)} means nothing here: write the value alone (line {line})")
        node: yaml.Node | None = super().compose_node(parent, index)
        if isinstance(event, yaml.AliasEvent):
            self._values += self._values_in.get(id(node), 1)
        else:
            self._values += 1
            self._values_in[id(node)] = self._values - before
        if self._values > self._most_values:
            raise UnfitError(f"more than {self._most_values} values (line {line})")
        return node


def compose(text: str, most_values: int = MOST_VALUES) -> yaml.Node | None:
    """Return the document's root, None for an empty one. Raises `UnfitError` for what cannot be read."""
    try:
        loader = _Bounded(text, most_values)
        try:
            root: yaml.Node | None = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise UnfitError(f"not valid YAML: {error.problem or error.context}{where}") from None
    except yaml.YAMLError as error:
        raise UnfitError(f"not valid YAML: {quoted(str(error).splitlines()[0])}") from None
    except RecursionError:
        raise UnfitError("not valid YAML: nested too deeply") from None
    except (ValueError, OverflowError) as error:
        # The scanner's own int() and chr() calls on directives and escapes are unguarded.
        raise UnfitError(f"not valid YAML: {quoted(str(error))}") from None
    return root


def line_of(root: yaml.Node | None, path: str) -> int | None:
    """Return the line of the key at a dotted path, None where the document has no such key."""
    node, line = root, None
    for name in path.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((key, value) for key, value in pairs if key.value == name), None)
        if found is None:
            return None
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def kind(node: yaml.Node) -> str:
    """Return a scalar's YAML type: ``str``, ``int``, ``float``, ``bool``, ``null`` or another tag."""
    if not isinstance(node, yaml.ScalarNode):
        return "collection"
    tag: str = node.tag
    return tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag


def described(node: yaml.Node) -> str:
    """Return what a value is, for "expected ..., not ..."."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    names = {"null": "nothing", "str": "the text ", "int": "the number ", "float": "the number "}
    name = names.get(kind(node), "the value ")
    return name if kind(node) == "null" else name + quoted(node.value)


def entries(node: yaml.Node, place: Place) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Yield key, key node and value node of a mapping; the second of two equal keys is refused.

    Null is an empty mapping: a section whose keys are all commented out. Raises `UnfitError` for any other
    value.
    """
    if kind(node) == "null":
        return
    if not isinstance(node, yaml.MappingNode):
        raise UnfitError(f"expected a mapping, not {described(node)}")
    lines: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            place.refuse(key, f"expected text as a key, not {described(key)}")
        elif key.value in lines:
            place.key(key.value).refuse(key, f"given twice, first in line {lines[key.value]}")
        else:
            lines[key.value] = key.start_mark.line + 1
            yield key.value, key, value


def leaf(check: Callable[[yaml.Node], Any]) -> Read:
    """Return the reader of a single value."""
    return lambda node, _: check(node)


def known(node: yaml.Node, place: Place, readers: Mapping[str, Read]) -> dict[str, Any]:
    """Return the values of a mapping's known keys; every other key is noted as a problem."""
    found = {}
    for key, key_node, value in entries(node, place):
        if key not in readers:
            place.key(key).refuse(key_node, _unknown(key, readers))
            continue
        try:
            found[key] = readers[key](value, place.key(key))
        except UnfitError as error:
            place.key(key).refuse(value, str(error))
    return found


def list_of(read: Read) -> Read:
    """Return the reader of a list."""

    def check(node: yaml.Node, place: Place) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise UnfitError(f"expected a list, not {described(node)}")
        found = []
        for index, item in enumerate(node.value):
            try:
                found.append(read(item, place.item(index)))
            except UnfitError as error:
                place.item(index).refuse(item, str(error))
        return tuple(found)

    return check


def repeated(found: Iterable[T]) -> list[T]:
    """Return what an iterable has more than once, in the order of the first occurrences."""
    return [each for each, times in Counter(found).items() if times > 1]


def _unknown(key: str, known: Collection[str]) -> str:
    near = get_close_matches(key[:100], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key; {hint}"
