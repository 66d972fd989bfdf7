"""YAML text to a tree of nodes that still know their lines; nothing is constructed from it.

Staying with nodes keeps duplicate keys visible, gives every problem its line, and leaves no way for a
document to run a constructor or to unfold aliases into more than the file holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

_SHOWN = 60
_TAG = "tag:yaml.org,2002:"


class UnfitError(Exception):
    """A value does not fit its key; the message says what was expected. Never leaves the package."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the document a value stands, and the list that collects what is wrong there."""

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
        """Note a problem with the value at this place."""
        where = f"{self.path}: " if self.path else ""
        self.problems.append(f"{where}{message} (line {node.start_mark.line + 1})")


def quoted(text: str) -> str:
    """Return text from the document as it can stand in one line of a terminal: short and escaped."""
    return ascii(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def compose(text: str) -> yaml.Node | None:
    """Return the document's root, None for an empty one. Raises `UnfitError` for what is not YAML."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
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
    """Yield key, key node and value node of a mapping; a key that stands twice is refused the second time.

    Nothing at all counts as an empty mapping: a section whose keys are all commented out. Raises
    `UnfitError` for any other kind of value.
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
