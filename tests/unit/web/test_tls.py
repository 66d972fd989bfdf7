"""The page under TLS: who gets it, and what a client that does not play by the rules costs."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hostcollector.web.access import AccessRules
from hostcollector.web.clients import ClientLimits
from tests.fakes.pages import full_page
from tests.fakes.site import ended, serving, until
from tests.unit.web.conftest import Pki, access_of

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How TLS begins."""


@pytest.fixture
def access(tls: dict[str, Any], tmp_path: Path) -> AccessRules:
    """Return access rules with TLS alone."""
    return access_of(tmp_path, tls_server_config=tls)


async def test_the_page_is_served_under_tls_only(access: AccessRules, pki: Pki) -> None:
    """A client that trusts the authority gets page and probes; one without TLS gets not a byte."""
    async with serving(full_page(), access=access) as site:
        assert site.server.urls == (f"https://{site.address}",)
        for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
            assert (await site.client.get(path, ssl=pki.client_context())).status == 200
        with pytest.raises(aiohttp.ClientError):
            await site.client.get(f"http://{site.address}/-/healthy")


async def test_a_server_that_nobody_vouches_for_is_not_trusted(access: AccessRules, pki: Pki) -> None:
    """A client without the authority's certificate refuses the server's; the next client is served."""
    async with serving(full_page(), access=access) as site:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await site.client.get("/metrics", ssl=ssl.create_default_context())
        assert (await site.client.get("/metrics", ssl=pki.client_context())).status == 200


@pytest.mark.parametrize("minimum", ["TLS12", "TLS13"])
async def test_the_lowest_version_holds(minimum: str, tls: dict[str, Any], pki: Pki, tmp_path: Path) -> None:
    """A client that speaks no more than TLS 1.2 is served unless 1.3 is the least."""
    access = await asyncio.to_thread(access_of, tmp_path, tls_server_config={**tls, "min_version": minimum})
    old = pki.client_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(full_page(), access=access) as site:
        if minimum == "TLS12":
            assert (await site.client.get("/metrics", ssl=old)).status == 200
        else:
            with pytest.raises(aiohttp.ClientConnectorError, match="alert protocol version"):
                await site.client.get("/metrics", ssl=old)


async def test_a_request_sent_with_the_end_of_the_handshake_is_answered(
    access: AccessRules, pki: Pki
) -> None:
    """What a client sends together with the end of its handshake is not lost."""
    async with serving(full_page(), access=access) as site:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = pki.client_context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        reader, writer = await site.connect()
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        writer.write(outgoing.read())
        while True:
            incoming.write(await reader.read(65536))
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                continue
        client.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        writer.write(outgoing.read())
        incoming.write(await reader.read())
        assert client.read().startswith(b"HTTP/1.1 200 OK")
        writer.close()


@pytest.mark.parametrize("beginning", [b"", HELLO], ids=["silent", "half a hello"])
async def test_a_client_that_stays_in_its_handshake_is_cut_off(beginning: bytes, access: AccessRules) -> None:
    """Silence instead of a handshake ends with the connection, after the time that there is for one."""
    async with serving(full_page(), access=access, limits=ClientLimits(silent_seconds=0.2)) as site:
        reader, writer = await site.connect()
        writer.write(beginning)
        assert await ended(reader)
        writer.close()


async def test_handshakes_count_as_connections(access: AccessRules, pki: Pki) -> None:
    """Where clients in their handshake fill the room, the oldest of them gives way to the next client."""
    async with serving(full_page(), access=access, limits=ClientLimits(connections=2)) as site:
        oldest, younger = await site.connect(), await site.connect()
        await until(lambda: len(site.server._clients) == 2)
        assert (await site.client.get("/-/healthy", ssl=pki.client_context())).status == 200
        assert await ended(oldest[0])
        assert len(site.server._clients) == 2
        for _, writer in (oldest, younger):
            writer.transport.abort()


@pytest.mark.parametrize("beginning", [b"", HELLO], ids=["silent", "half a hello"])
async def test_closing_does_not_wait_for_handshakes(beginning: bytes, access: AccessRules) -> None:
    """A client in its handshake is cut off when the server closes."""
    async with serving(full_page(), access=access) as site:
        reader, writer = await site.connect()
        writer.write(beginning)
        await until(lambda: len(site.server._clients) == 1)
        await site.server.close()
        assert await ended(reader)
        writer.close()


async def test_closing_does_not_wait_for_farewells(access: AccessRules, pki: Pki) -> None:
    """A client that does not say goodbye to TLS is cut off when the server closes."""
    async with serving(full_page(), access=access) as site:
        reader, writer = await asyncio.open_connection(
            site.address.host, site.address.port, ssl=pki.client_context()
        )
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 OK")
        (under_tls,) = site.server._clients
        writer.transport.pause_reading()  # type: ignore[attr-defined] # so that the farewell is not heard
        await site.server.close()
        await until(lambda: under_tls.socket.fileno() == -1)
        writer.transport.abort()
