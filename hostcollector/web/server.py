"""Listening: one address, a bounded number of connections, an application that can be exchanged."""

import asyncio
import errno
import logging
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from hostcollector.config import Address
from hostcollector.errors import AddressInUseError, ListenError
from hostcollector.web.limits import Limits
from hostcollector.web.replies import HEADERS

logger = logging.getLogger(__name__)


class Server:
    """Serves an application on an address, from `start` to `close`, in one event loop."""

    def __init__(self, application: web.Application, address: Address, limits: Limits | None = None) -> None:
        self._address = address
        self._limits = limits or Limits()
        self._runner = self._run(application)
        self._listener: asyncio.Server | None = None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What is listened on, ports as the kernel gave them; empty before `start` and after `close`."""
        sockets = self._listener.sockets if self._listener else ()
        return tuple(Address(*socket.getsockname()[:2]) for socket in sockets)

    async def start(self) -> None:
        """Begin to listen. Raises `AddressInUseError`, or `ListenError` for any other obstacle."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                self._connection, self._address.host or None, self._address.port
            )
        except OSError as error:
            await self._runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise AddressInUseError(str(self._address)) from error
            raise ListenError(str(self._address), error.strerror or str(error)) from error

    async def replace(self, application: web.Application) -> None:
        """Serve another application from now on; who waits for the old one still gets its answer."""
        successor = self._run(application)
        await successor.setup()
        predecessor, self._runner = self._runner, successor
        await predecessor.cleanup()

    async def close(self) -> None:
        """Stop listening, give requests in flight a moment, cut the rest off. May be called twice."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._runner.cleanup()

    def _run(self, application: web.Application) -> web.AppRunner:
        return web.AppRunner(application, shutdown_timeout=self._limits.shutdown_seconds)

    def _connection(self) -> asyncio.Protocol:
        """Return what talks to a new client."""
        manager = self._runner.server
        if manager is None or len(manager.connections) >= self._limits.connections:
            return _Refusal()
        return _Connection(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # None means none; the annotation forgets it
            keepalive_timeout=self._limits.idle_seconds,
        )


class _Connection(RequestHandler):
    """aiohttp's connection, but a client's mistake is the client's business: no traceback, no versions."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        logger.debug("not a valid request", extra={"client": request.remote, "cause": repr(exc)})
        response = web.Response(status=status, text="This is not a valid HTTP request.\n", headers=HEADERS)
        response.force_close()
        return response


class _Refusal(asyncio.Protocol):
    """Closes the connection before a byte has been read from it."""

    def connection_made(self, transport: Any) -> None:
        transport.abort()
