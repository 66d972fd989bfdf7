"""Who gets to see the pages; the probes are for everybody and say nothing."""

import binascii
import ipaddress
import ssl
import time
from base64 import b64decode
from collections.abc import Callable, Collection, Mapping
from typing import Any

from aiohttp import web

from hostcollector.web.certificates import Certificates
from hostcollector.web.passwords import Passwords, Verdict
from hostcollector.web.refusals import Refusals

_CHALLENGE: Mapping[str, str] = {"WWW-Authenticate": 'Basic realm="hostcollector", charset="UTF-8"'}


class Admission:
    """Checks each request: would its connection be made today, the client's certificate, the password.

    `wall_clock` gives Unix time in seconds.
    """

    def __init__(
        self,
        passwords: Passwords | None = None,
        allowed_sans: Collection[str] = (),
        refusals: Refusals | None = None,
        certificates: Certificates | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.passwords = passwords
        self._allowed_sans = frozenset(map(_normal, allowed_sans))
        self._refusals = refusals or Refusals()
        self._certificates = certificates
        self._wall_clock = wall_clock

    async def holds(self, request: web.BaseRequest) -> bool:
        """Whether the request's connection was made by the rules that hold now."""
        context = request.get_extra_info("sslcontext")
        return self._certificates is None or await self._certificates.accept(context)

    async def admit(self, request: web.BaseRequest, *, probe: bool) -> None:
        """Return, or raise what is missing: 401, 403 or 429. A probe needs no password."""
        self._check_certificate(request)
        if self.passwords is not None and not probe:
            await self._ask_password(request, self.passwords)

    def close(self) -> None:
        """Let the threads end."""
        self._refusals.close()
        if self.passwords is not None:
            self.passwords.close()

    def _check_certificate(self, request: web.BaseRequest) -> None:
        certificate: Mapping[str, Any] = request.get_extra_info("peercert") or {}
        if certificate and ssl.cert_time_to_seconds(certificate["notAfter"]) <= self._wall_clock():
            self._refusals.note("the client's certificate has expired", _client(request))
            raise _closing(web.HTTPForbidden(text="This certificate has expired.\n"))
        if self._allowed_sans and not self._allowed_sans & subject_names(certificate):
            self._refusals.note("no name of the client's certificate is allowed", _client(request))
            raise web.HTTPForbidden(text="No name of this certificate is among client_allowed_sans.\n")

    async def _ask_password(self, request: web.BaseRequest, passwords: Passwords) -> None:
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
    """Return the alternative names of a certificate as `ssl.SSLSocket.getpeercert` gives it: of all kinds.

    But directory names, which are no text.
    """
    names = (value for _, value in certificate.get("subjectAltName", ()))
    return frozenset(_normal(name) for name in names if isinstance(name, str))


def _normal(name: str) -> str:
    """Return the name; an IP address in the one form of the many that it can be written in."""
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name


def _closing(refusal: web.HTTPException) -> web.HTTPException:
    refusal.force_close()
    return refusal


def _client(request: web.BaseRequest) -> str:
    return request.remote or ""
