"""JWTs of a real OpenID provider, glewlwyd: which are taken, and what a change of its keys does."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import jwt
import pytest

from hostcollector.gateway.errors import UnauthenticatedError
from hostcollector.gateway.identity.bearer import Identity
from hostcollector.gateway.identity.openid import OpenId
from hostcollector.gateway.identity.provider_keys import ProviderKeys
from hostcollector.gateway.plans import Plans
from hostcollector.gateway.settings import OpenIdSettings
from tests.gateway.conftest import Pair
from tests.gateway.provider import Provider, SigningKey, provider
from tests.gateway.served import PROMETHEUS, Gateway, served
from tests.gateway.world import World
from tests.lab.process import eventually
from tests.unit.gateway.test_identity import ACCOUNTS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def signing() -> SigningKey:
    """Give the provider's first key."""
    return SigningKey.new("first")


@pytest.fixture(scope="module")
def openid(signing: SigningKey) -> Iterator[Provider]:
    """Give a provider for this file."""
    with provider([signing]) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(openid: Provider, victoria: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Give a gateway that trusts the provider."""
    settings = openid.settings
    section = {
        "issuer": settings.issuer,
        "audience": settings.audience,
        "keys_url": settings.keys_url,
        "tenant_claim": settings.tenant_claim,
    }
    more = f"openid: {json.dumps(section)}\n"
    with served(victoria.everything, tmp_path_factory.mktemp("openid"), workers=1, more=more) as running:
        token = openid.token()
        asked = f"{PROMETHEUS}status/buildinfo"
        assert eventually(lambda: running.ask(asked, token).status == 200, 20.0, "the provider's keys")
        yield running


def status(gateway: Gateway, token: str) -> int:
    """Return the status of a query with a token."""
    return gateway.ask(f"{PROMETHEUS}query", token, query="1").status


def test_a_login_reads_its_tenants_series(gateway: Gateway, openid: Provider, the_world: World) -> None:
    """The claim of the provider's user names the tenant; the audit names the subject."""
    found = gateway.ask(f"{PROMETHEUS}query", openid.token(), query="vm_state", time=str(the_world.end))
    assert {row["metric"]["tenant"] for row in found.document["data"]["result"]} == {"a"}
    record = next(one for one in gateway.audit() if one["id"] == found.headers["X-Request-Id"])
    subject = jwt.decode(openid.token(), options={"verify_signature": False})["sub"]
    assert record["who"] == f"openid:{subject}"


def test_what_differs_from_a_good_token_is_refused(
    gateway: Gateway, openid: Provider, signing: SigningKey
) -> None:
    """Real claims with one of them changed, signed with the provider's own key; and a token unsigned."""
    claims = jwt.decode(openid.token(), options={"verify_signature": False})
    assert status(gateway, signing.sign(claims)) == 200
    now = int(time.time())
    for changed in (
        {"exp": now - 60},
        {"exp": now + 7200},
        {"nbf": now + 600},
        {"aud": "elsewhere"},
        {"iss": "https://elsewhere.example"},
        {"sub": ""},
    ):
        assert status(gateway, signing.sign({**claims, **changed})) == 401, changed
    for tenant in ("", 7, [], ["a", 7], {"id": "a"}, None, "a/b"):
        assert status(gateway, signing.sign({**claims, "tenant": tenant})) == 403, tenant
    assert status(gateway, signing.sign({**claims, "tenant": "c"})) == 401
    assert status(gateway, SigningKey(signing.kid, SigningKey.new("x").jwk).sign(claims)) == 401
    head = urlsafe_b64encode(json.dumps({"alg": "none", "kid": signing.kid}).encode()).decode().rstrip("=")
    assert status(gateway, f"{head}.{openid.token().split('.')[1]}.") == 401


def test_tokens_for_another_service_are_refused(openid: Provider) -> None:
    """The provider signs for other audiences too, and a gateway takes only its own."""
    other = replace(openid.settings, audience="elsewhere")
    with pytest.raises(UnauthenticatedError):
        principal(openid, other)
    assert principal(openid, openid.settings) == "a"


def principal(openid: Provider, settings: OpenIdSettings) -> str:
    """Return the tenant of a new token, for a gateway with these settings."""
    checked = OpenId(settings)
    followed = ProviderKeys(settings, checked)
    try:
        asyncio.run(followed.fetch())
        return Identity(lambda: ACCOUNTS, Plans(), checked).principal([f"Bearer {openid.token()}"]).tenant
    finally:
        followed.close()


def test_keys_are_exchanged_and_a_provider_that_is_down_changes_nothing() -> None:
    """A new key counts from the next fetch, a withdrawn one no longer; the last good ones stay."""
    first, second = SigningKey.new("first"), SigningKey.new("second")
    with ExitStack() as ends, ExitStack() as server:
        running = server.enter_context(provider([first]))
        checked = OpenId(settings := running.settings)
        followed = ProviderKeys(settings, checked)
        ends.callback(followed.close)
        identity = Identity(lambda: ACCOUNTS, Plans(), checked)

        def tenant(token: str) -> str:
            return identity.principal([f"Bearer {token}"]).tenant

        asyncio.run(followed.fetch())
        old = running.token()
        assert tenant(old) == "a"
        running.use([second, first])
        new = running.token()
        with pytest.raises(UnauthenticatedError):
            tenant(new)
        assert checked.missed
        asyncio.run(followed.fetch())
        assert [tenant(old), tenant(new)] == ["a", "a"]
        running.use([second])
        asyncio.run(followed.fetch())
        with pytest.raises(UnauthenticatedError):
            tenant(old)
        server.close()
        asyncio.run(followed.fetch())
        assert tenant(new) == "a"
