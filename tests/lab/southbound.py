"""OVN's southbound database as a real ovsdb-server, with rows as northd and ovn-controller write them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.process import end, until
from tests.lab.switch import OVN_NB_SCHEMA, DatabaseServer


@dataclass(frozen=True, slots=True)
class Southbound:
    """The rows of a running server with OVN's schema."""

    server: DatabaseServer

    def chassis(self, name: str) -> str:
        """Insert a chassis and return its UUID."""
        encap = {"type": "geneve", "ip": f"192.0.2.{len(name)}", "chassis_name": name}
        return self._transact(
            {"op": "insert", "table": "Encap", "row": encap, "uuid-name": "encap"},
            self._insert("Chassis", {"name": name, "hostname": name, "encaps": ["named-uuid", "encap"]}),
        )

    def network(self, key: int, uuid: str, display_name: str) -> str:
        """Insert a network as Neutron names it and return its UUID."""
        ids = {"name": f"neutron-{uuid}", "name2": display_name, "logical-switch": uuid}
        return self._transact(
            self._insert("Datapath_Binding", {"tunnel_key": key, "external_ids": _map(ids)})
        )

    def port(
        self,
        name: str,
        network: str,
        key: int,
        *,
        chassis: str = "",
        project: str = "",
        up: bool | None = None,
    ) -> None:
        """Insert a logical port, bound to a chassis or to none."""
        row: dict[str, Any] = {
            "logical_port": name,
            "datapath": ["uuid", network],
            "tunnel_key": key,
            "mac": f"fa:16:3e:00:00:{key:02x} 10.0.0.{key}",
            "external_ids": _map({"neutron:project_id": project} if project else {}),
        }
        if chassis:
            row["chassis"] = ["uuid", chassis]
        if up is not None:
            row["up"] = up
        self._transact(self._insert("Port_Binding", row))

    def change_port(self, name: str, **row: Any) -> None:
        """Change columns of a logical port."""
        where = [["logical_port", "==", name]]
        self._transact({"op": "update", "table": "Port_Binding", "where": where, "row": row})

    def _insert(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        return {"op": "insert", "table": table, "row": row}

    def _transact(self, *operations: dict[str, Any]) -> str:
        """Run a transaction and return the UUID that its last operation gave."""
        results = json.loads(self.server.transact(json.dumps(["OVN_Southbound", *operations])))
        errors = [result for result in results if result and "error" in result]
        assert not errors, errors
        return str(results[-1].get("uuid", ["uuid", ""])[1])


def _map(entries: dict[str, str]) -> list[Any]:
    return ["map", [list(entry) for entry in entries.items()]]


@contextmanager
def northd(directory: Path, central: DatabaseServer) -> Iterator[DatabaseServer]:
    """Give a northbound database from which a real ovn-northd fills the southbound one."""
    with DatabaseServer(directory, OVN_NB_SCHEMA) as north:
        remotes = (f"--ovnnb-db={north.remote}", f"--ovnsb-db={central.remote}")
        daemon: subprocess.Popen[bytes] = north.daemon("ovn-northd", *remotes)
        try:
            yield north
        finally:
            end(daemon)


def bind(central: DatabaseServer, port: str, chassis: str) -> None:
    """Bind a logical port to a chassis as ovn-controller does, once northd has written it."""
    tool = ("ovn-sbctl", f"--db={central.remote}", "--timeout=10")
    find = (*tool, "--bare", "--columns=_uuid", "find", "port_binding", f"logical_port={port}")
    until(lambda: central.tool(*find).strip() != "", 10, f"northd's port {port}")
    central.tool(*tool, "lsp-bind", port, chassis)
