"""Listening: on an address or on sockets that were handed over, under bounds that no client can stretch.

A client that has connected costs a socket and nothing else until it sends something. Only then asyncio makes
what speaks TLS, with the certificate of this moment, and aiohttp what speaks HTTP.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from functools import partial

from aiohttp import web

from hostcollector.base.errors import AddressInUseError, ListenError
from hostcollector.config.address import Address
from hostcollector.web.application import Application, Site
from hostcollector.web.clients import Client, Clients, address_of
from hostcollector.web.connection import Connection
from hostcollector.web.limits import Limits
from hostcollector.web.refusals import Refusals

logger = logging.getLogger(__name__)

BACKLOG = 1024
"""Clients that the kernel lets wait to be accepted: those beyond have to try again, a second later."""

AT_ONCE = 64
"""Clients that are accepted before others have their turn."""

SWEEPS = 5
"""How often within a client's time there is a look whether that is over."""

RECEIVE_BUFFER = 64 * 1024
SEND_BUFFER = 256 * 1024
"""Bytes that the kernel keeps for one connection; without a bound it takes megabytes, which are ours."""


class Server:
    """Serves an application, from `start` to `close`, in one event loop.

    It listens on `address`, or where there are `sockets`, on those: bound already, and closed by `close`.
    One of both there must be. `admits` says whether an accepted socket's peer may be served at all.
    """

    def __init__(
        self,
        application: Application,
        address: Address | None = None,
        limits: Limits | None = None,
        sockets: Sequence[socket.socket] = (),
        admits: Callable[[socket.socket], bool] = lambda _accepted: True,
    ) -> None:
        self._application = application
        self._address = address
        self._given = sockets
        self._admits = admits
        self._limits = limits or Limits()
        self._manager = web.Server(self._answer)
        self._refusals = Refusals()
        self._listeners: list[socket.socket] = []
        self._clients = Clients(self._limits)
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What is listened on, ports as the kernel gave them; empty before `start` and after `close`."""
        return tuple(Address(*listener.getsockname()[:2]) for listener in self._listeners)

    @property
    def urls(self) -> tuple[str, ...]:
        """The same as clients write it."""
        return tuple(f"{self._application.door.scheme}://{address}" for address in self.addresses)

    async def start(self) -> None:
        """Begin to listen. Raises `AddressInUseError`, or `ListenError` for any other obstacle."""
        try:
            self._listeners = list(self._given) or await self._bind()
            for listener in self._listeners:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
                listener.setblocking(False)
                listener.listen(BACKLOG)
        except OSError as error:
            await self.close()
            if error.errno == errno.EADDRINUSE:
                raise AddressInUseError(str(self._address)) from error
            raise ListenError(str(self._address), error.strerror or str(error)) from error
        for listener in self._listeners:
            self._watch(listener)
        self._sweep()

    def exchange(self, site: Site) -> None:
        """Serve another site from now on; requests that have begun end in the old one."""
        certificates = self._application.door.certificates
        self._application.exchange(site)
        if site.door.certificates is certificates:
            return
        # A connection by other rules than today's is not answered, so those that wait for nothing may go.
        for client in self._clients:
            if client.connection is not None and client.connection.idle:
                client.connection.force_close()

    async def close(self) -> None:
        """Stop listening, give requests in flight a moment, cut the rest off. May be called twice."""
        loop = asyncio.get_running_loop()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners = []
        for client in self._clients:
            if client.connection is None:
                self._clients.cut(client)
        await self._manager.shutdown(self._limits.shutdown_seconds)
        # TLS would wait for each client's farewell, longer than there is an event loop.
        for client in self._clients:
            self._clients.cut(client)
        self._application.close()
        self._refusals.close()

    async def _bind(self) -> list[socket.socket]:
        assert self._address is not None
        bound = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, self._address.host or None, self._address.port, start_serving=False
        )
        listeners = [listening.dup() for listening in bound.sockets]
        bound.close()
        return listeners

    def _watch(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, listener)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._clients.sweep(loop.time())
        patience = min(self._limits.silent_seconds, self._limits.send_seconds)
        self._sweeper = loop.call_later(patience / SWEEPS, self._sweep)

    def _accept(self, listener: socket.socket) -> None:
        """Take the clients that wait at a listener."""
        loop = asyncio.get_running_loop()
        for _ in range(AT_ONCE):
            try:
                accepted, peer = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor is left, for example
                self._refusals.note(f"no connection can be accepted: {error.strerror}", "")
                loop.remove_reader(listener.fileno())
                loop.call_later(1.0, self._watch, listener)
                return
            self._take(accepted, address_of(peer))

    def _take(self, accepted: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        client = Client(accepted, address, loop.time())
        if not self._admits(accepted) or not self._clients.make_room(address):
            accepted.close()
            return
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            # What the kernel still has to send for a connection that is closed ends by this.
            milliseconds = int(self._limits.send_seconds * 1000)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self._clients.add(client)
        loop.add_reader(accepted.fileno(), self._first_bytes, client)

    def _first_bytes(self, client: Client) -> None:
        """Speak with a client that has sent something."""
        loop = asyncio.get_running_loop()
        try:
            if not client.socket.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError
        except BlockingIOError:
            return
        except OSError:  # a check that connects and closes, for example
            self._clients.cut(client)
            return
        loop.remove_reader(client.socket.fileno())
        self._clients.make_room_for_handshake()
        client.since = loop.time()
        client.greeting = loop.create_task(self._greet(client))
        client.greeting.add_done_callback(partial(self._greeted, client))

    async def _greet(self, client: Client) -> None:
        """Make the connection; the context is chosen now, so certificates change without a gap."""
        certificates = self._application.door.certificates
        context = None if certificates is None else await certificates.current()
        seconds = None if context is None else self._limits.silent_seconds
        connection = client.connection = self._speak(client)
        client.handed_over = True
        try:
            client.transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                client.socket,
                ssl=context,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=seconds,
            )
        except OSError as error:
            # What the client did wrong is the client's to see; who looks for it here finds it with debug.
            logger.debug("no TLS connection", extra={"client": client.address, "cause": repr(error)})
            # The traceback's frames hold the connection, and the connection the error.
            error.__traceback__ = error.__context__ = error.__cause__ = None
        finally:
            if client.transport is None:
                connection.connection_lost(None)

    def _greeted(self, client: Client, _task: asyncio.Task[None]) -> None:
        client.greeting = None
        if client not in self._clients:
            client.cut()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._application.answer(request)
        finally:
            if isinstance(request.protocol, Connection):
                request.protocol.since = asyncio.get_running_loop().time()

    def _speak(self, client: Client) -> Connection:
        """Return what talks HTTP to a client."""
        return Connection(
            self._manager,
            client.address,
            self._refusals,
            partial(self._clients.remove, client),
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=self._limits.idle_seconds,
        )
