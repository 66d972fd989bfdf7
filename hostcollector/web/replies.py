"""What every reply has in common: headers, and a body that a slow client cannot turn into memory."""

import asyncio
import logging
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256

from aiohttp import web

from hostcollector.status_style import STYLE

CHUNK = 64 * 1024

logger = logging.getLogger(__name__)

_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Server": "hostcollector",
    "X-Content-Type-Options": "nosniff",
}


def headers_with(
    more: Mapping[str, str],
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return what puts the common headers and `more`, which win, on a reply that is about to start."""
    headers = {**HEADERS, **more}

    async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)

    return add_headers


def unavailable(sentence: str) -> web.HTTPServiceUnavailable:
    """Return the 503 that says why, for a person and for Prometheus' list of targets."""
    return web.HTTPServiceUnavailable(text=f"{sentence}\n", headers={"Retry-After": "1"})


async def send(
    request: web.Request, body: bytes, headers: Mapping[str, str], seconds: float
) -> web.StreamResponse:
    """Send `body` in pieces as fast as the client takes them; cut it off when it takes longer than `seconds`.

    Handing over the whole body would let the transport copy it for every client that does not read.
    """
    sized = {**headers, "Content-Length": str(len(body))}
    if request.method == "HEAD":
        return web.Response(headers=sized)
    response = web.StreamResponse(headers=sized)
    view = memoryview(body)
    try:
        async with asyncio.timeout(seconds):
            await response.prepare(request)
            for start in range(0, len(body), CHUNK):
                await response.write(view[start : start + CHUNK])
    except TimeoutError:
        logger.debug("client cut off: it did not take its reply", extra={"client": request.remote})
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # the client has left; that is its right and no news
    return response
