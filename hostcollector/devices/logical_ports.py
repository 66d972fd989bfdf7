"""The logical ports that OVN has on this host, from its southbound database (ovn-sb(5)).

Only this chassis' rows are requested, so that a thousand hypervisors do not each copy the whole cloud. The
local switch has the name of this chassis.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from hostcollector.base.definition import Domain
from hostcollector.base.errors import SourceUnavailableError
from hostcollector.config.services import OvnSettings
from hostcollector.devices.switch import LocalSwitch, Switch
from hostcollector.protocols.ovsdb.client import OvsdbClient
from hostcollector.protocols.ovsdb.connection import TlsFiles
from hostcollector.protocols.ovsdb.replica import Replica
from hostcollector.protocols.ovsdb.row import Row
from hostcollector.protocols.ovsdb.session import Clause, Conditions, Watch

DATABASE = "OVN_Southbound"
COLUMNS = {
    "Chassis": ("name", "hostname"),
    "Port_Binding": (
        *("logical_port", "type", "mac", "up", "datapath", "external_ids", "options"),
        *("chassis", "additional_chassis", "requested_chassis"),
    ),
    "Datapath_Binding": ("tunnel_key", "external_ids"),
}
# Ports whose project is remembered after they left; a port's project never changes.
MOST_REMEMBERED = 10_000

_NETWORK_PREFIX = "neutron-"
_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalPort:
    """A port of a logical switch. `up` is None where OVN has no value; `vni` is the network's tunnel key.

    `limit`, `guarantee` (bytes per second) and `burst` (bytes) are of what the guest sends; None for none.
    """

    name: str
    type: str = ""
    mac: str = ""
    up: bool | None = None
    bound: bool = False
    project_id: str = ""
    network: str = ""
    network_id: str = ""
    vni: int | None = None
    limit: int | None = None
    guarantee: int | None = None
    burst: int | None = None


class OvnPorts:
    """Follows the logical ports of this host. Nothing is opened before `start`."""

    def __init__(self, settings: OvnSettings, switch: LocalSwitch) -> None:
        self._switch = switch
        self._chassis = ""
        self._projects: Mapping[str, str] = MappingProxyType({})
        self._plugged: Mapping[str, frozenset[str]] = MappingProxyType({})
        self._reported: tuple[object, object] = (self._projects, self._plugged)
        self._read: tuple[Replica, Mapping[str, LogicalPort]] | None = None
        self._client = OvsdbClient(
            "ovn-database",
            settings.remote,
            Watch(database=DATABASE, columns=COLUMNS, conditions=self._conditions),
            maximum_age=settings.maximum_age_seconds,
            tls=_tls(settings),
            on_change=self._changed,
        )
        switch.listen(self._switch_changed)

    @property
    def age(self) -> float:
        """Seconds since the database's last sign of life."""
        return self._client.age

    @property
    def unread(self) -> Mapping[str, str]:
        """The rows that could not be read, with the reason, as of what `current` returned last."""
        if self._read is None:
            return {}
        return {f"{table} {uuid}": why for (table, uuid), why in self._read[0].unread.items()}

    def start(self) -> None:
        """Begin to follow; a second call does nothing."""
        self._switch.start()
        self._client.start()

    def close(self) -> None:
        """End following; a second call does nothing."""
        self._client.close()
        self._switch.close()

    def current(self) -> Mapping[str, LogicalPort]:
        """Return this host's ports by name, at once. Raises `SourceError` with the reason where it cannot."""
        if not self._chassis and not self._switch.current().system_id:
            raise SourceUnavailableError("the local switch has no system-id: this host is no chassis of OVN")
        replica, kept = self._client.replica(), self._read
        if not replica.rows("Chassis"):
            raise SourceUnavailableError(
                f"OVN knows no chassis {self._chassis!r}: ovn-controller has never run here"
            )
        if kept is None or kept[0] is not replica:
            kept = self._read = (replica, read_ports(replica))
        return kept[1]

    def interface_ids(self, domain: Domain) -> frozenset[str]:
        """Return the names of a guest's ports, by its definition and by what was plugged for it."""
        defined = frozenset(nic.interface_id for nic in domain.nics if nic.interface_id)
        return defined | self._plugged.get(domain.uuid.lower(), frozenset())

    def projects(self, domain: Domain) -> frozenset[str]:
        """Return the projects that a guest's ports belong to, as far as they were ever seen here."""
        self._client.settle_at_start()
        known = self._projects
        return frozenset(known[name] for name in self.interface_ids(domain) if name in known)

    def changed(self) -> bool:
        """Return whether `projects` may have changed since the last call."""
        now = (self._projects, self._plugged)
        before, self._reported = self._reported, now
        return now[0] is not before[0] or now[1] is not before[1]

    def _conditions(self, replica: Replica) -> Conditions | None:
        """Return which rows are wanted: our chassis, then its ports, then their networks."""
        if not self._chassis:
            return None
        ours = [["uuid", uuid] for uuid in sorted(replica.rows("Chassis"))]
        columns = ("chassis", "additional_chassis", "requested_chassis")
        networks = sorted({row.text("datapath") for row in replica.rows("Port_Binding").values()} - {""})
        return {
            "Chassis": [("name", "==", self._chassis)],
            "Port_Binding": [_includes(column, chassis) for column in columns for chassis in ours],
            "Datapath_Binding": [("_uuid", "==", ["uuid", uuid]) for uuid in networks],
        }

    def _switch_changed(self, switch: Switch) -> None:
        """Note which chassis this is and what is plugged; in the thread of the switch's client."""
        plugged: dict[str, frozenset[str]] = {}
        for port in switch.ports:
            if port.guest_uuid and port.interface_id:
                plugged[port.guest_uuid] = plugged.get(port.guest_uuid, frozenset()) | {port.interface_id}
        if plugged != self._plugged:
            self._plugged = MappingProxyType(plugged)
        if switch.system_id != self._chassis:
            self._chassis = switch.system_id
            self._client.reconsider()

    def _changed(self, replica: Replica) -> None:
        """Note the projects; in the thread of our client."""
        ports = read_ports(replica)
        self._read = (replica, ports)
        known = {port.name: port.project_id for port in ports.values() if port.project_id}
        if any(self._projects.get(name) != project for name, project in known.items()):
            kept = {name: project for name, project in self._projects.items() if name not in known}
            room = max(0, MOST_REMEMBERED - len(known))
            latest = dict(list(kept.items())[-room:]) if room else {}
            self._projects = MappingProxyType({**latest, **known})


