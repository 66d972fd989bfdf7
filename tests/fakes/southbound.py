"""OVN's southbound database for one chassis, served by a thread of the test."""

import threading
from typing import Any

from tests.fakes.database import OPTIONAL_TEXT, REFERENCES, TEXT, TEXTS, Connection, texts

BOOLEAN = {"type": {"key": "boolean", "min": 0}}
# The columns that the collector follows, with the types of ovn-sb.ovsschema 20.27; additional_chassis is not
# there, as in databases before OVN 22.06.
SCHEMA = {
    "Chassis": {"name": TEXT, "hostname": TEXT},
    "Port_Binding": {
        "logical_port": TEXT,
        "type": TEXT,
        "mac": REFERENCES,
        "up": BOOLEAN,
        "datapath": TEXT,
        "external_ids": TEXTS,
        "options": TEXTS,
        "chassis": OPTIONAL_TEXT,
        "requested_chassis": OPTIONAL_TEXT,
    },
    "Datapath_Binding": {"tunnel_key": {"type": "integer"}, "external_ids": TEXTS},
}
NETWORK = {"tunnel_key": 41, "external_ids": texts(name="neutron-n1", name2="red")}


class Cloud:
    """A southbound database that gives each table's rows when the client requests them."""

    def __init__(self, *ports: dict[str, Any]) -> None:
        self.ports = ports
        self.asked: list[dict[str, Any]] = []
        self.gate = threading.Event()
        """Before it is set, no port is given."""
        self.gate.set()

    def behave(self, connection: Connection) -> None:
        """Serve one connection."""
        connection.follow(SCHEMA, {"Chassis": {"ch": {"name": "chassis-1"}}})
        ports = {port["logical_port"]: {"insert": port} for port in self.ports}
        for update in ({"Port_Binding": ports}, {"Datapath_Binding": {"net": {"insert": NETWORK}}}):
            request = connection.receive()
            self.asked.append(request["params"][2])
            self.gate.wait(10)
            connection.update(update)
            connection.send({"id": request["id"], "result": {}, "error": None})
        connection.stay()
