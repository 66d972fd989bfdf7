"""JSON over HTTPS with a controller that may be slow, wrong, or not what it claims to be.

Each answer is limited in time and size. Redirects are not followed, so that the token goes nowhere else.
"""

import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from hostcollector.errors import (
    SourceDeniedError,
    SourceError,
    SourceMalformedError,
    SourceTimeoutError,
    SourceUnavailableError,
)
from hostcollector.ndfc.target import Target

_CHUNK = 64 * 1024
_LONGEST_PAUSE_ASKED_FOR = 3600.0


class TokenRefusedError(SourceDeniedError):
    """The token, or at the login the password, is not taken (401)."""


class NoSuchPathError(SourceUnavailableError):
    """The controller knows nothing under this path, or not for this kind of question (400, 404, 405)."""


class BusyError(SourceUnavailableError):
    """The controller wants to be left alone for `pause` seconds (429, 503); 0 where it does not say."""

    def __init__(self, text: str, pause: float) -> None:
        self.pause = pause
        super().__init__(text)


class Http:
    """Asks one controller, for as long as the context lasts; within `seconds` and `limit` bytes an answer."""

    def __init__(self, target: Target, *, seconds: float, limit: int) -> None:
        self._url = target.url.rstrip("/")
        self._seconds = seconds
        self._limit = limit
        self._connector = _Connector(limit=1, ssl=target.context, resolver=_Resolved(target))
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=seconds),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._connector.abort()

    async def get(self, path: str, headers: Mapping[str, str]) -> Any:
        """Return the document under a path with its query. Raises `SourceError` with what went wrong."""
        return await self._ask("GET", path, headers)

    async def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Any:
        """Return the answer to a document. Raises as `get` does."""
        return await self._ask("POST", path, headers or {}, json=body)

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], **more: Any) -> Any:
        where = path.partition("?")[0]
        url = URL(self._url + path, encoded=True)
        try:
            async with self._session.request(
                method, url, headers=headers, allow_redirects=False, **more
            ) as response:
                _judge(response.status, response.headers, where)
                content = await self._content(response, where)
        except TimeoutError as error:
            raise SourceTimeoutError(f"{where}: no answer within {self._seconds:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _explained(error, where) from error
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise SourceMalformedError(f"{where} answered with something that is not JSON") from None

    async def _content(self, response: aiohttp.ClientResponse, where: str) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise SourceMalformedError(f"{where} answered compressed, without having been asked to")
        content = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            content += chunk
            if len(content) > self._limit:
                raise SourceMalformedError(f"{where} answered with more than {self._limit} bytes")
        return bytes(content)


class _Connector(aiohttp.TCPConnector):
    """Leaves no connection behind: one that broke off would wait half a minute for the other side."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._opened: set[asyncio.BaseTransport] = set()

    async def connect(self, *arguments: Any, **more: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(*arguments, **more)
        if connection.transport is not None:
            self._opened.add(connection.transport)
        return connection

    async def abort(self) -> None:
        for transport in self._opened:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await asyncio.sleep(
            0.02
        )  # the loop closes the sockets in its next turns; a TLS handshake takes several


class _Resolved(AbstractResolver):
    """Gives the addresses that were looked up before the loop ran: a thread that does it here would stay."""

    def __init__(self, target: Target) -> None:
        self._addresses = target.addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
            for kind, address in self._addresses
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        pass


def _judge(status: int, headers: Mapping[str, str], where: str) -> None:
    """Raise for every status but 200."""
    if status == 401:
        raise TokenRefusedError(f"{where} asks for another login (401)")
    if status == 403:
        raise SourceDeniedError(f"{where} is not for this account (403); it needs a role that may read")
    if status in (400, 404, 405):
        raise NoSuchPathError(f"{where} does not exist there ({status})")
    if status in (429, 503):
        raise BusyError(f"{where}: the controller is busy ({status})", _pause(headers.get("Retry-After", "")))
    if 300 <= status < 400:
        raise SourceUnavailableError(f"{where} is redirected ({status}); set ndfc.url to where it leads")
    if status != 200:
        raise SourceUnavailableError(f"{where} answered {status}")


def _pause(text: str) -> float:
    """Return the seconds of a ``Retry-After``; 0 for a date, which nobody sends."""
    known = text.isascii() and text.isdecimal() and len(text) < 10
    return min(float(text), _LONGEST_PAUSE_ASKED_FOR) if known else 0.0


def _explained(error: Exception, where: str) -> SourceError:
    """Return what went wrong on the connection, as one of ours."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or "it cannot be verified"
        return SourceDeniedError(f"the server's certificate is refused: {why.rstrip('.')}; see ndfc.ca_file")
    if isinstance(error, aiohttp.ClientSSLError):
        return SourceDeniedError("TLS with the controller failed")
    if isinstance(error, aiohttp.ClientConnectorError):
        return SourceUnavailableError(f"no connection: {error.os_error.strerror or error.os_error}")
    # Not the error's own text: it may quote headers.
    return SourceUnavailableError(f"{where}: the connection broke off ({type(error).__name__})")
