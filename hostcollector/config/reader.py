"""Nodes of a document to frozen dataclasses: the annotation of each field says what its key takes.

    interval_seconds: Annotated[int, whole(60, 86400)] = 600

A field without a default is a key that must be given, and has `Needed` in its annotation. A field without a
`Check` is read by its type: text, true or false, a word of a `StrEnum`, a list, a mapping, a section.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import yaml

from hostcollector.config.checks import BOOLEAN, TEXT, Check, choice, mapping
from hostcollector.config.document import Place, Read, UnfitError, known, list_of, repeated

T = TypeVar("T")


class Section:
    """Base of settings whose keys depend on each other."""

    __slots__ = ()

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield each contradiction: its key, empty for the whole section, and a sentence."""
        yield from ()


class Needed(NamedTuple):
    """Marks a key that must be given; `what` ends the sentence "KEY is missing: "."""

    what: str


class Distinct(NamedTuple):
    """Marks a list in which `key` of each element differs; `shown` is how the key is written in the error."""

    key: Callable[[Any], Any] = lambda element: element
    shown: Callable[[Any], str] = str

    def read(self, node: yaml.Node, place: Place, read: Read) -> Any:
        """Return the list that `read` returns. Raises `UnfitError` for keys that are given twice."""
        found = read(node, place)
        if twice := repeated(self.key(element) for element in found if element is not None):
            raise UnfitError(f"given twice: {', '.join(map(self.shown, twice))}")
        return found


class Field(NamedTuple):
    """One key: its `check`, and the dataclass `settings` that it or each element of its list is read to."""

    check: Check
    needed: str = ""
    settings: type | None = None


def fields_of(settings: type) -> dict[str, Field]:
    """Return the keys of a settings class by name, in the order of its fields."""
    hints = get_type_hints(settings, include_extras=True)
    return {field.name: _field(hints[field.name]) for field in fields(settings)}


def section_reader(
    settings: type[T], special: Mapping[str, Read] | None = None
) -> Callable[[yaml.Node, Place], T]:
    """Return what reads a section to `settings`; `special` reads keys in place of their annotations.

    Problems are noted in the place; the result then means nothing.
    """
    keys = fields_of(settings)
    readers = {name: key.check.read for name, key in keys.items()} | dict(special or {})
    needed = {name: key.needed for name, key in keys.items() if key.needed}

    def read(node: yaml.Node, place: Place) -> Any:
        noted = len(place.problems)
        found = known(node, place, readers)
        if needed and len(place.problems) > noted:
            return None  # what is missing may be under a misspelt key
        missing = [name for name in needed if name not in found]
        for name in missing:
            place.refuse(node, f"{name} is missing: {needed[name]}")
        if missing:
            return None
        section = settings(**found)
        if isinstance(section, Section):
            for key, sentence in section.contradictions():
                (place.key(key) if key else place).refuse(node, sentence)
        return section

    return read


def changed(settings: T, values: Mapping[str, Any]) -> T:
    """Return the settings with the values of the dotted keys in place of their own, such as flags."""
    sections: dict[str, Any] = {}
    for dotted, value in values.items():
        name, _, key = dotted.partition(".")
        old = sections.get(name, getattr(settings, name))
        sections[name] = {**old, key: value} if isinstance(old, Mapping) else replace(old, **{key: value})
    return replace(settings, **sections)  # type: ignore[type-var] # settings are a dataclass


def _field(hint: Any) -> Field:
    plain, marks = (hint.__origin__, hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())
    needed = next((mark.what for mark in marks if isinstance(mark, Needed)), "")
    for mark in marks:
        if isinstance(mark, Check):
            return Field(mark, needed)
    arguments = [argument for argument in get_args(plain) if argument is not NoneType]
    if get_origin(plain) is tuple:
        item = _field(arguments[0])
        read = list_of(item.check.read)
        for mark in marks:
            if isinstance(mark, Distinct):
                read = _distinct(mark, read)
        return Field(Check(f"list: {item.check.takes}", read, item.check.allowed), needed, item.settings)
    if get_origin(plain) is Mapping:
        return Field(mapping(lambda _: "", _field(arguments[1]).check, takes="mapping"), needed)
    settings = arguments[0] if arguments else plain
    if isinstance(settings, type) and is_dataclass(settings):
        # An optional section is read when its key is there: with nothing below it, it is empty, not absent.
        return Field(Check("section", section_reader(settings)), needed, settings)
    if issubclass(plain, StrEnum):
        return Field(choice(plain), needed)
    return Field({str: TEXT, bool: BOOLEAN}[plain], needed)


def _distinct(mark: Distinct, read: Read) -> Read:
    return lambda node, place: mark.read(node, place, read)
