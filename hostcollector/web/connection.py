"""One client's connection, once it has sent something."""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from hostcollector.web.refusals import Refusals
from hostcollector.web.replies import HEADERS

logger = logging.getLogger(__name__)

WRITE_BUFFER = 64 * 1024
"""Bytes that wait for a client before the writer of more waits too; asyncio's limit is 512 KiB under TLS."""

LONGEST_REQUEST = 64 * 1024
"""Bytes of a request's line and headers together; aiohttp bounds each of them, and not their sum."""

_NO_FAREWELL = struct.pack("ii", 1, 0)
"""SO_LINGER: what the client has not taken is dropped at once, by the kernel too (socket(7))."""


def without_farewell(connected: Any) -> None:
    """Let the kernel drop what a socket still holds when it is closed."""
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL)


class Connection(RequestHandler):
    """aiohttp's connection, with bounds: one queued request, no body, and what is not taken is noticed.

    `address` is the client's, `refusals` logs errors of our own, `ended` is called when all is over.
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
        """Since when the client has not taken what waits for it, on the loop's clock."""
        self.since = self._loop.time()
        """When it was made, or the last answer was given."""
        self._unfinished = 0
        self._refusals = refusals
        self._ended: Callable[[], object] | None = ended

    @property
    def idle(self) -> bool:
        """Whether no complete request of the client waits for its answer: aiohttp waits for one."""
        return self._waiter is not None and not self._waiter.done()

    def cut(self) -> None:
        """End the connection now, with all that it holds."""
        if self.transport is not None:
            without_farewell(self.transport.get_extra_info("socket"))
            self.transport.abort()

    async def start(self) -> None:
        """Talk HTTP, unless the client was cut off before the first word: aiohttp does not expect that."""
        if self.transport is not None:
            await super().start()

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        transport.set_write_buffer_limits(WRITE_BUFFER)
        self.since = self._loop.time()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        super().connection_lost(exc)
        if self._ended is not None:
            self._ended()
            self._ended = None

    def data_received(self, data: bytes) -> None:
        """Take what the client sends; a client that asks for more than the next answer gets that one only.

        One whose request does not come to its end is cut off.
        """
        complete = len(self._messages)
        super().data_received(data)
        if len(self._messages) > 1:
            self.close()
        self._unfinished = 0 if len(self._messages) > complete else self._unfinished + len(data)
        if self._unfinished > LONGEST_REQUEST:
            self.cut()

    def eof_received(self) -> bool:  # type: ignore[override] # aiohttp's has nothing to say
        """Answer the client that has nothing more to say, then close; asyncio's TLS cannot do that."""
        if self.idle or self.ssl_context is not None:
            return False
        self.close()
        return True

    def pause_writing(self) -> None:
        """Note that the client does not keep up."""
        super().pause_writing()
        self.blocked_since = self._loop.time()

    def resume_writing(self) -> None:
        """Note that it does."""
        super().resume_writing()
        self.blocked_since = None

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - as aiohttp calls it
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - as aiohttp calls it
    ) -> web.StreamResponse:
        """Return the reply to what is not HTTP, or to an error of our own: no traceback, no versions."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has left; that is its right and no news
        if status >= 500:
            text = "An error of the collector's; its log has the cause.\n"
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
    """Send a body as fast as the client takes it; cut the client off when that takes longer than `seconds`.

    Handing over the whole body would let the transport copy it for every client that does not read.
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
        if isinstance(request.protocol, Connection):
            request.protocol.cut()
    except ConnectionError:
        pass  # the client has left; that is its right and no news
    return response
