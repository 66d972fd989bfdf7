"""From an accepted connection to one that speaks TLS, or to its end."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)


FAREWELL_SECONDS = 1.0
"""What a client has to answer the end of TLS, before the connection is closed without."""


class ContextSource(Protocol):
    """Where the context of the next connection comes from."""

    async def current(self) -> ssl.SSLContext:
        """Return it."""


class Handshake(asyncio.Protocol):
    """Greets one client: the context is chosen when it connects, so certificates change without a gap.

    `speaker` makes what talks to the client once it has shown what it must, None when nobody does any more;
    `seconds` is what the client has for that. `done` is told when the handshake is over, with the connection
    underneath, which outlives the end of TLS by the client's farewell.
    """

    def __init__(
        self,
        contexts: ContextSource,
        speaker: Callable[[], asyncio.Protocol | None],
        seconds: float,
        done: Callable[["Handshake", asyncio.Transport], object],
    ) -> None:
        self._contexts = contexts
        self._speaker = speaker
        self._seconds = seconds
        self._done = done
        self._early = b""
        self._greeting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, before a byte of the client has been read."""
        assert isinstance(transport, asyncio.Transport)
        # Not at once: older Pythons (Debian 12: 3.11.2) begin to read after this method, paused or not,
        # and take the client's greeting away from TLS. The loop calls this after that, before it reads.
        asyncio.get_running_loop().call_soon(transport.pause_reading)
        self._greeting = asyncio.create_task(self._greet(transport))
        self._greeting.add_done_callback(lambda _: self._done(self, transport))

    def data_received(self, data: bytes) -> None:
        """Keep what the client says in the same breath as the end of its handshake."""
        self._early += data

    def close(self) -> None:
        """Break off."""
        if self._greeting is not None:
            self._greeting.cancel()

    async def _greet(self, transport: asyncio.Transport) -> None:
        try:
            context = await self._contexts.current()
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self._seconds,
                ssl_shutdown_timeout=FAREWELL_SECONDS,
            )
        except OSError as error:
            # What the client did wrong is the client's to see; who looks for it here finds it with debug.
            client = transport.get_extra_info("peername")
            logger.debug("no TLS connection", extra={"client": client, "cause": repr(error)})
        except asyncio.CancelledError:
            transport.abort()
            raise
        else:
            self._hand_over(secured)

    def _hand_over(self, secured: asyncio.Transport | None) -> None:
        if secured is None or secured.is_closing():
            return  # the client left in the moment in which it was let in
        speaker = self._speaker()
        if speaker is None:
            secured.abort()
            return
        secured.set_protocol(speaker)
        speaker.connection_made(secured)
        if self._early:
            speaker.data_received(self._early)
