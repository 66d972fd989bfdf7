"""How mappings and lists of a document are read: by a table of the keys that there are, and strictly."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import yaml

from hostcollector.config.document import Place, UnfitError, described, entries

T = TypeVar("T")

Check = Callable[[yaml.Node], Any]
"""What takes a single value."""

Read = Callable[[yaml.Node, Place], Any]
"""What takes a value with parts, whose problems have places of their own."""


def leaf(check: Check) -> Read:
    """Return the reader of a single value."""
    return lambda node, _: check(node)


def section(settings: Callable[..., Any], checks: Mapping[str, Check]) -> Read:
    """Return the reader of a mapping whose keys are the fields of `settings`."""
    readers = {name: leaf(check) for name, check in checks.items()}
    return lambda node, place: settings(**known(node, place, readers))


def known(node: yaml.Node, place: Place, readers: Mapping[str, Read]) -> dict[str, Any]:
    """Return what stands under the known keys of a mapping; everything else is noted as a problem."""
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
    """Return what is in a list more than once, in the order of its first standing there."""
    return [each for each, times in Counter(found).items() if times > 1]


def _unknown(key: str, known: Collection[str]) -> str:
    near = get_close_matches(key[:100], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key; {hint}"
