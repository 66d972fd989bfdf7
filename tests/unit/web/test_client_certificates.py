"""Mutual TLS: which clients get in by their certificate."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hostcollector.web.access import AccessRules
from tests.fakes.pages import full_page
from tests.fakes.site import serving, until
from tests.unit.web.conftest import Pki, access_of


@pytest.fixture
def access(mutual_tls: dict[str, Any], tmp_path: Path) -> AccessRules:
    """Return access rules for clients with a certificate of the authority."""
    return access_of(tmp_path, tls_server_config=mutual_tls)


async def test_a_client_of_the_authority_gets_in(access: AccessRules, pki: Pki) -> None:
    """With a certificate that the authority has signed there is the page."""
    async with serving(full_page(), access=access) as site:
        assert (await site.client.get("/metrics", ssl=pki.client_context(pki.client))).status == 200


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy"])
async def test_a_client_without_a_certificate_is_refused(path: str, access: AccessRules, pki: Pki) -> None:
    """TLS ends before a page is asked for, the probes' too, and the client gets the reason."""
    async with serving(full_page(), access=access) as site:
        with pytest.raises(aiohttp.ClientError, match="certificate required"):
            await site.client.get(path, ssl=pki.client_context())
        assert site.collector.budgets == []


async def test_a_certificate_of_another_authority_is_refused(access: AccessRules, pki: Pki) -> None:
    """The right names are worth nothing when the wrong authority has signed them."""
    async with serving(full_page(), access=access) as site:
        with pytest.raises(aiohttp.ClientError, match="alert unknown ca"):
            await site.client.get("/metrics", ssl=pki.client_context(pki.impostor))
        assert site.collector.budgets == []


@pytest.mark.parametrize(
    "name",
    ["prometheus.example", "192.0.2.7", "spiffe://example/prometheus", "ops@example.org"],
)
async def test_one_allowed_name_is_enough(
    name: str, mutual_tls: dict[str, Any], pki: Pki, tmp_path: Path
) -> None:
    """Any kind of alternative name can be the allowed one."""
    tls = {**mutual_tls, "client_allowed_sans": ["other.example", name]}
    access = await asyncio.to_thread(access_of, tmp_path, tls_server_config=tls)
    async with serving(full_page(), access=access) as site:
        assert (await site.client.get("/metrics", ssl=pki.client_context(pki.client))).status == 200


async def test_other_names_are_refused_with_a_sentence(
    mutual_tls: dict[str, Any], pki: Pki, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The authority's word is not enough where names are listed; the log says so once, with the address."""
    tls = {**mutual_tls, "client_allowed_sans": ["other.example"]}
    access = await asyncio.to_thread(access_of, tmp_path, tls_server_config=tls)
    async with serving(full_page(), access=access) as site:
        for path in ("/metrics", "/", "/-/ready", "/nothing"):
            reply = await site.client.get(path, ssl=pki.client_context(pki.client))
            assert reply.status == 403
            assert await reply.text() == "No name of this certificate is among client_allowed_sans.\n"
        assert site.collector.budgets == []
        await until(lambda: bool(caplog.records))
    (line,) = caplog.records
    assert line.getMessage() == "refused: no name of the client's certificate is allowed"
    assert vars(line)["client"] == "127.0.0.1"


async def test_a_certificate_may_be_optional(mutual_tls: dict[str, Any], pki: Pki, tmp_path: Path) -> None:
    """VerifyClientCertIfGiven lets in who has none, and still refuses a wrong one."""
    tls = {**mutual_tls, "client_auth_type": "VerifyClientCertIfGiven"}
    access = await asyncio.to_thread(access_of, tmp_path, tls_server_config=tls)
    async with serving(full_page(), access=access) as site:
        assert (await site.client.get("/metrics", ssl=pki.client_context())).status == 200
        with pytest.raises(aiohttp.ClientError):
            await site.client.get("/metrics", ssl=pki.client_context(pki.impostor))
