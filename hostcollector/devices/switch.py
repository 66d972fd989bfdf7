"""This machine's Open vSwitch as its database describes it: ports, and the guests that they name.

Column and key names are those of ovs-vswitchd.conf.db(5); the external ids are written by os-vif and libvirt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from hostcollector.config.services import OvsSettings
from hostcollector.protocols.ovsdb.client import OvsdbClient
from hostcollector.protocols.ovsdb.replica import Replica
from hostcollector.protocols.ovsdb.row import Row
from hostcollector.protocols.ovsdb.session import Watch

WATCH = Watch(
    database="Open_vSwitch",
    columns={
        "Open_vSwitch": ("external_ids", "other_config", "ovs_version", "dpdk_version"),
        "Bridge": ("name", "ports"),
        "Port": ("name", "interfaces", "tag", "qos"),
        "QoS": ("type", "other_config", "queues"),
        "Queue": ("other_config",),
        "Interface": (
            *("name", "type", "ofport", "mtu", "error", "options", "external_ids"),
            *("admin_state", "link_state", "link_resets", "statistics", "status"),
            *("ingress_policing_rate", "ingress_policing_burst"),
        ),
    },
)
INTEGRATION_BRIDGE = "br-int"
"""OVN's bridge where external_ids:ovn-bridge names no other (ovn-controller(8))."""
VHOST_USER_TYPES = frozenset({"dpdkvhostuser", "dpdkvhostuserclient"})
SHORTEST_INTERVAL_SECONDS = 5.0
MOST_QUEUES = 64
"""More queues than a guest's port is given."""
# Policing is set in 1,000 bits per second and 1,000 bits (ovs-vswitchd.conf.db(5), Interface).
_POLICED_BYTES = 125
# Qdiscs with a rate in bits per second, and those of the user-space datapath with one in bytes.
_IN_BITS, _IN_BYTES = frozenset({"linux-htb", "linux-hfsc"}), frozenset({"egress-policer", "trtcm-policer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PortLimits:
    """What the switch is set to limit a port to, in bytes per second and bytes; None for what is not set.

    `arriving` comes from the guest, `leaving` goes to it. `queues` are rates of leaving queues by number.
    """

    arriving: int | None = None
    arriving_burst: int | None = None
    leaving: int | None = None
    queues: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchPort:
    """An interface of the switch. `statistics` are from the switch's point of view.

    `interface_id`, `guest_uuid` and `mac` are written by Nova or libvirt when it plugs the port; else empty.
    """

    name: str
    type: str = ""
    bridge: str = ""
    port: str = ""
    vlan: int | None = None
    ofport: int | None = None
    mtu: int | None = None
    interface_id: str = ""
    guest_uuid: str = ""
    mac: str = ""
    socket: str = ""
    admin_state: str = ""
    link_state: str = ""
    link_resets: int | None = None
    error: str = ""
    statistics: Mapping[str, int] = field(default_factory=dict)
    status: Mapping[str, str] = field(default_factory=dict)
    limits: PortLimits = field(default_factory=PortLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The whole switch at one moment. `statistics_changed_at` is on the monotonic clock, in seconds.

    `unread` are the database's rows that could not be read, with the reason.
    """

    ports: tuple[SwitchPort, ...] = ()
    system_id: str = ""
    ovn_remote: str = ""
    integration_bridge: str = INTEGRATION_BRIDGE
    version: str = ""
    dpdk_version: str = ""
    statistics_interval: float = SHORTEST_INTERVAL_SECONDS
    statistics_changed_at: float | None = None
    unread: Mapping[str, str] = field(default_factory=dict)


class LocalSwitch:
    """Follows this machine's switch for several readers. Nothing is opened before `start`."""

    def __init__(self, settings: OvsSettings) -> None:
        self._client = OvsdbClient(
            "ovs-database",
            [settings.remote],
            WATCH,
            maximum_age=settings.maximum_age_seconds,
            on_change=self._changed,
        )
        self._listeners: tuple[Callable[[Switch], None], ...] = ()
        self._read: tuple[Replica, Switch] | None = None

    @property
    def age(self) -> float:
        """Seconds since the database's last sign of life."""
        return self._client.age

    def start(self) -> None:
        """Begin to follow; a second call does nothing."""
        self._client.start()

    def close(self) -> None:
        """End following; a second call does nothing."""
        self._client.close()

    def listen(self, listener: Callable[[Switch], None]) -> None:
        """Call `listener` with each new state, in the client's thread. Before `start` only."""
        self._listeners = (*self._listeners, listener)

    def current(self) -> Switch:
        """Return the switch as it is now, at once. Raises `SourceError` with the reason where it cannot."""
        replica, kept = self._client.replica(), self._read
        if kept is None or kept[0] is not replica:
            kept = self._read = (replica, read_switch(replica))
        return kept[1]

    def _changed(self, replica: Replica) -> None:
        switch = read_switch(replica)
        self._read = (replica, switch)
        for listener in self._listeners:
            listener(switch)


def read_switch(replica: Replica) -> Switch:
    """Return the switch that the replica describes; empty rows are left out."""
    root = next(iter(replica.rows("Open_vSwitch").values()), Row({}))
    ids = root.texts("external_ids")
    ports = replica.rows("Port")
    bridges = {
        port: bridge.text("name")
        for bridge in replica.rows("Bridge").values()
        for port in bridge.members("ports")
    }
    places = {
        interface: (bridges.get(uuid, ""), port)
        for uuid, port in ports.items()
        for interface in port.members("interfaces")
    }
    return Switch(
        ports=tuple(
            _port(row, *places.get(uuid, ("", Row({}))), replica)
            for uuid, row in replica.rows("Interface").items()
            if row.text("name")
        ),
        system_id=ids.get("system-id", ""),
        ovn_remote=ids.get("ovn-remote", ""),
        integration_bridge=ids.get("ovn-bridge") or INTEGRATION_BRIDGE,
        version=root.text("ovs_version"),
        dpdk_version=root.text("dpdk_version"),
        statistics_interval=_interval(root.texts("other_config").get("stats-update-interval", "")),
        statistics_changed_at=replica.changed_at.get(("Interface", "statistics")),
        unread={f"{table} {uuid}": why for (table, uuid), why in replica.unread.items()},
    )


def _port(row: Row, bridge: str, port: Row, replica: Replica) -> SwitchPort:
    ids, options, status = row.texts("external_ids"), row.texts("options"), row.texts("status")
    return SwitchPort(
        name=row.text("name"),
        type=row.text("type"),
        bridge=bridge,
        port=port.text("name"),
        vlan=port.number("tag"),
        ofport=row.number("ofport"),
        mtu=row.number("mtu"),
        interface_id=ids.get("iface-id", ""),
        guest_uuid=(ids.get("vm-uuid") or ids.get("vm-id", "")).lower(),
        # Not mac_in_use: that is the host's side of a tap.
        mac=ids.get("attached-mac", "").lower(),
        socket=_path(options.get("vhost-server-path") or status.get("socket", "")),
        admin_state=row.text("admin_state"),
        link_state=row.text("link_state"),
        link_resets=row.number("link_resets"),
        error=row.text("error"),
        statistics=row.numbers("statistics"),
        status=status,
        limits=_limits(row, port, replica),
    )


def _limits(row: Row, port: Row, replica: Replica) -> PortLimits:
    """Return what a port is limited to; a rate of 0 is none."""
    policed, burst = row.number("ingress_policing_rate"), row.number("ingress_policing_burst")
    quality = replica.rows("QoS").get(port.text("qos"), Row({}))
    kind, settings = quality.text("type"), quality.texts("other_config")
    leaving = _bytes(settings.get("max-rate", "")) if kind in _IN_BITS else None
    if kind in _IN_BYTES:
        leaving = _number(settings.get("cir", ""))
    queues = sorted(quality.numbered("queues").items())[:MOST_QUEUES] if kind in _IN_BITS else []
    known = replica.rows("Queue")
    rates = {
        number: _bytes(known.get(uuid, Row({})).texts("other_config").get("max-rate", ""))
        for number, uuid in queues
    }
    return PortLimits(
        arriving=policed * _POLICED_BYTES if policed else None,
        arriving_burst=burst * _POLICED_BYTES if policed and burst else None,
        leaving=leaving,
        queues={number: rate for number, rate in rates.items() if rate},
    )


def _bytes(bits: str) -> int | None:
    rate = _number(bits)
    return rate // 8 if rate else None


def _number(text: str) -> int | None:
    """Return a positive number of at most 18 digits."""
    return int(text) or None if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _path(text: str) -> str:
    return str(PurePosixPath(text)) if text else ""


def _interval(milliseconds: str) -> float:
    """Return the interval in seconds: what is set, but never less than the switch allows."""
    if not (milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) < 10):
        return SHORTEST_INTERVAL_SECONDS
    return max(SHORTEST_INTERVAL_SECONDS, int(milliseconds) / 1000)
