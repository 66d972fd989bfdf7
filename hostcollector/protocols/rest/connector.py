"""How the HTTP client gets its connections: from addresses that are known, and none of them stays behind."""

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult


class Connector(aiohttp.TCPConnector):
    """Leaves no connection behind: one that broke off would wait half a minute for the other side."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._opened: set[asyncio.BaseTransport] = set()

    async def connect(self, *arguments: Any, **more: Any) -> aiohttp.connector.Connection:
        """Open a connection, and remember it."""
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
    """Gives the addresses that were looked up before the loop ran: a thread that does it here would stay."""

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
