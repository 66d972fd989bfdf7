"""The provider's keys: fetched, kept when the provider fails, and fetched again for a new one."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hostcollector.gateway.errors import UnauthenticatedError
from hostcollector.gateway.identity.bearer import Identity
from hostcollector.gateway.identity.openid import OpenId
from hostcollector.gateway.identity.provider_keys import ProviderKeys
from hostcollector.gateway.plans import Plans
from hostcollector.gateway.settings import OpenIdSettings
from tests.unit.gateway.test_identity import ACCOUNTS, AUDIENCE, ISSUER, claims, keys, token


@contextmanager
def provider(answers: list[tuple[int, bytes]]) -> Iterator[str]:
    """Give the address of a JWKS that answers with these, one after the other."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys"
        finally:
            server.shutdown()
            thread.join()


def test_keys_are_used_and_kept_when_the_provider_fails() -> None:
    """Neither an error nor nonsense takes the good keys away; an unknown key is noted."""
    bad = [(500, b""), (200, b"nonsense"), (200, b"x" * 300_000), (302, keys())]
    with provider([(200, keys()), *bad]) as url:
        settings = OpenIdSettings(issuer=ISSUER, audience=AUDIENCE, keys_url=url)
        openid = OpenId(settings)
        identity = Identity(lambda: ACCOUNTS, Plans(), openid)
        followed = ProviderKeys(settings, openid)
        with pytest.raises(UnauthenticatedError):
            identity.principal(token(claims()))
        assert openid.missed
        for _ in range(1 + len(bad)):
            asyncio.run(followed.fetch())
            assert identity.principal(token(claims())).tenant == "a"
            assert not openid.missed
        followed.close()
