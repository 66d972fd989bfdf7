"""Requests to the store, and its answers as streams that are not read here."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from hostcollector.base.errors import ConfigError
from hostcollector.gateway.errors import StoreUnavailableError
from hostcollector.gateway.settings import StoreSettings
from hostcollector.gateway.store.receiving import GOOD, Incoming
from hostcollector.gateway.store.sending import Outgoing

_FORM = "application/x-www-form-urlencoded"
_PLAIN = {"Accept-Encoding": "identity", "Content-Type": _FORM}
_PACKED = {"Accept-Encoding": "gzip", "Content-Type": _FORM}
_CHUNK = 64 * 1024
_LONGEST_COMPLAINT = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the store with the body of a good one."""

    incoming: Incoming
    body: AsyncIterator[bytes]


class Store:
    """The tenants' store, reached by POST at the given address. Bound to one event loop.

    A request takes at most `seconds`. The constructor raises `ConfigError` for wrong certificates.
    """

    def __init__(self, settings: StoreSettings, seconds: float) -> None:
        self._url = settings.url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.connections, ssl=store_context(settings)),
            timeout=aiohttp.ClientTimeout(total=seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("Accept", "User-Agent"),
        )

    @asynccontextmanager
    async def ask(self, outgoing: Outgoing, *, packed: bool = False) -> AsyncIterator[Answer]:
        """Give the answer to a request; a `packed` one may be gzip. Raises `StoreUnavailableError`."""
        url = URL(f"{self._url}{outgoing.path}?{urlencode(outgoing.address)}", encoded=True)
        headers = _PACKED if packed else _PLAIN
        form = urlencode(outgoing.form).encode()  # aiohttp's own form takes four times as long
        try:
            async with self._session.post(url, data=form, headers=headers, allow_redirects=False) as response:
                complaint = "" if response.status == GOOD else await _complaint(response)
                incoming = Incoming(status=response.status, headers=response.headers, complaint=complaint)
                yield Answer(incoming, response.content.iter_chunked(_CHUNK))
        except TimeoutError as error:
            raise StoreUnavailableError("the store did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            # Not the error's own text: it names the store.
            raise StoreUnavailableError("the store does not answer") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


async def _complaint(response: aiohttp.ClientResponse) -> str:
    return (await response.content.read(_LONGEST_COMPLAINT)).decode(errors="replace")


def store_context(settings: StoreSettings) -> ssl.SSLContext:
    """Return the TLS context for the store. Raises `ConfigError` for wrong certificates."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.private_key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("store", [f"certificates cannot be used: {error}"]) from error
    return context
