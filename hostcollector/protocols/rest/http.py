"""JSON over HTTPS with a service that may be slow, wrong, or not what it claims to be.

Each answer is limited in time and size. Redirects are followed on the service itself only, so that no other
server gets the secrets.
"""

import asyncio
import json
import socket
import zlib
from collections.abc import AsyncIterable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from hostcollector.base.errors import (
    SourceDeniedError,
    SourceError,
    SourceMalformedError,
    SourceTimeoutError,
    SourceUnavailableError,
)
from hostcollector.protocols.rest.refusals import Complaint, complaint, parts_of, refusal, seconds_of
from hostcollector.protocols.rest.target import Target

_CHUNK = 64 * 1024
_LONGEST_COMPLAINT = 16 * 1024
_MOST_HOPS = 4
# A redirect of these keeps method and body (RFC 9110); of the others only a GET is known to stay one.
_REDIRECTS_OF_ALL, _REDIRECTS = frozenset({307, 308}), frozenset({301, 302, 303, 307, 308})
_WANTED = {"Accept": "application/json", "Accept-Encoding": "identity"}
_ANYTHING = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate, identity"}
# zlib's value for "gzip or zlib, by the header" (zlib.h, inflateInit2).
_EITHER_HEADER = 47
_PLAIN = frozenset({"", "identity"})
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer. `where` is the requested path, `headers` are case-insensitive."""

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
    """Requests to one service, for as long as the context lasts.

    An answer may take `seconds` and have `limit` bytes, all answers together `limit_in_all`. `connections` is
    how many requests may be in flight at once.
    """

    def __init__(
        self,
        target: Target,
        *,
        seconds: float,
        limit: int,
        connections: int = 1,
        limit_in_all: int = 2**62,
    ) -> None:
        self._url = URL(target.url)
        self._prefix = self._url.raw_path.rstrip("/")
        self._bearer = {"Authorization": f"Bearer {target.token}"} if target.token else {}
        self._section = target.service.section
        self._secrets = target.secrets
        self._seconds = seconds
        self._limit = limit
        self._rest = limit_in_all
        self._wanted: Mapping[str, str] = _WANTED
        self._age = 0.0
        resolver = Resolved(target.addresses)
        self._connector = Connector(limit=connections, ssl=target.context, resolver=resolver)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._connector.abort()

    def age(self) -> float:
        """Return the most seconds that an answer since the last call had been in a cache (RFC 9111, Age)."""
        age, self._age = self._age, 0.0
        return age

    async def get(self, path: str, headers: Mapping[str, str]) -> Any:
        """Return the document under a path with its query. Raises `SourceError`."""
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
        """Return a reply whose status is one of `good`, its document unparsed. Raises `SourceError`."""
        where = path.partition("?")[0]
        url = self._address(path, where)
        try:
            for _ in range(_MOST_HOPS):
                asked = {**self._wanted, **self._bearer, **headers}
                async with self._session.request(
                    method, url, headers=asked, allow_redirects=False, json=body
                ) as response:
                    if response.status in good:
                        return await self._reply(response, where)
                    onward = self._onward(method, response)
                    if onward is None:
                        secrets = self._secrets.union(parts_of(headers.values()))
                        raise refusal(response, where, self._section, await _complaint(response, secrets))
                    url = onward
        except TimeoutError as error:
            raise SourceTimeoutError(f"{where}: no answer within {self._seconds:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._broken(error, where) from error
        raise SourceUnavailableError(f"{where} is redirected again and again")

    def _address(self, path: str, where: str) -> URL:
        """Return the address of a path, which may be a whole address of the service itself."""
        try:
            url = self._url.join(URL(path, encoded=True))
            own = url.origin() == self._url.origin()
        except ValueError as error:
            raise SourceMalformedError(f"{where} is no path") from error
        if not own:
            raise SourceMalformedError(f"{where} leads to somewhere else and is not followed")
        return self._below(url, where)

    def _below(self, url: URL, where: str) -> URL:
        """Return an address of the service below the path that the proxy has for it.

        A hostile link must not lead out of that path: the proxy serves other BMCs under its other paths.
        """
        if not self._prefix:
            return url
        if {".", ".."} & set(unquote(url.raw_path).replace("\\", "/").split("/")):
            raise SourceMalformedError(f"{where} leads to somewhere else and is not followed")
        if url.raw_path.startswith(f"{self._prefix}/"):
            return url
        return url.with_path(self._prefix + url.raw_path, encoded=True, keep_query=True)

    def _onward(self, method: str, response: aiohttp.ClientResponse) -> URL | None:
        """Return where to repeat the request; None where that is useless or would give secrets away."""
        if response.status == 406 and self._wanted is not _ANYTHING:
            self._wanted = _ANYTHING
            return response.url
        if response.status not in (_REDIRECTS if method == "GET" else _REDIRECTS_OF_ALL):
            return None
        try:
            onward = response.url.join(URL(response.headers.get("Location", ""), encoded=True))
            return self._below(onward, "") if onward.origin() == self._url.origin() else None
        except (ValueError, SourceMalformedError):
            return None

    async def _reply(self, response: aiohttp.ClientResponse, where: str) -> Reply:
        encoding = response.headers.get("Content-Encoding", "")
        limit = min(self._limit, self._rest)
        try:
            content = await unpacked(response.content.iter_chunked(_CHUNK), encoding, limit)
        except SourceMalformedError as error:
            raise SourceMalformedError(f"{where} {error}") from None
        self._rest -= len(content)
        self._age = max(self._age, seconds_of(response.headers.get("Age", "")))
        return Reply(where=where, status=response.status, headers=response.headers, content=content)

    def _broken(self, error: Exception, where: str) -> SourceError:
        """Return a failed connection as a `SourceError`."""
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


async def _complaint(response: aiohttp.ClientResponse, secrets: Collection[str]) -> Complaint:
    """Return the complaint in the body of a refusal; an empty one if the body does not arrive."""
    content = b""
    try:
        async for chunk in response.content.iter_chunked(_CHUNK):
            content += chunk[: _LONGEST_COMPLAINT - len(content)]
            if len(content) == _LONGEST_COMPLAINT:
                break
    except (aiohttp.ClientError, OSError, ValueError):
        return Complaint()
    return complaint(content, secrets)


class Connector(aiohttp.TCPConnector):
    """Leaves no connection behind: a broken one would wait half a minute for the other side."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._opened: set[asyncio.BaseTransport] = set()

    async def connect(self, *arguments: Any, **more: Any) -> aiohttp.connector.Connection:
        """Open a connection, and note it for `abort`."""
        connection = await super().connect(*arguments, **more)
        if connection.transport is not None:
            self._opened.add(connection.transport)
        return connection

    async def abort(self) -> None:
        """End every connection at once."""
        for transport in self._opened:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        # The loop closes the sockets in its next turns; a TLS handshake takes several.
        await asyncio.sleep(0.02)


