"""Which active guest a port of the switch belongs to.

Five signs count: the guest's UUID on the port, the logical port, the netdev's name, the VF of a representor,
the vhost-user socket. Signs that contradict each other give no owner: counters on the wrong tenant's page are
worse than none. The MAC address, which two tenants may both use, counts only without any other sign.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from hostcollector.base.definition import Nic
from hostcollector.base.model import Guest
from hostcollector.devices.switch import VHOST_USER_TYPES, SwitchPort

Signs = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class OwnedPort:
    """A port with the UUID of the active guest that it belongs to."""

    port: SwitchPort
    uuid: str


class PortOwners:
    """The signs of the active guests' interfaces. A sign that two guests have is none.

    `representors` are the netdevs of guests' VFs in the switch, with the guests' UUIDs.
    """

    def __init__(
        self, guests: Mapping[str, Guest], representors: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._representors = representors
        self._guests = frozenset(guests)
        self._interface_ids: Signs = {}
        self._netdevs: Signs = {}
        self._sockets: Signs = {}
        self._macs: Signs = {}
        for uuid, guest in guests.items():
            for nic in guest.domain.nics:
                self._note(uuid, nic)

    def of(self, port: SwitchPort) -> frozenset[str]:
        """Return the owner's UUID; none for an unassigned port, several where the signs disagree."""
        claims = {port.guest_uuid} & self._guests
        claims |= _only(self._interface_ids, port.interface_id)
        claims |= _only(self._sockets, port.socket)
        if port.type not in VHOST_USER_TYPES:
            claims |= _only(self._netdevs, port.name)
            claims |= {self._representors[port.name]} if port.name in self._representors else set()
        if not claims and not port.guest_uuid and port.type != "patch":
            claims = _only(self._macs, port.mac)
        return frozenset(claims)

    def _note(self, uuid: str, nic: Nic) -> None:
        socket = str(PurePosixPath(nic.source_socket)) if nic.source_socket else ""
        for signs, key in (
            (self._interface_ids, nic.interface_id),
            (self._netdevs, nic.target),
            (self._sockets, socket),
            (self._macs, nic.mac.lower()),
        ):
            if key:
                signs.setdefault(key, set()).add(uuid)


def owned(ports: Iterable[SwitchPort], owners: PortOwners) -> Iterator[OwnedPort]:
    """Yield the ports that have exactly one owner."""
    for port in ports:
        uuids = owners.of(port)
        if len(uuids) == 1:
            yield OwnedPort(port, next(iter(uuids)))


def _only(signs: Signs, key: str) -> set[str]:
    """Return the only guest with the sign, if there is exactly one."""
    found = signs.get(key, set())
    return found if len(found) == 1 else set()
