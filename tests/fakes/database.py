"""A database server of OVSDB's protocol that can be made to misbehave; a thread of the test."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from hostcollector.config.address import Remote, Transport
from hostcollector.protocols.ovsdb.framing import Framer

Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]

TEXTS = {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}
NUMBERS = {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}}
REFERENCES = {"type": {"key": {"type": "uuid"}, "min": 0, "max": "unlimited"}}
OPTIONAL_REFERENCE = {"type": {"key": {"type": "uuid"}, "min": 0}}
NUMBERED = {"type": {"key": "integer", "value": {"type": "uuid"}, "min": 0, "max": "unlimited"}}
OPTIONAL_NUMBER = {"type": {"key": "integer", "min": 0}}
OPTIONAL_TEXT = {"type": {"key": "string", "min": 0}}
TEXT = {"type": "string"}

# The columns that the collector follows, with the types of vswitch.ovsschema 8.3.1.
SWITCH_SCHEMA = {
    "Open_vSwitch": {
        "external_ids": TEXTS,
        "other_config": TEXTS,
        "ovs_version": OPTIONAL_TEXT,
        "dpdk_version": OPTIONAL_TEXT,
    },
    "Bridge": {"name": TEXT, "ports": REFERENCES},
    "Port": {"name": TEXT, "interfaces": REFERENCES, "tag": OPTIONAL_NUMBER, "qos": OPTIONAL_REFERENCE},
    "QoS": {"type": TEXT, "other_config": TEXTS, "queues": NUMBERED},
    "Queue": {"other_config": TEXTS},
    "Interface": {
        "name": TEXT,
        "type": TEXT,
        "ofport": OPTIONAL_NUMBER,
        "mtu": OPTIONAL_NUMBER,
        "error": OPTIONAL_TEXT,
        "options": TEXTS,
        "external_ids": TEXTS,
        "admin_state": OPTIONAL_TEXT,
        "link_state": OPTIONAL_TEXT,
        "link_resets": OPTIONAL_NUMBER,
        "statistics": NUMBERS,
        "status": TEXTS,
        "ingress_policing_rate": {"type": "integer"},
        "ingress_policing_burst": {"type": "integer"},
    },
}


def texts(**entries: str) -> list[Any]:
    """Return a map as the protocol writes it; underscores in the keys become hyphens."""
    return ["map", [[key.replace("_", "-"), value] for key, value in entries.items()]]


def numbers(**entries: int) -> list[Any]:
    """Return a map of numbers as the protocol writes it."""
    return ["map", [list(entry) for entry in entries.items()]]


def uuids(*members: str) -> list[Any]:
    """Return a set of references as the protocol writes it."""
    return ["set", [["uuid", member] for member in members]]


class Connection:
    """One client's connection, as the server sees it."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.state: Mapping[str, Any] | None = None
        """The server's own row of the database; None for a server that is too old to have one."""
        self._framer = Framer()
        self._messages: list[dict[str, Any]] = []

    def send(self, *messages: Any) -> None:
        """Send messages."""
        for message in messages:
            self.stream.sendall(message if isinstance(message, bytes) else json.dumps(message).encode())

    def receive(self) -> dict[str, Any]:
        """Return the next message; EOFError when the client has gone."""
        while not self._messages:
            chunk = self.stream.recv(65536)
            if not chunk:
                raise EOFError
            self._messages += self._framer.feed(chunk)
        return self._messages.pop(0)

    def answer(self, method: str, result: Any) -> dict[str, Any]:
        """Wait for a request of the method, answer it, and return it; echoes before it are answered too."""
        while (request := self.receive())["method"] != method or request["params"][:1] == ["_Server"]:
            if request["params"][:1] == ["_Server"]:
                self._tell_state(request)
            else:
                self.send({"id": request["id"], "result": request["params"], "error": None})
        self.send({"id": request["id"], "result": result, "error": None})
        return request

    def _tell_state(self, request: Mapping[str, Any]) -> None:
        refusal = {"error": "unknown database", "details": "_Server"}
        rows = None if self.state is None else {"Database": {"d1": {"initial": self.state}}}
        self.send({"id": request["id"], "result": rows, "error": refusal if rows is None else None})

    def change_state(self, change: Mapping[str, Any]) -> None:
        """Send an update of the server's own row of the database."""
        update = {"Database": {"d1": {"modify": change}}}
        self.send({"id": None, "method": "update2", "params": ["hostcollector-server", update]})

    def follow(self, schema: Mapping[str, Any], rows: Rows) -> None:
        """Answer as a good server does until the client has its first rows."""
        tables = {name: {"columns": columns} for name, columns in schema.items()}
        self.answer("get_schema", {"tables": tables})
        initial = {
            table: {uuid: {"initial": row} for uuid, row in content.items()}
            for table, content in rows.items()
        }
        self.answer("monitor_cond", initial)

    def update(self, update: Any) -> None:
        """Send an update of the monitor."""
        self.send({"id": None, "method": "update2", "params": ["hostcollector", update]})

    def stay(self) -> None:
        """Answer signs of life until the client has gone."""
        while True:
            request = self.receive()
            if request.get("method") == "echo":
                self.send({"id": request["id"], "result": request["params"], "error": None})


Behaviour = Callable[[Connection], None]


class FakeDatabase:
    """Serves one connection after the other, each with the behaviour that is set when it begins."""

    def __init__(self, path: Path, behave: Behaviour) -> None:
        self.remote = Remote(Transport.UNIX, path=str(path))
        self.behave = behave
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._stream: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name="fake-database", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        for stream in self._connections():
            with stream, contextlib.suppress(EOFError, OSError):
                self._stream = stream
                self.behave(Connection(stream))
                # What was sent is read before the end is noticed: not closed under the client's own request.
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(65536):
                    pass

    def _connections(self) -> Iterator[socket.socket]:
        while True:
            try:
                yield self._listener.accept()[0]
            except OSError:
                return


def good_switch(rows: Rows) -> Behaviour:
    """Return the behaviour of a switch's database that holds the rows and never changes."""

    def behave(connection: Connection) -> None:
        connection.follow(SWITCH_SCHEMA, rows)
        connection.stay()

    return behave
