"""One client's connection: answered, or closed unread."""

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from hostcollector.web.replies import HEADERS

logger = logging.getLogger(__name__)


class Connection(RequestHandler):
    """aiohttp's connection, but a client's mistake is the client's business: no traceback, no versions."""

    __slots__ = ("given_up",)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.given_up = False

    @property
    def idle(self) -> bool:
        """Whether no complete request of the client waits for its answer."""
        return self._current_request is None and not self._messages

    def give_up(self) -> None:
        """Cut the client off; the loop takes a moment to notice."""
        self.given_up = True
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the reply to what is not HTTP, or to an error of our own."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        logger.debug("not a valid request", extra={"client": request.remote, "cause": repr(exc)})
        response = web.Response(status=status, text="This is not a valid HTTP request.\n", headers=HEADERS)
        response.force_close()
        return response


class Refusal(asyncio.Protocol):
    """Closes the connection before a byte has been read from it."""

    def connection_made(self, transport: Any) -> None:
        """Hang up."""
        transport.abort()
