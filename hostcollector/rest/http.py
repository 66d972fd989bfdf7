"""JSON over HTTPS with a service that may be slow, wrong, or not what it claims to be.

Each answer is limited in time and size. Redirects are not followed, so that the secrets go nowhere else.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from yarl import URL

from hostcollector.errors import (
    SourceDeniedError,
    SourceError,
    SourceMalformedError,
    SourceTimeoutError,
    SourceUnavailableError,
)
from hostcollector.rest.connector import Connector, Resolved
from hostcollector.rest.target import Target

_CHUNK = 64 * 1024
_LONGEST_PAUSE_ASKED_FOR = 3600.0


class TokenRefusedError(SourceDeniedError):
    """The token, or at the login the password, is not taken (401)."""


class LoginRefusedError(SourceDeniedError):
    """The account is not let in; to try again soon would lock it."""


class NoSuchPathError(SourceUnavailableError):
    """The service knows nothing under this path, or not for this kind of question (400, 404, 405)."""


class BusyError(SourceUnavailableError):
    """The service wants to be left alone for `pause` seconds (429, 503); 0 where it does not say."""

    def __init__(self, text: str, pause: float) -> None:
        self.pause = pause
        super().__init__(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as it came. `where` is the path that was asked, `headers` are case-insensitive."""

    where: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def document(self) -> Any:
        """The JSON document. Raises `SourceMalformedError`."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            text = f"{self.where} answered with something that is not JSON"
            raise SourceMalformedError(text) from None


class Http:
    """Asks one service, for as long as the context lasts.

    An answer may take `seconds` and have `limit` bytes; `connections` is how many questions are on their way
    at once.
    """

    def __init__(self, target: Target, *, seconds: float, limit: int, connections: int = 1) -> None:
        self._url = target.url.rstrip("/")
        self._section = target.service.section
        self._seconds = seconds
        self._limit = limit
        resolver = Resolved(target.addresses)
        self._connector = Connector(limit=connections, ssl=target.context, resolver=resolver)
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
        return (await self.ask("GET", path, headers)).document

    async def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Any:
        """Return the document that answers a document. Raises as `get` does."""
        return (await self.ask("POST", path, headers or {}, body)).document

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: object = None,
        *,
        good: Collection[int] = (200,),
    ) -> Reply:
        """Return a reply whose status is one of `good`. Raises as `get` does, but for the document."""
        where = path.partition("?")[0]
        url = URL(self._url + path, encoded=True)
        try:
            async with self._session.request(
                method, url, headers=headers, allow_redirects=False, json=body
            ) as response:
                if response.status not in good:
                    raise self._refused(response, where)
                content = await self._content(response, where)
        except TimeoutError as error:
            raise SourceTimeoutError(f"{where}: no answer within {self._seconds:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._broken(error, where) from error
        return Reply(where=where, status=response.status, headers=response.headers, content=content)

    async def _content(self, response: aiohttp.ClientResponse, where: str) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise SourceMalformedError(f"{where} answered compressed, without having been asked to")
        content = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            content += chunk
            if len(content) > self._limit:
                raise SourceMalformedError(f"{where} answered with more than {self._limit} bytes")
        return bytes(content)

    def _refused(self, response: aiohttp.ClientResponse, where: str) -> SourceError:
        """Return what a status means that is none of the good ones."""
        status = response.status
        if status == 401:
            return TokenRefusedError(f"{where} asks for another login (401)")
        if status == 403:
            return SourceDeniedError(f"{where} is not for this account (403); it needs a role that may read")
        if status in (400, 404, 405):
            return NoSuchPathError(f"{where} does not exist there ({status})")
        if status in (429, 503):
            pause = _pause(response.headers.get("Retry-After", ""))
            return BusyError(f"{where}: the service is busy ({status})", pause)
        if 300 <= status < 400:
            cure = f"set {self._section}.url to where it leads"
            return SourceUnavailableError(f"{where} is redirected ({status}); {cure}")
        return SourceUnavailableError(f"{where} answered {status}")

    def _broken(self, error: Exception, where: str) -> SourceError:
        """Return what went wrong on the connection, as one of ours."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = getattr(error.certificate_error, "verify_message", "") or "it cannot be verified"
            return SourceDeniedError(
                f"the server's certificate is refused: {why.rstrip('.')}; see {self._section}.ca_file"
            )
        if isinstance(error, aiohttp.ClientSSLError):
            return SourceDeniedError("TLS with the server failed")
        if isinstance(error, aiohttp.ClientConnectorError):
            return SourceUnavailableError(f"no connection: {error.os_error.strerror or error.os_error}")
        # Not the error's own text: it may quote headers.
        return SourceUnavailableError(f"{where}: the connection broke off ({type(error).__name__})")


def _pause(text: str) -> float:
    """Return the seconds of a ``Retry-After``; 0 for a date, which nobody sends."""
    known = text.isascii() and text.isdecimal() and len(text) < 10
    return min(float(text), _LONGEST_PAUSE_ASKED_FOR) if known else 0.0
