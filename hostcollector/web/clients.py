"""Who is connected: which addresses, for how long, and who gives way to the next one."""

import asyncio
import ipaddress
import math
import socket
from collections import Counter
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from hostcollector.web.connection import Connection, without_farewell
from hostcollector.web.limits import Limits


class Need(IntEnum):
    """What a client waits for; the first ones give way first."""

    REQUEST = 0
    """It has not asked for anything yet, or not again."""

    READ = 1
    """It does not take its reply."""

    ANSWER = 2
    """It waits for us, and does not give way."""


class Client:
    """One accepted connection, from the first moment to the last.

    `since` is when it connected or sent its first bytes, on the loop's clock.
    """

    __slots__ = (
        "address",
        "closing_since",
        "connection",
        "greeting",
        "handed_over",
        "since",
        "socket",
        "transport",
    )

    def __init__(self, accepted: socket.socket, address: str, since: float) -> None:
        self.socket = accepted
        self.address = address
        self.since = since
        self.greeting: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None
        self.connection: Connection | None = None
        self.closing_since: float | None = None
        self.handed_over = False
        """Whether the socket is asyncio's, to be closed as well."""

    @property
    def need(self) -> Need:
        """What it waits for."""
        if self.greeting is not None or self.connection is None:
            return Need.REQUEST
        if self.connection.blocked_since is not None or self.closing_since is not None:
            return Need.READ
        return Need.REQUEST if self.connection.idle else Need.ANSWER

    @property
    def blocked_since(self) -> float:
        """Since when it has not taken what waits for it, on the loop's clock; infinite where nothing does."""
        blocked = self.connection.blocked_since if self.connection is not None else None
        return min(since for since in (blocked, self.closing_since, math.inf) if since is not None)

    @property
    def moved(self) -> float:
        """When it made its last step, on the loop's clock."""
        return self.since if self.greeting is not None or self.connection is None else self.connection.since

    def cut(self) -> None:
        """End the connection now, without a farewell, and with all that it holds."""
        if self.transport is not None:
            without_farewell(self.socket)
            self.transport.abort()
        elif self.greeting is not None:
            self.greeting.cancel()
        elif not self.handed_over:
            asyncio.get_running_loop().remove_reader(self.socket.fileno())
            self.socket.close()

    def overdue(self, now: float, limits: Limits) -> bool:
        """Whether it has made no progress for longer than a client may."""
        if self.connection is None:
            return now - self.since > limits.silent_seconds
        if self.closing_since is None and self.transport is not None and self.transport.is_closing():
            self.closing_since = now
        blocked = (self.connection.blocked_since, self.closing_since)
        return any(since is not None and now - since > limits.send_seconds for since in blocked)


class Clients:
    """All clients of one server, within its limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._clients: dict[Client, None] = {}  # the oldest first

    def __iter__(self) -> Iterator[Client]:
        return iter(tuple(self._clients))

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def greeted(self) -> int:
        """How many are in their handshake."""
        return sum(client.greeting is not None for client in self._clients)

    def add(self, client: Client) -> None:
        """Count a client."""
        self._clients[client] = None

    def remove(self, client: Client) -> None:
        """Count it no longer."""
        self._clients.pop(client, None)
        client.connection = client.greeting = None

    def make_room(self, address: str) -> bool:
        """Return whether one more client of `address` may be had; another one gives way where it must."""
        mine = [client for client in self._clients if client.address == address]
        if len(mine) >= self._limits.connections_per_address:
            return self._displace(mine)
        if len(self._clients) < self._limits.connections:
            return True
        everybody = list(self._clients)
        return self._displace(_of_the_busiest(everybody)) or self._displace(everybody)

    def make_room_for_handshake(self) -> None:
        """Cut off a client that is in its handshake, where there are too many of them."""
        greeted = [client for client in self._clients if client.greeting is not None]
        if len(greeted) >= self._limits.handshakes:
            self._displace(_of_the_busiest(greeted))

    def cut(self, client: Client) -> None:
        """Cut a client off."""
        client.cut()
        self.remove(client)

    def sweep(self, now: float) -> None:
        """Cut off those who make no progress."""
        for client in self:
            if client.overdue(now, self._limits):
                self.cut(client)

    def _displace(self, candidates: list[Client]) -> bool:
        """Cut off the one that has needed the least for longest; none that waits for our answer.

        Before all others goes one that has left its reply lying: who has just come has not asked yet.
        """
        latest = asyncio.get_running_loop().time() - self._limits.crowded_seconds
        late = [client for client in candidates if client.blocked_since < latest]
        client = min(late or candidates, key=lambda client: (client.need, client.moved))
        if client.need is Need.ANSWER:
            return False
        self.cut(client)
        return True


def _of_the_busiest(clients: list[Client]) -> list[Client]:
    (address, _), *_ = Counter(client.address for client in clients).most_common(1)
    return [client for client in clients if client.address == address]


def address_of(peer: Any) -> str:
    """Return whom a socket's peer counts as: its IPv4 address, its IPv6 network; "" for a unix socket."""
    if not isinstance(peer, tuple):
        return ""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False)) if not address.is_loopback else "::1"
