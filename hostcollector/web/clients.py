"""Connected clients and requests in progress: their limits, and which one is cut off to make room."""

import asyncio
import fcntl
import ipaddress
import math
import socket
import termios
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from hostcollector.web.connection import HttpConnection, without_farewell
from hostcollector.web.replies import unavailable

STEP_SECONDS = 0.1
"""How often a waiting request looks for a client that does not take its reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """The bounds of the web side. An address is an IPv4 address, or the /64 network of an IPv6 one."""

    connections: int = 256
    """Open connections, silent ones and handshakes included. Above it one is cut off: the one that has
    requested nothing for longest, of the address with the most connections."""

    connections_per_address: int = 64
    """Connections of one address; enough for a proxy or a NAT in front of many scrapers."""

    handshakes: int = 64
    """TLS handshakes at the same time. Above it the oldest one of the busiest address is cut off."""

    requests: int = 40
    """Requests that are answered at the same time. The next one waits `patience_seconds`, then gets 503."""

    requests_per_address: int = 10
    """Requests of one address. Above it a client that is slow to take its page is cut off."""

    silent_seconds: float = 10.0
    """Time for a client's first byte after it connected, and for its TLS handshake."""

    idle_seconds: float = 90.0
    """Time for a complete request on an open connection; longer than a scrape interval."""

    send_seconds: float = 30.0
    """Time in which a client must take a reply, and any other byte: a probe's answer, the end of TLS."""

    patience_seconds: float = 2.0
    """A client that has taken nothing for so long is cut off for another request of its address. A request
    waits so long for a free slot."""

    crowded_seconds: float = 0.25
    """The same as the first, for a client of any address, where all slots are taken: a scraper is faster."""

    shutdown_seconds: float = 1.5
    """Time for the requests in progress when the server closes, which takes at most twice as long."""


class Need(IntEnum):
    """What a client waits for; those with a lower value are cut off first."""

    REQUEST = 0
    """It has requested nothing yet, or nothing more."""

    READ = 1
    """It does not take its reply."""

    ANSWER = 2
    """It waits for the collector, and is never cut off to make room."""


class AcceptedClient:
    """One accepted connection, from `accept` to its end.

    `since` is when it connected or sent its first bytes, on the loop's clock.
    """

    __slots__ = (
        "address",
        "closing_since",
        "connection",
        "handed_over",
        "handshake",
        "since",
        "socket",
        "transport",
    )

    def __init__(self, accepted: socket.socket, address: str, since: float) -> None:
        self.socket = accepted
        self.address = address
        self.since = since
        self.handshake: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None
        self.connection: HttpConnection | None = None
        self.closing_since: float | None = None
        self.handed_over = False
        """Whether asyncio has the socket, and closes it."""

    @property
    def need(self) -> Need:
        """What it waits for."""
        if self.handshake is not None or self.connection is None:
            return Need.REQUEST
        if self.connection.blocked_since is not None or self.closing_since is not None:
            return Need.READ
        return Need.REQUEST if self.connection.idle else Need.ANSWER

    @property
    def blocked_since(self) -> float:
        """Since when it takes no bytes, on the loop's clock; infinite where none wait for it."""
        blocked = self.connection.blocked_since if self.connection is not None else None
        return min(since for since in (blocked, self.closing_since, math.inf) if since is not None)

    @property
    def unread(self) -> bool:
        """Whether bytes of it have arrived that the server has not read."""
        count = array("i", [0])
        try:
            fcntl.ioctl(self.socket.fileno(), termios.FIONREAD, count)
        except (OSError, ValueError):  # closed meanwhile
            return False
        return count[0] > 0

    @property
    def moved(self) -> float:
        """When it made its last progress, on the loop's clock."""
        return self.since if self.handshake is not None or self.connection is None else self.connection.since

    def cut(self) -> None:
        """End the connection now and free what it holds; unsent bytes are dropped."""
        if self.transport is not None:
            without_farewell(self.socket)
            self.transport.abort()
        elif self.handshake is not None:
            self.handshake.cancel()
        elif not self.handed_over:
            asyncio.get_running_loop().remove_reader(self.socket.fileno())
            self.socket.close()

    def overdue(self, now: float, limits: ClientLimits) -> bool:
        """Whether it has made no progress for longer than the limits allow."""
        if self.connection is None:
            return now - self.since > limits.silent_seconds
        if self.closing_since is None and self.transport is not None and self.transport.is_closing():
            self.closing_since = now
        return now - self.blocked_since > limits.send_seconds


