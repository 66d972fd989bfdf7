"""The `ovs` source: the guests' ports on this machine's Open vSwitch, from the replica of its database.

A read takes the present rows and does not wait. Ports without a netdev on the host (vhost-user) also get
the series that every exporter has; those with one have them from the netlink source.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from hostcollector.base.definition import Nic
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Guest, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import limits, ovs
from hostcollector.devices.owners import OwnerFinder
from hostcollector.devices.sriov import TopologyReader
from hostcollector.devices.switch import VHOST_USER_TYPES, LocalSwitch, Switch, SwitchPort
from hostcollector.protocols.ovsdb.connection import NoServerError
from hostcollector.sources.ovs.owners import OwnedPort, PortOwners, owned
from hostcollector.sources.ovs.statistics import common_samples, samples

_STATES = {"up": 1.0, "down": 0.0}
_CONNECTIONS = {"connected": 1.0, "disconnected": 0.0}
# No port of the switch is of a macvtap or a passed-through function, whatever ids they carry.
_NEVER = frozenset({"direct", "hostdev"})


class OpenVswitch(Source):
    """Turns the ports of active guests into series. A machine without a switch is not a failure."""

    name = "ovs"

    def __init__(self, switch: LocalSwitch, root: Path, clock: Clock = time.monotonic) -> None:
        self._switch = switch
        self._vfs = TopologyReader(root)
        self._owners = OwnerFinder(locator=self._vfs)
        self._clock = clock

    def start(self) -> None:
        """Begin to follow the database."""
        self._switch.start()

    def read(self, request: Request) -> Reading:
        """Return the ports' series. Raises `SourceError` when the database cannot be followed."""
        gaps = Gaps()
        try:
            switch = self._switch.current()
        except NoServerError as error:
            gaps.fact(f"no Open vSwitch on this machine: {error}")
            _find(Switch(), request, gaps)
            return Reading(samples=(), notes=gaps.notes, partial=bool(gaps), missing=gaps.count)
        owners = PortOwners(request.guests, self._representors(request))
        ports = list(owned(switch.ports, owners))
        found: list[Sample] = []
        for port in ports:
            with gaps.item(f"port {port.port.name!r}"):
                found += _port_samples(port)
        found += _host_samples(switch, ports, self._switch.age, self._clock())
        _find(switch, request, gaps)
        _doubt(switch, ports, owners, gaps)
        return Reading(samples=found, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def close(self) -> None:
        """End following the database."""
        self._switch.close()

    def _representors(self, request: Request) -> Mapping[str, str]:
        """Return the guests' UUIDs by the names of their VFs' representors."""
        representors = self._vfs.read().representors
        if not representors:
            return {}
        owners = self._owners.find(request.guests, all_listed=request.guests_listed)
        found = {netdev: owners.of(address) for netdev, address in representors.items()}
        return {netdev: owner.uuid for netdev, owner in found.items() if owner is not None and owner.uuid}


def _port_samples(owned_port: OwnedPort) -> Iterator[Sample]:
    port, uuid = owned_port.port, owned_port.uuid
    target = (port.name,)
    yield from samples(port.statistics, port.name, uuid)
    yield Sample(ovs.PORT_INFO, 1.0, _description(port), uuid)
    yield Sample(ovs.PORT_FAILED, float(bool(port.error)), target, uuid)
    if port.link_state in _STATES:
        yield Sample(ovs.LINK_UP, _STATES[port.link_state], target, uuid)
    if port.admin_state in _STATES:
        yield Sample(ovs.ADMIN_UP, _STATES[port.admin_state], target, uuid)
    if port.link_resets is not None:
        yield Sample(ovs.LINK_RESETS, port.link_resets, target, uuid)
    if port.mtu is not None:
        yield Sample(ovs.MTU, port.mtu, target, uuid)
    yield from _limits(port, uuid)
    if port.type in VHOST_USER_TYPES:
        yield from common_samples(port.statistics, port.name, uuid)
        yield from _vhost_user(port, uuid)


def _limits(port: SwitchPort, uuid: str) -> Iterator[Sample]:
    """Yield what the port is limited to: what arrives at the switch, the guest transmits."""
    set_to = port.limits
    if set_to.arriving is not None:
        yield Sample(limits.OVS_LIMIT, set_to.arriving, (port.name, "transmit"), uuid)
    if set_to.arriving_burst is not None:
        yield Sample(limits.OVS_BURST, set_to.arriving_burst, (port.name, "transmit"), uuid)
    if set_to.leaving is not None:
        yield Sample(limits.OVS_LIMIT, set_to.leaving, (port.name, "receive"), uuid)
    for queue, rate in set_to.queues.items():
        yield Sample(limits.OVS_QUEUE_LIMIT, rate, (port.name, str(queue)), uuid)


def _description(port: SwitchPort) -> tuple[str, ...]:
    return (
        port.name,
        port.bridge,
        port.port,
        "" if port.ofport is None else str(port.ofport),
        port.type or "system",
        "" if port.vlan is None else str(port.vlan),
        port.interface_id,
        port.mac,
        port.status.get("driver_name", ""),
    )


def _vhost_user(port: SwitchPort, uuid: str) -> Iterator[Sample]:
    status = port.status
    connection = _CONNECTIONS.get(status.get("status", ""))
    if connection is not None:
        yield Sample(ovs.VHOST_USER_CONNECTED, connection, (port.name,), uuid)
    described = (status.get("mode", ""), port.socket, status.get("numa", ""), status.get("num_of_vrings", ""))
    yield Sample(ovs.VHOST_USER_INFO, 1.0, (port.name, *described), uuid)


def _host_samples(switch: Switch, ports: Sequence[OwnedPort], age: float, now: float) -> Iterator[Sample]:
    claimed = {owned_port.port.name for owned_port in ports}
    # Not by the logical port: those of OVN's own metadata proxies have one, too.
    unclaimed = sum(1 for port in switch.ports if port.guest_uuid and port.name not in claimed)
    yield Sample(ovs.SWITCH_INFO, 1.0, (switch.version, switch.dpdk_version, switch.system_id))
    yield Sample(ovs.DATABASE_AGE, age)
    yield Sample(ovs.STATISTICS_INTERVAL, switch.statistics_interval)
    yield Sample(ovs.PORTS, len(switch.ports))
    yield Sample(ovs.PORTS_UNCLAIMED, unclaimed)
    if switch.statistics_changed_at is not None:
        yield Sample(ovs.STATISTICS_AGE, max(0.0, now - switch.statistics_changed_at))


def _find(switch: Switch, request: Request, gaps: Gaps) -> None:
    """Note the interfaces of guests that are on no port of the switch."""
    for guest, interface in unplugged(request.guests.values(), switch):
        gaps.missing("switch port", f"{interface} of guest {guest.domain.name!r}")


def _doubt(switch: Switch, ports: Iterable[OwnedPort], owners: PortOwners, gaps: Gaps) -> None:
    """Note which ports are left out, and which the switch itself could not set up."""
    for row, why in switch.unread.items():
        gaps.unread(row, why)
    for owned_port in ports:
        if owned_port.port.error:
            gaps.note(f"the switch could not set up port {owned_port.port.name!r}: {owned_port.port.error}")
    for port in switch.ports:
        if len(owners.of(port)) > 1:
            gaps.note(
                f"port {port.name!r} is left out: its name and its external ids belong to different guests; "
                "remove what an earlier guest left behind with ovs-vsctl"
            )


def unplugged(guests: Iterable[Guest], switch: Switch) -> Iterator[tuple[Guest, str]]:
    """Yield the guests' interfaces that should be on a port of the switch and are on none.

    An interface with the id of a virtual port is on one. A vhost-user socket may be any program's: it is the
    switch's only where the switch has such ports at all.
    """
    signs = {sign for port in switch.ports for sign in (port.interface_id, port.name, port.socket)} - {""}
    has_sockets = any(port.type in VHOST_USER_TYPES for port in switch.ports)
    for guest in guests:
        for nic in guest.domain.nics:
            socket = str(PurePosixPath(nic.source_socket)) if nic.type == "vhostuser" and has_sockets else ""
            is_promised = nic.type not in _NEVER and (nic.interface_id or (nic.source_socket and socket))
            if is_promised and signs.isdisjoint((nic.interface_id, nic.target, socket)):
                yield guest, _name(nic)


def _name(nic: Nic) -> str:
    return nic.target or nic.source_socket or nic.interface_id