def read_ports(replica: Replica) -> Mapping[str, LogicalPort]:
    """Return the replica's ports by name."""
    ours = frozenset(replica.rows("Chassis"))
    networks = replica.rows("Datapath_Binding")
    return MappingProxyType(
        {
            row.text("logical_port"): _port(row, networks.get(row.text("datapath"), Row({})), ours)
            for row in replica.rows("Port_Binding").values()
            if row.text("logical_port")
        }
    )


def _port(row: Row, network: Row, ours: frozenset[str]) -> LogicalPort:
    ids, network_ids = row.texts("external_ids"), network.texts("external_ids")
    name = network_ids.get("name", "")
    options = row.texts("options")
    return LogicalPort(
        name=row.text("logical_port"),
        type=row.text("type"),
        mac=_mac(row.members("mac")),
        up=row.flag("up"),
        bound=row.text("chassis") in ours,
        project_id=ids.get("neutron:project_id", ""),
        network=network_ids.get("name2") or name,
        network_id=name.removeprefix(_NETWORK_PREFIX) if name.startswith(_NETWORK_PREFIX) else "",
        vni=network.number("tunnel_key"),
        limit=_bytes(options.get("qos_max_rate", "")),
        guarantee=_bytes(options.get("qos_min_rate", "")),
        burst=_bytes(options.get("qos_burst", "")),
    )


def _bytes(bits: str) -> int | None:
    """Return bytes for a positive number of bits."""
    return int(bits) // 8 or None if bits.isascii() and bits.isdigit() and len(bits) <= 18 else None


def _mac(addresses: Iterable[str]) -> str:
    """Return the first MAC address; ports without one have words in its place: unknown, router, dynamic."""
    words = (address.partition(" ")[0].lower() for address in sorted(addresses))
    return next(filter(_MAC.fullmatch, words), "")


def _includes(column: str, chassis: list[str]) -> Clause:
    return (column, "includes", ["set", [chassis]])


def _tls(settings: OvnSettings) -> TlsFiles | None:
    if settings.ca_file is None:
        return None
    return TlsFiles(
        authority=Path(settings.ca_file),
        certificate=Path(settings.certificate_file) if settings.certificate_file else None,
        key=Path(settings.private_key_file) if settings.private_key_file else None,
    )
