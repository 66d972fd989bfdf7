"""The `ovn` source: the guests' logical ports and their networks, from OVN's southbound database.

The database is followed in the background; a read takes the present rows. Off while none is configured.
"""

from collections.abc import Iterator

from hostcollector.base.definition import Domain
from hostcollector.base.errors import SourceError
from hostcollector.base.gaps import Gaps
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import limits, ovs
from hostcollector.devices.logical_ports import LogicalPort, OvnPorts
from hostcollector.devices.switch import LocalSwitch


class Ovn(Source):
    """Turns the logical ports of active guests into series; `ports` is None without a configured database."""

    name = "ovn"

    def __init__(self, ports: OvnPorts | None, switch: LocalSwitch) -> None:
        self._ports = ports
        self._switch = switch

    def start(self) -> None:
        """Begin to follow the databases."""
        if self._ports is not None:
            self._ports.start()

    def read(self, request: Request) -> Reading:
        """Return the ports' series. Raises `SourceError` when a database cannot be followed."""
        if self._ports is None:
            return Reading(samples=(), off="ovn.remote is not set", notes=tuple(self._hint()))
        ports = self._ports.current()
        gaps = Gaps()
        found = [Sample(ovs.OVN_PORTS, len(ports)), Sample(ovs.OVN_DATABASE_AGE, self._ports.age)]
        elsewhere = self._elsewhere()
        for uuid, guest in request.guests.items():
            devices = _devices(guest.domain)
            for name in sorted(self._ports.interface_ids(guest.domain)):
                with gaps.item(f"logical port {name!r}"):
                    if name in ports:
                        found += _samples(ports[name], devices.get(name, ""), uuid)
                    elif name not in elsewhere:
                        gaps.missing("logical port", f"{name} of guest {guest.domain.name!r}")
        for row, why in self._ports.unread.items():
            gaps.unread(row, why)
        return Reading(samples=found, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def close(self) -> None:
        """End following the databases."""
        if self._ports is not None:
            self._ports.close()

    def _elsewhere(self) -> frozenset[str]:
        """Return the ids of ports on bridges that are not OVN's: no logical ports."""
        try:
            switch = self._switch.current()
        except SourceError:
            return frozenset()
        return frozenset(
            port.interface_id
            for port in switch.ports
            if port.bridge and port.bridge != switch.integration_bridge
        )

    def _hint(self) -> Iterator[str]:
        """Yield what to configure on a host that is a chassis of OVN."""
        try:
            remote = self._switch.current().ovn_remote
        except SourceError:
            return
        if remote:
            yield f"this host is a chassis of OVN at {remote}: set ovn.remote to see its logical ports"


def _devices(domain: Domain) -> dict[str, str]:
    return {nic.interface_id: nic.target for nic in domain.nics if nic.interface_id}


def _samples(port: LogicalPort, device: str, uuid: str) -> Iterator[Sample]:
    vni = "" if port.vni is None else str(port.vni)
    described = (device, port.mac, port.type, port.network, port.network_id, vni, port.project_id)
    yield Sample(ovs.OVN_PORT_INFO, 1.0, (port.name, *described), uuid)
    yield Sample(ovs.OVN_PORT_BOUND, float(port.bound), (port.name,), uuid)
    for row, value in (
        (limits.OVN_LIMIT, port.limit),
        (limits.OVN_GUARANTEE, port.guarantee),
        (limits.OVN_BURST, port.burst),
    ):
        if value is not None:
            yield Sample(row, value, (port.name, "transmit"), uuid)
    if port.up is not None:
        yield Sample(ovs.OVN_PORT_UP, float(port.up), (port.name,), uuid)
