"""The messages of one connection: the schema, the server's state, one monitor, its updates, signs of life.

RFC 7047, 4.1. The monitor is conditional and incremental, ``monitor_cond`` with ``update2`` (Open vSwitch 2.6
or later): the server sends only the wanted rows, and only what changes in them.

The server's row in its own database ``_Server`` says whether its copy is up to date (ovsdb-server(5),
"Database Table"). A member of a cluster that has lost its leader, and a relay that has lost its source, still
answer every request, from old rows: only `connected` is false then, and the session ends. Servers before Open
vSwitch 2.9 have no such row, and no clusters.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hostcollector.base.errors import (
    SourceError,
    SourceMalformedError,
    SourceTimeoutError,
    SourceUnavailableError,
)
from hostcollector.base.lanes import Clock
from hostcollector.protocols.ovsdb.connection import CHUNK, Streams
from hostcollector.protocols.ovsdb.framing import Framer, Message
from hostcollector.protocols.ovsdb.replica import Kinds, Replica, updated
from hostcollector.protocols.ovsdb.row import ColumnKind, kind_of

Clause = tuple[str, str, Any]
Conditions = Mapping[str, Sequence[Clause]]
"""Table to clauses (column, function, value), of which a row must meet one; other tables are wanted whole."""

_MONITOR = "hostcollector"
_SIGNS_PER_SILENCE = 3
_STATE_MONITOR = "hostcollector-server"
_STATE_DATABASE = "_Server"
_STATE_TABLE = "Database"
_STATE_KINDS = {_STATE_TABLE: dict.fromkeys(("name", "model", "connected"), ColumnKind.ATOM)}


class CutOffError(SourceUnavailableError):
    """The server is cut off from its cluster or source: another server has to be used."""


class ServerState:
    """The server's row about its copy of `database`; `known` is False before its first answer."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._replica = Replica()
        self.known = False

    @property
    def question(self) -> list[Any]:
        """The parameters of the ``monitor_cond`` request that follows the row."""
        wanted = {"columns": list(_STATE_KINDS[_STATE_TABLE]), "where": [["name", "==", self._database]]}
        return [_STATE_DATABASE, _STATE_MONITOR, {_STATE_TABLE: [wanted]}]

    def is_missing(self) -> None:
        """Note that the server has no such row, because it is too old to be a member of a cluster."""
        self.known = True

    def take(self, rows: Any) -> None:
        """Apply an answer or an update. Raises `CutOffError`, or `SourceMalformedError`."""
        self._replica = updated(self._replica, rows, _STATE_KINDS, 0.0)
        self.known = True
        for row in self._replica.rows(_STATE_TABLE).values():
            # False is the column's default, and a default is not sent.
            if row.text("name") == self._database and not row.flag("connected"):
                what = "has lost its source" if row.text("model") == "relay" else "has lost its cluster"
                raise CutOffError(f"this server {what}, so that its copy of {self._database} may be old")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Columns by table, and conditions on rows, which may depend on the rows so far.

    While `conditions` gives None, nothing is requested; `reconsider` evaluates it again.
    """

    database: str
    columns: Mapping[str, Sequence[str]]
    conditions: Callable[[Replica], Conditions | None] = lambda _replica: {}


class _Pending(NamedTuple):
    """The handlers of an answer and of a refusal. Without `refused`, a refusal ends the session."""

    answered: Callable[[Any], None]
    refused: Callable[[], None] | None


class Session:
    """Follows a watch over one connection. `publish` gets each new replica; `heard` notes each message.

    A replica is published once its rows meet the conditions that its own content gives, and the server has
    reported that its copy is up to date. `silence` is the seconds without any message after which the session
    ends.
    """

    def __init__(
        self,
        watch: Watch,
        streams: Streams,
        *,
        silence: float,
        clock: Clock,
        publish: Callable[[Replica], None],
        heard: Callable[[], None],
    ) -> None:
        self._watch = watch
        self._reader, self._writer = streams
        self._silence = silence
        self._clock = clock
        self._publish = publish
        self._heard = heard
        self._last = clock()
        self._state = ServerState(watch.database)
        self._pending: dict[int, _Pending] = {}
        self._requests = 0
        self._kinds: Kinds | None = None
        self._conditions: dict[str, list[Any]] | None = None
        self._replica = Replica()
        self._requesting = False
        self._settled = False

    async def run(self) -> None:
        """Follow until the connection ends. Raises `SourceError` or `OSError` with the reason, always."""
        framer = Framer()
        self._request("get_schema", [self._watch.database], self._have_schema)
        self._request("monitor_cond", self._state.question, self._have_state, self._have_no_state)
        while True:
            for message in framer.feed(await self._next_chunk()):
                self._last = self._clock()
                self._heard()
                self._handle(message)
            try:
                async with asyncio.timeout(self._silence):
                    await self._writer.drain()
            except TimeoutError:
                raise SourceTimeoutError("the server does not take our answers") from None

    def reconsider(self) -> None:
        """Request other rows if the conditions have changed; called in the event loop."""
        wanted = None if self._requesting else self._wanted()
        if wanted is None or wanted == self._conditions:
            return
        before, self._conditions, self._requesting = self._conditions, wanted, True
        if before is None:
            self._request("monitor_cond", [self._watch.database, _MONITOR, self._first(wanted)], self._rows)
        else:
            changed = {table: [{"where": where}] for table, where in wanted.items() if where != before[table]}
            self._request("monitor_cond_change", [_MONITOR, _MONITOR, changed], lambda _: self._settle())

    async def _next_chunk(self) -> bytes:
        """Return the next bytes; a silent server is sent an echo request."""
        while (quiet := self._clock() - self._last) < self._silence:
            try:
                async with asyncio.timeout(self._silence / _SIGNS_PER_SILENCE):
                    chunk = await self._reader.read(CHUNK)
            except TimeoutError:
                self._send({"method": "echo", "params": [], "id": "alive"})
                continue
            if not chunk:
                raise SourceUnavailableError("the server closed the connection")
            return chunk
        raise SourceTimeoutError(f"the server has not said anything for {quiet:.0f} s")

    def _handle(self, message: Message) -> None:
        method, params = message.get("method"), message.get("params")
        if method == "echo":
            self._send({"id": message.get("id"), "result": params, "error": None})
        elif method == "update2":
            if not isinstance(params, list) or len(params) != 2 or self._kinds is None:
                raise SourceMalformedError("an update of a monitor that was not asked for")
            if params[0] == _STATE_MONITOR:
                self._state.take(params[1])
                return
            self._update(params[1])
            if not self._requesting:
                self._settle()
        elif method == "monitor_canceled":
            raise SourceUnavailableError("the server has ended the monitor; the database is being changed")
        elif method is None:
            self._answered(message)

    def _answered(self, message: Message) -> None:
        number = message.get("id")
        pending = self._pending.pop(number, None) if isinstance(number, int) else None
        if pending is None:
            return
        if message.get("error") is None:
            pending.answered(message.get("result"))
        elif pending.refused is None:
            raise _refused(message["error"])
        else:
            pending.refused()

    def _have_schema(self, schema: Any) -> None:
        """Note which of the wanted columns this version of the database has, and begin the monitor."""
        tables = schema.get("tables") if isinstance(schema, dict) else None
        if not isinstance(tables, dict):
            raise SourceMalformedError("a schema without tables")
        self._kinds = {
            table: {
                column: kind_of(declared[column].get("type"))
                for column in columns
                if isinstance(declared.get(column), dict)
            }
            for table, columns in self._watch.columns.items()
            if (declared := _columns(tables.get(table)))
        }
        self.reconsider()

    def _first(self, wanted: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        assert self._kinds is not None
        return {
            table: [{"columns": list(kinds), "where": wanted[table]}] for table, kinds in self._kinds.items()
        }

    def _rows(self, rows: Any) -> None:
        self._update(rows)
        self._settle()

    def _update(self, update: Any) -> None:
        assert self._kinds is not None
        self._replica = updated(self._replica, update, self._kinds, self._clock())

    def _settle(self) -> None:
        """Publish, unless other rows are wanted now: then they are waited for."""
        self._requesting = False
        self.reconsider()
        self._settled = True
        self._offer()

    def _offer(self) -> None:
        if self._settled and not self._requesting and self._state.known:
            self._publish(self._replica)

    def _have_state(self, rows: Any) -> None:
        self._state.take(rows)
        self._offer()

    def _have_no_state(self) -> None:
        self._state.is_missing()
        self._offer()

    def _wanted(self) -> dict[str, list[Any]] | None:
        """Return the clauses of every table that this database has; None while they are not known."""
        conditions = self._watch.conditions(self._replica)
        if self._kinds is None or conditions is None:
            return None
        return {table: _clauses(conditions.get(table), kinds) for table, kinds in self._kinds.items()}

    def _request(
        self,
        method: str,
        params: list[Any],
        answered: Callable[[Any], None],
        refused: Callable[[], None] | None = None,
    ) -> None:
        self._requests += 1
        self._pending[self._requests] = _Pending(answered, refused)
        self._send({"method": method, "params": params, "id": self._requests})

    def _send(self, message: Message) -> None:
        try:
            text = json.dumps(message)
        except RecursionError:  # an echo's parameters are the server's
            raise SourceMalformedError("a message that is nested too deeply") from None
        self._writer.write(text.encode())


def _columns(table: Any) -> dict[str, Any]:
    columns = table.get("columns") if isinstance(table, dict) else None
    return columns if isinstance(columns, dict) else {}


def _clauses(clauses: Sequence[Clause] | None, known: Mapping[str, Any]) -> list[Any]:
    """Return clauses as ``monitor_cond`` takes them: True for all rows, False for none."""
    if clauses is None:
        return [True]
    return [list(clause) for clause in clauses if clause[0] in known or clause[0] == "_uuid"] or [False]


def _refused(error: Any) -> SourceError:
    what = error.get("details") or error.get("error") if isinstance(error, dict) else error
    return SourceUnavailableError(f"the server refuses: {str(what)[:200]}")
