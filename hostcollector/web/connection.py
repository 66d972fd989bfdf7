"""HTTP on one client's connection, made when its first bytes arrive."""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from hostcollector.web.replies import HEADERS, Refusals

logger = logging.getLogger(__name__)

WRITE_BUFFER = 64 * 1024
"""Bytes that may wait for a client before the writer waits too; asyncio's limit is 512 KiB under TLS."""

LONGEST_REQUEST = 64 * 1024
"""Bytes of a request's line and headers together; aiohttp bounds each of them, and not their sum."""

_NO_FAREWELL = struct.pack("ii", 1, 0)
"""SO_LINGER: the kernel drops the unsent bytes at once (socket(7))."""


def without_farewell(connected: Any) -> None:
    """Let the kernel drop a socket's unsent bytes when it is closed."""
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL)


class HttpConnection(RequestHandler):
    """aiohttp's connection, with bounds: one queued request, no body, a note of clients that do not read.

    `address` is the client's, `refusals` logs internal errors, `ended` is called once at the end.
    """

    __slots__ = ("_ended", "_refusals", "_unfinished", "address", "blocked_since", "since")

    def __init__(
        self,
        manager: web.Server,
        address: str,
        refusals: Refusals,
        ended: Callable[[], object],
        **named: Any,
    ) -> None:
        super().__init__(manager, auto_decompress=False, lingering_time=0, **named)
        self.address = address
        self.blocked_since: float | None = None
        """Since when the client has not taken the bytes that wait for it, on the loop's clock."""
        self.since = self._loop.time()
        """When the connection was made or the last request answered, on the loop's clock."""
        self._unfinished = 0
        self._refusals = refusals
        self._ended: Callable[[], object] | None = ended

    @property
    def idle(self) -> bool:
        """Whether no request waits for its answer: aiohttp waits for a complete one."""
        return self._waiter is not None and not self._waiter.done()

    def cut(self) -> None:
        """End the connection now and free what it holds; unsent bytes are dropped."""
        if self.transport is not None:
            without_farewell(self.transport.get_extra_info("socket"))
            self.transport.abort()

    async def start(self) -> None:
        """Handle requests, unless the client was cut off before: aiohttp does not expect that."""
        if self.transport is not None:
            await super().start()

    def connection_made(self, transport: Any) -> None:
        """Set the bound of the write buffer."""
        transport.set_write_buffer_limits(WRITE_BUFFER)
        self.since = self._loop.time()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Report the end, once."""
        super().connection_lost(exc)
        if self._ended is not None:
            self._ended()
            self._ended = None

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the client, with two bounds.

        With a second queued request only the first one is answered, and the connection closed. A client whose
        request is longer than `LONGEST_REQUEST` is cut off.
        """
        complete = len(self._messages)
        super().data_received(data)
        if len(self._messages) > 1:
            self.close()
        self._unfinished = 0 if len(self._messages) > complete else self._unfinished + len(data)
        if self._unfinished > LONGEST_REQUEST:
            self.cut()

    def eof_received(self) -> bool:  # type: ignore[override] # aiohttp's returns None
        """Answer a client that has closed its sending side, then close; asyncio's TLS cannot do that."""
        if self.idle or self.ssl_context is not None:
            return False
        self.close()
        return True

    def pause_writing(self) -> None:
        """Note that the client does not take its bytes."""
        super().pause_writing()
        self.blocked_since = self._loop.time()

    def resume_writing(self) -> None:
        """Note that the client takes them again."""
        super().resume_writing()
        self.blocked_since = None

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - as aiohttp calls it
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - as aiohttp calls it
    ) -> web.StreamResponse:
        """Return the reply to an invalid request or after an internal error: no traceback, no versions."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has closed its connection: no error
        if status >= 500:
            text = "Internal error of the collector; its log has the cause.\n"
            self._refusals.note("an unforeseen error", self.address, exc)
        else:
            text = "This is not a valid HTTP request.\n"
            logger.debug("not a valid request", extra={"client": self.address, "cause": repr(exc)})
        response = web.Response(status=status, text=text, headers=HEADERS)
        response.force_close()
        return response


async def send(
    request: web.BaseRequest, pieces: Sequence[bytes], headers: Mapping[str, str], seconds: float
) -> web.StreamResponse:
    """Send a body as fast as the client takes it; cut the client off after `seconds`.

    The body goes out in parts of `WRITE_BUFFER`: the transport copies what a client does not read.
    """
    sized = {**headers, "Content-Length": str(sum(map(len, pieces)))}
    if request.method == "HEAD":
        return web.Response(headers=sized)
    response = web.StreamResponse(headers=sized)
    try:
        async with asyncio.timeout(seconds):
            await response.prepare(request)
            for piece in pieces:
                view = memoryview(piece)
                for start in range(0, len(piece), WRITE_BUFFER):
                    await response.write(view[start : start + WRITE_BUFFER])
    except TimeoutError:
        logger.debug("client cut off: it did not take its reply", extra={"client": request.remote})
        if isinstance(request.protocol, HttpConnection):
            request.protocol.cut()
    except ConnectionError:
        pass  # the client has closed its connection: no error
    return response
