"""Listens on an address or on given sockets, and accepts clients within limits.

A client costs only its socket until it sends its first bytes. Then asyncio makes the TLS connection, with the
certificate in use at that moment, and aiohttp the HTTP one.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from aiohttp import web

from hostcollector.base.errors import listen_error
from hostcollector.config.address import Address
from hostcollector.web.access import AccessRules
from hostcollector.web.application import Application, Site
from hostcollector.web.clients import AcceptedClient, ClientLimits, Clients, address_of
from hostcollector.web.connection import HttpConnection
from hostcollector.web.replies import Refusals

logger = logging.getLogger(__name__)

BACKLOG = 1024
"""Clients that the kernel queues for `accept`; one beyond them tries again a second later."""

AT_ONCE = 64
"""The most clients that are accepted before the loop does other work."""

SWEEPS = 5
"""Looks for overdue clients within the shortest of their times."""

RECEIVE_BUFFER = 64 * 1024
SEND_BUFFER = 256 * 1024
"""Bytes that the kernel buffers for one connection; by default megabytes, which count as the daemon's."""


class Answering(Protocol):
    """What answers the requests of a server: an `Application`, or one of another program."""

    @property
    def access(self) -> AccessRules:
        """TLS and authentication."""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the reply."""

    def close(self) -> None:
        """Let the threads end."""


class Server:
    """Serves an application, from `start` to `close`, in one event loop.

    It listens on `sockets`, which are bound already and which `close` closes, or else on `address`. One of
    them is required. `admits` decides from an accepted socket whether its client is served. `shared`
    sockets are those from which other processes accept too.
    """

    def __init__(
        self,
        application: Answering,
        address: Address | None = None,
        limits: ClientLimits | None = None,
        sockets: Sequence[socket.socket] = (),
        admits: Callable[[socket.socket], bool] = lambda _accepted: True,
        *,
        shared: bool = False,
    ) -> None:
        self._application = application
        self._address = address
        self._given = sockets
        self._admits = admits
        # From shared sockets one client at first, and more while they keep coming: a process that took all
        # would leave the others idle, and one at a time is too slow for a flood.
        self._least = self._at_once = 1 if shared else AT_ONCE
        self._limits = limits or ClientLimits()
        self._manager = web.Server(self._answer)
        self._refusals = Refusals()
        self._listeners: list[socket.socket] = []
        self._clients = Clients(self._limits)
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses that it listens on, with the ports in use; empty before `start` and after `close`."""
        return tuple(Address(*listener.getsockname()[:2]) for listener in self._listeners)

    @property
    def urls(self) -> tuple[str, ...]:
        """The same as URLs."""
        return tuple(f"{self._application.access.scheme}://{address}" for address in self.addresses)

    async def start(self) -> None:
        """Begin to listen. Raises `AddressInUseError`, or `ListenError` for any other cause."""
        try:
            self._listeners = list(self._given) or await self._bind()
            for listener in self._listeners:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
                listener.setblocking(False)
                listener.listen(BACKLOG)
        except OSError as error:
            await self.close()
            raise listen_error(str(self._address), error) from error
        for listener in self._listeners:
            self._watch(listener)
        self._sweep()

    def exchange(self, site: Site) -> None:
        """Serve another site of the `Application` from now on; requests in progress end in the old one."""
        assert isinstance(self._application, Application)
        certificates = self._application.access.certificates
        self._application.exchange(site)
        if site.access.certificates is certificates:
            return
        # A connection made under other rules is not answered, so idle ones can be closed.
        for client in self._clients:
            if client.connection is not None and client.connection.idle:
                client.connection.force_close()

    async def close(self, grace: float = 0.0) -> None:
        """Stop listening, wait for requests in progress, then cut clients off. May be called twice.

        Clients that have just connected get `grace` seconds to send their request.
        """
        loop = asyncio.get_running_loop()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners = []
        if grace and len(self._clients):
            await asyncio.sleep(grace)
        for client in self._clients:
            if client.connection is None:
                self._clients.cut(client)
        await self._manager.shutdown(self._limits.shutdown_seconds)
        # TLS would wait for each client's close_notify, longer than the event loop exists.
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
        """Accept the clients that wait at a listener."""
        loop = asyncio.get_running_loop()
        for _ in range(self._at_once):
            try:
                accepted, peer = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                self._at_once = self._least
                return
            except OSError as error:  # no descriptor is left, for example
                self._refusals.note(f"no connection can be accepted: {error.strerror}", "")
                loop.remove_reader(listener.fileno())
                loop.call_later(1.0, self._watch, listener)
                return
            self._add(accepted, address_of(peer))
        self._at_once = min(2 * self._at_once, AT_ONCE)

    def _add(self, accepted: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        client = AcceptedClient(accepted, address, loop.time())
        if not self._admits(accepted) or not self._clients.make_room(address):
            accepted.close()
            return
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            # Bounds how long the kernel sends the rest of a connection that is closed.
            milliseconds = int(self._limits.send_seconds * 1000)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self._clients.add(client)
        loop.add_reader(accepted.fileno(), self._first_bytes, client)

    def _first_bytes(self, client: AcceptedClient) -> None:
        """Start the handshake with a client that has sent something."""
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
        client.handshake = loop.create_task(self._connect(client))
        client.handshake.add_done_callback(partial(self._connected, client))

    async def _connect(self, client: AcceptedClient) -> None:
        """Make the connection. The context is chosen here, so a renewed certificate is used at once."""
        certificates = self._application.access.certificates
        context = None if certificates is None else await certificates.current()
        seconds = None if context is None else self._limits.silent_seconds
        connection = client.connection = self._http(client)
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
            # A fault of the client's, which its own log shows; here it is logged at level debug.
            logger.debug("no TLS connection", extra={"client": client.address, "cause": repr(error)})
            # The traceback's frames hold the connection, and the connection the error.
            error.__traceback__ = error.__context__ = error.__cause__ = None
        finally:
            if client.transport is None:
                connection.connection_lost(None)

    def _connected(self, client: AcceptedClient, _task: asyncio.Task[None]) -> None:
        client.handshake = None
        if client not in self._clients:
            client.cut()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._application.answer(request)
        finally:
            if isinstance(request.protocol, HttpConnection):
                request.protocol.since = asyncio.get_running_loop().time()

    def _http(self, client: AcceptedClient) -> HttpConnection:
        """Return the HTTP side of a client's connection."""
        return HttpConnection(
            self._manager,
            client.address,
            self._refusals,
            partial(self._clients.remove, client),
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=self._limits.idle_seconds,
        )
