"""Which interfaces the guests' definitions put on this machine's Open vSwitch."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from hostcollector.base.model import Guest, Nic
from hostcollector.devices.switch import VHOST_USER_TYPES, Switch

# No port of the switch is of a macvtap or a passed-through function, whatever ids they carry.
_NEVER = frozenset({"direct", "hostdev"})


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
