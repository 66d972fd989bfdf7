"""Requests under one login at the BMC (DSP0266, session login), which is renewed when it has expired.

A BMC has few places for sessions: the collector has at most one, and ends it at `close`.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from hostcollector.base.errors import SourceDeniedError, SourceError, SourceMalformedError
from hostcollector.base.gaps import Gaps
from hostcollector.protocols.rest.http import Http, Reply
from hostcollector.protocols.rest.refusals import (
    BusyError,
    LoginRefusedError,
    NoSuchPathError,
    NotAllowedError,
    TokenRefusedError,
    complaint_of,
)
from hostcollector.protocols.rest.target import Target

ROOT = "/redfish/v1/"
SESSIONS = "/redfish/v1/SessionService/Sessions"
"""Where sessions are created if the service root has no link."""

# The answers of a BMC without sessions; any other refusal is about the account.
_NO_SESSIONS = (404, 405, 501)
_LONGEST_TOKEN = 4096
_CREATED = (200, 201)
_DELETED = (200, 202, 204)
T = TypeVar("T")
# What parsing a document of an unexpected shape raises.
_UNEXPECTED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionToken:
    """A session at the BMC: `location` is the resource to delete at its end; empty if unknown.

    Without a `token` each request carries the password, as for a BMC without sessions, or the proxy logs in.
    """

    token: str = field(default="", repr=False)
    location: str = ""


class Session:
    """Requests to one BMC with an earlier round's `access` or a new one, `connections` at a time."""

    def __init__(self, http: Http, target: Target, access: SessionToken | None, *, connections: int) -> None:
        self._http = http
        self._target = target
        self._login = asyncio.Lock()
        # Beside the limit of connections: waiting for a connection would count as waiting for the answer.
        self._turns = asyncio.Semaphore(connections)
        self.access = access

    async def root(self) -> dict[str, Any]:
        """Return the service root, which needs no login. Raises `SourceError`."""
        document = await self._http.get(ROOT, {})
        if not isinstance(document, dict) or "RedfishVersion" not in document:
            said = complaint_of(document, self._target.secrets)
            raise SourceMalformedError(f"{ROOT} is not a Redfish service; see redfish.url{said}")
        return document

    async def get(self, path: str) -> Any:
        """Return a resource; a session that has expired is renewed, once. Raises `SourceError`."""
        async with self._turns:
            access = self.access or await self._log_in(None)
            try:
                return await self._asked(path, access)
            except TokenRefusedError as error:
                if not access.token:
                    raise LoginRefusedError(self._refusal(error)) from error
                return await self._asked(path, await self._log_in(access))

    async def _asked(self, path: str, access: SessionToken) -> Any:
        """Return a resource. Raises `SourceError`, also for an error with status 200."""
        document = await self._http.get(path, self._headers(access))
        if isinstance(document, dict) and "error" in document:
            said = complaint_of(document, self._target.secrets.union({access.token}))
            raise SourceMalformedError(f"{path} answered with an error as if it were a resource{said}")
        return document

    def age(self) -> float:
        """Return the seconds that the oldest answer since the last call had been in a cache."""
        return self._http.age()

    async def end(self) -> None:
        """End the session, if there is one. Raises `SourceError`."""
        access, self.access = self.access, None
        if access is not None and access.location:
            with suppress(TokenRefusedError, NoSuchPathError):  # it has ended already
                await self._http.ask("DELETE", access.location, self._headers(access), good=_DELETED)

    async def _log_in(self, refused: SessionToken | None) -> SessionToken:
        """Return a session that is not the `refused` one; of several callers the first creates it."""
        async with self._login:
            if self.access is not None and self.access is not refused:
                return self.access
            self.access = None
            if not self._target.user:
                self.access = SessionToken()
                return self.access
            path = await self._sessions()
            creating = asyncio.ensure_future(self._created(path))
            try:
                return await asyncio.shield(creating)
            except asyncio.CancelledError:
                # Without its token the new session could not be ended.
                with suppress(SourceError):
                    await creating
                raise

    async def _created(self, path: str) -> SessionToken:
        body = {"UserName": self._target.user, "Password": self._target.password}
        try:
            reply = await self._http.ask("POST", path, {}, body, good=_CREATED)
        except (TokenRefusedError, NoSuchPathError, NotAllowedError) as error:
            if isinstance(error, NoSuchPathError) and error.status in _NO_SESSIONS:
                self.access = SessionToken()
                return self.access
            raise LoginRefusedError(self._refusal(error)) from error
        except BusyError as error:
            raise BusyError(f"{error}; it may have no session left", error.pause) from error
        self.access = self._accepted(reply)
        return self.access

    async def _sessions(self) -> str:
        links = (await self.root()).get("Links")
        linked = links.get("Sessions") if isinstance(links, dict) else None
        path = linked.get("@odata.id") if isinstance(linked, dict) else None
        return path if isinstance(path, str) and path.startswith("/") else SESSIONS

    def _accepted(self, reply: Reply) -> SessionToken:
        token = reply.headers.get("X-Auth-Token", "")
        if not (token.isascii() and token.isprintable() and 0 < len(token) <= _LONGEST_TOKEN):
            raise LoginRefusedError(self._refusal("it gives no token"))
        # Only the path of a whole address is used: the session is on this BMC.
        location = urlsplit(reply.headers.get("Location", "")).path
        return SessionToken(token=token, location=location or _own_path(reply))

    def _headers(self, access: SessionToken) -> dict[str, str]:
        if access.token:
            return {"X-Auth-Token": access.token}
        if self._target.token:  # its header is that of the password
            return {}
        return {"Authorization": f"Basic {self._target.basic}"}

    def _refusal(self, why: object) -> str:
        return f"{self._target.user or 'the token'!r} is not let in: {why}"


def _own_path(reply: Reply) -> str:
    """Return a session's own path (``@odata.id``); empty for a login without a document."""
    with suppress(SourceMalformedError):
        document = reply.document
        path = document.get("@odata.id") if isinstance(document, dict) else None
        if isinstance(path, str) and path.startswith("/"):
            return path
    return ""


async def gathered(requests: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the answers in the order of the requests. Raises the first error, after cancelling the others.

    A request that went on would open connections after the session's close.
    """
    tasks = [asyncio.ensure_future(request) for request in requests]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def noted(gaps: Gaps, path: str) -> Iterator[None]:
    """Record that the resource at `path` could not be read, and go on after it.

    Raised are only errors of the whole BMC: `BusyError`, and a refused login.
    """
    try:
        yield
    except BusyError:
        raise
    except SourceError as error:
        if isinstance(error, SourceDeniedError) and not isinstance(error, NotAllowedError):
            raise
        gaps.unread(path, str(error).removeprefix(path).lstrip(": "))
    except _UNEXPECTED as error:
        gaps.unread(path, error)