class Clients:
    """All clients of one server, within its limits."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._clients: dict[AcceptedClient, None] = {}  # the oldest first

    def __iter__(self) -> Iterator[AcceptedClient]:
        return iter(tuple(self._clients))

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def handshakes(self) -> list[AcceptedClient]:
        """The clients whose handshake is in progress."""
        return [client for client in self._clients if client.handshake is not None]

    def add(self, client: AcceptedClient) -> None:
        """Count a client."""
        self._clients[client] = None

    def remove(self, client: AcceptedClient) -> None:
        """Stop counting a client."""
        self._clients.pop(client, None)
        client.connection = client.handshake = None

    def make_room(self, address: str) -> bool:
        """Return whether one more client of `address` can be accepted; cuts another one off if necessary."""
        same_address = [client for client in self._clients if client.address == address]
        if len(same_address) >= self._limits.connections_per_address:
            return self._displace(same_address)
        if len(self._clients) < self._limits.connections:
            return True
        clients = list(self._clients)
        return self._displace(_of_the_busiest_address(clients)) or self._displace(clients)

    def make_room_for_handshake(self) -> None:
        """Cut off a client in its handshake if there are too many."""
        handshakes = self.handshakes
        if len(handshakes) >= self._limits.handshakes:
            self._displace(_of_the_busiest_address(handshakes))

    def cut(self, client: AcceptedClient) -> None:
        """Cut a client off."""
        client.cut()
        self.remove(client)

    def sweep(self, now: float) -> None:
        """Cut off the clients that make no progress."""
        for client in self:
            if client.overdue(now, self._limits):
                self.cut(client)

    def _displace(self, candidates: list[AcceptedClient]) -> bool:
        """Cut off the one with the lowest need for the longest time; False if all wait for an answer.

        A client that does not take its reply goes first: a new one has had no time for its request. A client
        whose request has arrived and is not read yet waits for an answer too: under an attack the server may
        accept many others before it reads.
        """
        latest = asyncio.get_running_loop().time() - self._limits.crowded_seconds
        late = [client for client in candidates if client.blocked_since < latest]
        for client in sorted(late or candidates, key=lambda client: (client.need, client.moved)):
            if client.need is Need.ANSWER:
                return False
            if client.need is Need.READ or not client.unread:
                self.cut(client)
                return True
        return False


class RequestSlots:
    """The requests in progress, within the limits, and those that wait for a slot."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._taken: dict[HttpConnection, None] = {}
        self._waiting: dict[HttpConnection, asyncio.Future[None]] = {}  # first come, first served

    @asynccontextmanager
    async def slot(self, connection: HttpConnection) -> AsyncIterator[None]:
        """Hold a slot; waits for one for `patience_seconds`, then raises the 503 with the cause."""
        limits = self._limits
        same_address = [other for other in self._taken if other.address == connection.address]
        waiting = sum(other.address == connection.address for other in self._waiting)
        count = len(same_address) + waiting
        if count >= limits.requests_per_address and not self._displace(same_address, limits.patience_seconds):
            raise unavailable(f"{count} requests of your address are being answered already.")
        try:
            await self._wait_for_slot(connection)
            yield
        finally:
            self._taken.pop(connection, None)

    async def _wait_for_slot(self, connection: HttpConnection) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._limits.patience_seconds
        turn = self._waiting[connection] = loop.create_future()
        try:
            self._fill()
            while not turn.done() and loop.time() < ends_at:
                await asyncio.wait([turn], timeout=STEP_SECONDS)
                self._fill()
        finally:
            self._waiting.pop(connection, None)
        if not turn.done():
            raise unavailable(f"{self._limits.requests} requests are being answered already.")

    def _fill(self) -> None:
        """Give free slots to the requests that wait."""
        while self._waiting and self._has_room():
            connection, turn = next(iter(self._waiting.items()))
            del self._waiting[connection]
            self._taken[connection] = None
            turn.set_result(None)

    def _has_room(self) -> bool:
        if len(self._taken) < self._limits.requests:
            return True
        return self._displace(list(self._taken), self._limits.crowded_seconds)

    def _displace(self, connections: list[HttpConnection], patience: float) -> bool:
        """Cut off the client that has not taken its reply for longest, if for longer than `patience`."""
        latest = asyncio.get_running_loop().time() - patience
        late = [(since, other) for other in connections if (since := other.blocked_since) and since < latest]
        if not late:
            return False
        _, slowest = min(late, key=lambda pair: pair[0])
        del self._taken[slowest]
        slowest.cut()
        return True


def _of_the_busiest_address(clients: list[AcceptedClient]) -> list[AcceptedClient]:
    (address, _), *_ = Counter(client.address for client in clients).most_common(1)
    return [client for client in clients if client.address == address]


def address_of(peer: Any) -> str:
    """Return the address that a peer counts under: IPv4 address or IPv6 /64; "" for a unix socket."""
    if not isinstance(peer, tuple):
        return ""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False)) if not address.is_loopback else "::1"