class Resolved(AbstractResolver):
    """Gives the addresses that were looked up before the loop ran: a thread for it would outlive the loop."""

    def __init__(self, addresses: Iterable[tuple[int, str]]) -> None:
        self._addresses = tuple(addresses)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of that family."""
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
            for kind, address in self._addresses
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Nothing is held open."""


async def unpacked(chunks: AsyncIterable[bytes], encoding: str, limit: int) -> bytes:
    """Return a whole answer. Raises `SourceMalformedError`, also for more than `limit` bytes.

    Requests ask for plain answers, but some controllers have their documents only in packed form.
    """
    kind = encoding.strip().lower()
    if kind not in _PLAIN | _PACKED:
        raise SourceMalformedError("answered in an encoding that was not asked for")
    packed = zlib.decompressobj(_EITHER_HEADER) if kind in _PACKED else None
    content = bytearray()
    try:
        async for chunk in chunks:
            content += packed.decompress(chunk, limit - len(content) + 1) if packed else chunk
            if len(content) > limit:
                raise SourceMalformedError(f"answered with more than {limit} bytes")
    except zlib.error:
        raise SourceMalformedError("answered with something that is not packed as it says") from None
    if packed is not None and not packed.eof:
        raise SourceMalformedError("answered with something packed that breaks off")
    return bytes(content)
