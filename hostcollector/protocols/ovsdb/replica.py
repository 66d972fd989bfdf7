"""Our copy of the monitored columns: immutable values, replaced with each update that arrives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from hostcollector.base.errors import SourceMalformedError
from hostcollector.protocols.ovsdb.row import ColumnKind, Row, changed_row, read_row

# More rows than any switch or chassis has; with more, the server is broken.
MOST_ROWS = 200_000

Kinds = Mapping[str, Mapping[str, ColumnKind]]
Table = Mapping[str, Row]

_NO_ROWS: Table = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Replica:
    """The tables by name, their rows by UUID.

    * `changed_at` is when a known row last changed, by (table, column), in seconds on the monotonic clock; a
      column that has not changed since the connection began is missing;
    * `unread` are the rows that could not be read, by (table, UUID), with the reason.
    """

    tables: Mapping[str, Table] = field(default_factory=dict)
    changed_at: Mapping[tuple[str, str], float] = field(default_factory=dict)
    unread: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def rows(self, table: str) -> Table:
        """Return the rows of a table by UUID."""
        return self.tables.get(table, _NO_ROWS)


def updated(replica: Replica, update: Any, kinds: Kinds, now: float) -> Replica:
    """Return the replica after an ``update2`` or a first answer. A row that cannot be read costs itself.

    Raises `SourceMalformedError` for an update that does not fit to what is known.
    """
    if not isinstance(update, dict):
        raise SourceMalformedError("an update that is no object")
    tables = dict(replica.tables)
    changed_at = dict(replica.changed_at)
    unread = dict(replica.unread)
    for name, changes in update.items():
        if name not in kinds or not isinstance(changes, dict):
            raise SourceMalformedError("an update of a table that is not followed")
        rows = dict(replica.rows(name))
        for uuid, change in changes.items():
            for column in _apply(rows, unread, (name, uuid), change, kinds[name]):
                changed_at[name, column] = now
        tables[name] = MappingProxyType(rows)
    if sum(map(len, tables.values())) + len(unread) > MOST_ROWS:
        raise SourceMalformedError(f"more than {MOST_ROWS} rows")
    return Replica(MappingProxyType(tables), MappingProxyType(changed_at), MappingProxyType(unread))


def _apply(
    rows: dict[str, Row],
    unread: dict[tuple[str, str], str],
    place: tuple[str, str],
    change: Any,
    kinds: Mapping[str, ColumnKind],
) -> tuple[str, ...]:
    """Change the rows, or note why the one at `place` cannot be; return what changed in a known row."""
    action, content = _parts(change)
    uuid = place[1]
    if action == "delete":
        rows.pop(uuid, None)
        unread.pop(place, None)
        return ()
    if action == "modify" and place in unread:
        return ()  # the row before the change is not known
    if action == "modify" and uuid not in rows:
        raise SourceMalformedError("a change of a row that does not exist")
    try:
        rows[uuid] = (
            changed_row(rows[uuid], content, kinds) if action == "modify" else read_row(content, kinds)
        )
    except SourceMalformedError as error:
        rows.pop(uuid, None)
        unread[place] = str(error)
        return ()
    unread.pop(place, None)
    return tuple(content) if action == "modify" else ()


def _parts(change: Any) -> tuple[str, Any]:
    """Return the kind and the content of a row's change."""
    if not isinstance(change, dict) or len(change) != 1:
        raise SourceMalformedError("a change of a row that is no object with one member")
    ((action, content),) = change.items()
    if action not in ("initial", "insert", "modify", "delete"):
        raise SourceMalformedError("a change of an unknown kind")
    return action, content
