"""A row's columns in Python: RFC 7047's notations read, and the differences of ``update2`` applied.

A column is one atom (also where it is optional), a set of atoms, or a map, as the database's schema declares.
An empty set and a column at its default are not sent: they are missing here, never made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from hostcollector.base.errors import SourceMalformedError

Atom = str | int | float | bool
Column = Atom | frozenset[Atom] | Mapping[Atom, Atom]


class ColumnKind(Enum):
    """How a column's value and a difference to it are read."""

    ATOM = auto()
    SET = auto()
    MAP = auto()


def kind_of(declared: Any) -> ColumnKind:
    """Return the kind of a column's type as the schema declares it (RFC 7047, 3.2)."""
    if not isinstance(declared, dict):
        return ColumnKind.ATOM
    if "value" in declared:
        return ColumnKind.MAP
    return ColumnKind.ATOM if declared.get("max", 1) == 1 else ColumnKind.SET


@dataclass(frozen=True, slots=True)
class Row:
    """One row. A column that is missing, or of another kind than the method's, reads as nothing."""

    columns: Mapping[str, Column]

    def text(self, column: str) -> str:
        """Return a text or a row's UUID; empty when there is none."""
        value = self.columns.get(column)
        return value if isinstance(value, str) else ""

    def number(self, column: str) -> int | None:
        """Return a whole number."""
        value = self.columns.get(column)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, column: str) -> bool | None:
        """Return a truth value."""
        value = self.columns.get(column)
        return value if isinstance(value, bool) else None

    def members(self, column: str) -> frozenset[str]:
        """Return the texts or UUIDs of a set."""
        value = self.columns.get(column)
        return (
            frozenset(member for member in value if isinstance(member, str))
            if isinstance(value, frozenset)
            else frozenset()
        )

    def texts(self, column: str) -> dict[str, str]:
        """Return a map's entries of text to text."""
        return {key: value for key, value in self._entries(column) if isinstance(value, str)}

    def numbered(self, column: str) -> dict[int, str]:
        """Return a map's entries of whole number to text or UUID."""
        value = self.columns.get(column)
        entries = value.items() if isinstance(value, Mapping) else ()
        return {
            key: entry
            for key, entry in entries
            if isinstance(key, int) and not isinstance(key, bool) and isinstance(entry, str)
        }

    def numbers(self, column: str) -> dict[str, int]:
        """Return a map's entries of text to whole number."""
        return {
            key: value
            for key, value in self._entries(column)
            if isinstance(value, int) and not isinstance(value, bool)
        }

    def _entries(self, column: str) -> list[tuple[str, Atom]]:
        value = self.columns.get(column)
        if not isinstance(value, Mapping):
            return []
        return [(key, entry) for key, entry in value.items() if isinstance(key, str)]


def read_row(columns: Any, kinds: Mapping[str, ColumnKind]) -> Row:
    """Return a row that was sent whole. Raises `SourceMalformedError`."""
    row = {name: _column(value, kinds[name]) for name, value in _named(columns, kinds)}
    return Row(MappingProxyType({name: value for name, value in row.items() if value is not None}))


def changed_row(row: Row, difference: Any, kinds: Mapping[str, ColumnKind]) -> Row:
    """Return `row` after the difference of an ``update2`` (ovsdb-server(7), 4.1.14).

    A set's difference has the members that came or went, a map's the entries that came, changed or (with
    their old value) went; an atom's is the new value. Raises `SourceMalformedError`.
    """
    columns = dict(row.columns)
    for name, value in _named(difference, kinds):
        change = _column(value, kinds[name])
        before = columns.get(name)
        after: Column | None
        if isinstance(change, frozenset):
            after = change ^ before if isinstance(before, frozenset) else change
        elif isinstance(change, Mapping):
            after = _merged(before if isinstance(before, Mapping) else {}, change)
        else:
            after = change
        if after is None or after == frozenset():
            columns.pop(name, None)
        else:
            columns[name] = after
    return Row(MappingProxyType(columns))


def _merged(before: Mapping[Atom, Atom], change: Mapping[Atom, Atom]) -> Mapping[Atom, Atom]:
    after = dict(before)
    for key, value in change.items():
        if key in before and before[key] == value:
            del after[key]
        else:
            after[key] = value
    return MappingProxyType(after)


def _named(columns: Any, kinds: Mapping[str, ColumnKind]) -> list[tuple[str, Any]]:
    if not isinstance(columns, dict):
        raise SourceMalformedError("a row that is no object")
    return [(name, value) for name, value in columns.items() if name in kinds]


def _column(value: Any, kind: ColumnKind) -> Column | None:
    """Return a column's value, None for the empty set of an optional one."""
    if kind is ColumnKind.MAP:
        return MappingProxyType({_atom(key): _atom(entry) for key, entry in _pairs(value)})
    if kind is ColumnKind.SET:
        return frozenset(map(_atom, _members(value)))
    members = _members(value)
    if len(members) > 1:
        raise SourceMalformedError(f"{len(members)} values where there can be one")
    return _atom(members[0]) if members else None


def _pairs(value: Any) -> list[list[Any]]:
    if not (isinstance(value, list) and len(value) == 2 and value[0] == "map"):
        raise SourceMalformedError("a value that should be a map")
    pairs = value[1]
    if not (isinstance(pairs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)):
        raise SourceMalformedError("a map without pairs")
    return pairs


def _members(value: Any) -> list[Any]:
    if not (isinstance(value, list) and value and value[0] == "set"):
        return [value]
    if not (len(value) == 2 and isinstance(value[1], list)):
        raise SourceMalformedError("a set without members")
    return value[1]


def _atom(value: Any) -> Atom:
    if isinstance(value, list) and len(value) == 2 and value[0] in ("uuid", "named-uuid"):
        value = value[1]
    if not isinstance(value, str | int | float):
        raise SourceMalformedError("a value that is no atom")
    return value
