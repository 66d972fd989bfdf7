"""Whether a server's copy of a database is up to date: its row in the server's own database ``_Server``.

A member of a cluster that has lost its leader, and a relay that has lost its source, go on answering every
question and every sign of life, from what they heard last. Only this row says so: `connected` is false then
(ovsdb-server(5), "Database Table"). Servers before Open vSwitch 2.9 do not have it, nor clusters.
"""

from typing import Any

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.protocols.ovsdb.replica import Replica, updated
from hostcollector.protocols.ovsdb.row import ColumnKind

MONITOR = "hostcollector-server"
_DATABASE = "_Server"
_TABLE = "Database"
_KINDS = {_TABLE: dict.fromkeys(("name", "model", "connected"), ColumnKind.ATOM)}


class CutOffError(SourceUnavailableError):
    """The server has lost touch with whoever may change its database: another server is to be asked."""


class ServerState:
    """What the server says of its copy of `database`. Nothing is known before its first answer."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._replica = Replica()
        self.known = False

    @property
    def question(self) -> list[Any]:
        """The parameters of the ``monitor_cond`` request that follows the row."""
        wanted = {"columns": list(_KINDS[_TABLE]), "where": [["name", "==", self._database]]}
        return [_DATABASE, MONITOR, {_TABLE: [wanted]}]

    def is_not_told(self) -> None:
        """Note that the server has no such row, because it is too old to be a member of a cluster."""
        self.known = True

    def take(self, rows: Any) -> None:
        """Apply an answer or an update. Raises `CutOffError`, and `SourceMalformedError` for what is none."""
        self._replica = updated(self._replica, rows, _KINDS, 0.0)
        self.known = True
        for row in self._replica.rows(_TABLE).values():
            # False is the column's default, and a default is not sent.
            if row.text("name") == self._database and not row.flag("connected"):
                what = "has lost its source" if row.text("model") == "relay" else "has lost its cluster"
                raise CutOffError(f"this server {what}, so that its copy of {self._database} may be old")
