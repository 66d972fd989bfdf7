"""Fetches the provider's keys: at the start, regularly, and soon after a JWT with an unknown key."""

import asyncio
import logging
import ssl
from functools import partial

import aiohttp

from hostcollector.base.errors import ConfigError
from hostcollector.base.lanes import Workers
from hostcollector.base.log import Transitions
from hostcollector.gateway.identity.openid import Keys, OpenId, read_keys
from hostcollector.gateway.settings import OpenIdSettings

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 600.0
"""Between two fetches."""

SOON_SECONDS = 30.0
"""Between two fetches while JWTs name keys that are not known, for the provider's sake."""

ANSWER_SECONDS = 10.0
LONGEST_ANSWER = 256 * 1024

_SUBJECT = "fetching the OpenID provider's keys"


class ProviderKeys:
    """Keeps the keys of an `OpenId`; the last good ones stay in use. Bound to one event loop.

    The constructor raises `ConfigError` for certificates that cannot be used.
    """

    def __init__(self, settings: OpenIdSettings, openid: OpenId) -> None:
        try:
            self._context = ssl.create_default_context(cafile=settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError("openid", [f"ca_file cannot be used: {error}"]) from error
        self._url = settings.keys_url
        self._openid = openid
        self._transitions = Transitions(logger)
        self._workers = Workers("keys", 1)

    async def follow(self) -> None:
        """Fetch keys until the task is cancelled."""
        while True:
            await self.fetch()
            waited = 0.0
            while waited < INTERVAL_SECONDS and not self._openid.missed:
                await asyncio.sleep(SOON_SECONDS)
                waited += SOON_SECONDS

    async def fetch(self) -> None:
        """Fetch the keys once; a failure is logged and changes nothing."""
        try:
            content = await self._content()
            self._openid.use(await self._workers.run(partial(self._read, content)))
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            cause = f"{type(error).__name__}; the last ones stay in use"
            await self._workers.run(partial(self._transitions.failed, _SUBJECT, cause))

    def close(self) -> None:
        """Let the thread end."""
        self._workers.close()

    def _read(self, content: bytes) -> Keys:
        keys = read_keys(content)
        self._transitions.succeeded(_SUBJECT)
        return keys

    async def _content(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(ssl=self._context)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            session.get(self._url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            content = b""
            async for chunk in response.content.iter_chunked(LONGEST_ANSWER):
                content += chunk
                if len(content) > LONGEST_ANSWER:
                    raise ValueError("the JWKS is too long")
            return content
