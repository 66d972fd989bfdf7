"""Who gets to see the pages; the probes are for everybody and say nothing."""

import binascii
import ipaddress
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from aiohttp import web

from hostcollector.web.passwords import Passwords, Verdict
from hostcollector.web.refusals import Refusals

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROBES = frozenset({"healthy", "ready"})
"""Names of the routes that need no password."""

_CHALLENGE: Mapping[str, str] = {"WWW-Authenticate": 'Basic realm="hostcollector", charset="UTF-8"'}


class Admission:
    """Checks each request: the names in the client's certificate, then its password."""

    def __init__(
        self,
        passwords: Passwords | None = None,
        allowed_sans: Collection[str] = (),
        refusals: Refusals | None = None,
    ) -> None:
        self._passwords = passwords
        self._allowed_sans = frozenset(map(_normal, allowed_sans))
        self._refusals = refusals or Refusals()

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer the request, or say what is missing: 401, 403 or 429."""
        if self._allowed_sans and not self._allowed_sans & subject_names(_certificate(request)):
            self._refusals.note("no name of the client's certificate is allowed", _client(request))
            raise web.HTTPForbidden(text="No name of this certificate is among client_allowed_sans.\n")
        if self._passwords is not None and request.match_info.route.name not in PROBES:
            await self._ask_password(request, self._passwords)
        return await handler(request)

    def close(self) -> None:
        """Let the threads end."""
        self._refusals.close()
        if self._passwords is not None:
            self._passwords.close()

    async def _ask_password(self, request: web.Request, passwords: Passwords) -> None:
        said = credentials(request.headers.getall("Authorization", []))
        if said is None:
            raise web.HTTPUnauthorized(text="A user and a password are needed.\n", headers=_CHALLENGE)
        verdict = await passwords.verdict(*said, client=_client(request))
        if verdict is Verdict.BUSY:
            self._refusals.note("too many passwords to check", _client(request))
            text = "Other passwords are being checked; come again in a moment.\n"
            raise web.HTTPTooManyRequests(text=text, headers={"Retry-After": "1"})
        if verdict is Verdict.WRONG:
            self._refusals.note("wrong user or password", _client(request))
            raise web.HTTPUnauthorized(text="The user or the password is wrong.\n", headers=_CHALLENGE)


def credentials(headers: Collection[str]) -> tuple[str, bytes] | None:
    """Return user and password of the Authorization headers (RFC 7617), None where they are not just that."""
    scheme, _, encoded = (next(iter(headers)) if len(headers) == 1 else "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


def subject_names(certificate: Mapping[str, Any]) -> frozenset[str]:
    """Return the alternative names of a certificate as `ssl.SSLSocket.getpeercert` gives it: of all kinds."""
    return frozenset(_normal(value) for _, value in certificate.get("subjectAltName", ()))


def _normal(name: str) -> str:
    """Return the name; an IP address in the one form of the many that it can be written in."""
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name


def _certificate(request: web.Request) -> Mapping[str, Any]:
    return request.get_extra_info("peercert") or {}


def _client(request: web.Request) -> str:
    return request.remote or ""
