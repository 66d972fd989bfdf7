"""Listening: on an address or on sockets that were handed over, with an application that can be exchanged."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from weakref import WeakSet

from aiohttp import web

from hostcollector.config import Address
from hostcollector.errors import AddressInUseError, ListenError
from hostcollector.web.connection import Connection, Refusal
from hostcollector.web.door import Door
from hostcollector.web.handshake import Handshake
from hostcollector.web.limits import Limits


class Server:
    """Serves an application behind a door, from `start` to `close`, in one event loop.

    It listens on `address`, or where there are `sockets`, on those: bound already, and closed by `close`.
    """

    def __init__(
        self,
        application: web.Application,
        address: Address,
        limits: Limits | None = None,
        door: Door | None = None,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self._address = address
        self._sockets = sockets
        self._limits = limits or Limits()
        self._door = door or Door()
        self._runner = self._run(application)
        self._listeners: list[asyncio.Server] = []
        self._handshakes: dict[Handshake, None] = {}  # the oldest first
        self._under_tls: WeakSet[asyncio.Transport] = WeakSet()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What is listened on, ports as the kernel gave them; empty before `start` and after `close`."""
        sockets = (listening for listener in self._listeners for listening in listener.sockets)
        return tuple(Address(*listening.getsockname()[:2]) for listening in sockets)

    @property
    def urls(self) -> tuple[str, ...]:
        """The same as clients write it."""
        return tuple(f"{self._door.scheme}://{address}" for address in self.addresses)

    async def start(self) -> None:
        """Begin to listen. Raises `AddressInUseError`, or `ListenError` for any other obstacle."""
        await self._runner.setup()
        try:
            self._listeners = await self._listen()
        except OSError as error:
            await self._runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise AddressInUseError(str(self._address)) from error
            raise ListenError(str(self._address), error.strerror or str(error)) from error

    async def replace(self, application: web.Application, door: Door | None = None) -> None:
        """Serve another application behind another door from now on, and close the old one.

        Who waits for an answer of the old application still gets it; who is connected stays so.
        """
        successor = self._run(application)
        await successor.setup()
        predecessor, self._runner = self._runner, successor
        gone, self._door = self._door, door or Door()
        # Who has just connected has not asked yet, and would be taken for idle.
        await asyncio.sleep(self._limits.farewell_seconds)
        await predecessor.cleanup()
        gone.close()

    async def close(self) -> None:
        """Stop listening, give requests in flight a moment, cut the rest off. May be called twice."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        for handshake in tuple(self._handshakes):
            handshake.close()
        await self._runner.cleanup()
        # TLS would wait for each client's farewell, longer than there is an event loop.
        for transport in tuple(self._under_tls):
            transport.abort()
        self._door.close()

    async def _listen(self) -> list[asyncio.Server]:
        loop = asyncio.get_running_loop()
        if self._sockets:
            return [await loop.create_server(self._greet, sock=listening) for listening in self._sockets]
        return [await loop.create_server(self._greet, self._address.host or None, self._address.port)]

    def _run(self, application: web.Application) -> web.AppRunner:
        return web.AppRunner(application, shutdown_timeout=self._limits.shutdown_seconds)

    def _greet(self) -> asyncio.Protocol:
        """Return what deals with a new client first."""
        manager = self._runner.server
        if manager is None or not self._has_room(manager):
            return Refusal()
        if self._door.certificates is None:
            return self._speak() or Refusal()
        handshake = Handshake(
            self._door.certificates, self._speak, self._limits.handshake_seconds, self._handshake_over
        )
        self._handshakes[handshake] = None
        return handshake

    def _has_room(self, manager: web.Server) -> bool:
        """Whether one more connection may be had; the oldest one that asks for nothing gives way to it."""
        open_now = [
            connection
            for connection in manager.connections  # the oldest first
            if isinstance(connection, Connection) and not connection.given_up
        ]
        if len(open_now) + len(self._handshakes) < self._limits.connections:
            return True
        for connection in open_now:
            if connection.idle:
                connection.give_up()
                return True
        for handshake in self._handshakes:
            handshake.close()
            del self._handshakes[handshake]
            return True
        return False

    def _handshake_over(self, handshake: Handshake, transport: asyncio.Transport) -> None:
        self._handshakes.pop(handshake, None)
        self._under_tls.add(transport)

    def _speak(self) -> Connection | None:
        """Return what talks HTTP to a client, None after the end."""
        manager = self._runner.server
        if manager is None:
            return None
        return Connection(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=self._limits.idle_seconds,
        )
