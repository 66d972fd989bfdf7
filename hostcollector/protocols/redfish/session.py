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
"""Where sessions are made if the service root does not say."""

# What a BMC says that has no sessions; any other refusal is one of the account.
_NO_SESSIONS = (404, 405, 501)
_LONGEST_TOKEN = 4096
_CREATED = (200, 201)
_DELETED = (200, 202, 204)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A session at the BMC: `location` is the resource to delete at its end; empty if it was not told.

    Without a `token` the password goes with each question: the BMC has no sessions.
    """

    token: str = field(default="", repr=False)
    location: str = ""


class Session:
    """Asks one BMC with the `access` of an earlier round or a new one, `connections` at a time at most."""

    def __init__(self, http: Http, target: Target, access: Access | None, *, connections: int) -> None:
        self._http = http
        self._target = target
        self._login = asyncio.Lock()
        # Not by the number of connections alone: to wait for one would count as waiting for the answer.
        self._turns = asyncio.Semaphore(connections)
        self.access = access

    async def root(self) -> dict[str, Any]:
        """Return the service root, which is told without a login. Raises `SourceError`."""
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

    async def _asked(self, path: str, access: Access) -> Any:
        """Return a resource. Raises `SourceError`; also for an error that came as if it were an answer."""
        document = await self._http.get(path, self._headers(access))
        if isinstance(document, dict) and "error" in document:
            said = complaint_of(document, self._target.secrets.union({access.token}))
            raise SourceMalformedError(f"{path} answered with an error as if it were a resource{said}")
        return document

    def age(self) -> float:
        """Return how old the oldest resource since the last call was when it came, in seconds."""
        return self._http.age()

    async def end(self) -> None:
        """Give the session back, if there is one. Raises `SourceError`."""
        access, self.access = self.access, None
        if access is not None and access.location:
            with suppress(TokenRefusedError, NoSuchPathError):  # it is gone already
                await self._http.ask("DELETE", access.location, self._headers(access), good=_DELETED)

    async def _log_in(self, refused: Access | None) -> Access:
        """Return a session that is not the `refused` one; of several askers the first one makes it."""
        async with self._login:
            if self.access is not None and self.access is not refused:
                return self.access
            self.access = None
            path = await self._sessions()
            creating = asyncio.ensure_future(self._created(path))
            try:
                return await asyncio.shield(creating)
            except asyncio.CancelledError:
                # A session whose token never arrives could not be given back.
                with suppress(SourceError):
                    await creating
                raise

    async def _created(self, path: str) -> Access:
        body = {"UserName": self._target.user, "Password": self._target.password}
        try:
            reply = await self._http.ask("POST", path, {}, body, good=_CREATED)
        except (TokenRefusedError, NoSuchPathError, NotAllowedError) as error:
            if isinstance(error, NoSuchPathError) and error.status in _NO_SESSIONS:
                self.access = Access()
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

    def _accepted(self, reply: Reply) -> Access:
        token = reply.headers.get("X-Auth-Token", "")
        if not (token.isascii() and token.isprintable() and 0 < len(token) <= _LONGEST_TOKEN):
            raise LoginRefusedError(self._refusal("it gives no token"))
        # The address may be a whole one; only its path is used: a session is nowhere but here.
        location = urlsplit(reply.headers.get("Location", "")).path
        return Access(token=token, location=location or _own_path(reply))

    def _headers(self, access: Access) -> dict[str, str]:
        if access.token:
            return {"X-Auth-Token": access.token}
        return {"Authorization": f"Basic {self._target.basic}"}

    def _refusal(self, why: object) -> str:
        return f"{self._target.user!r} is not let in: {why}"


def _own_path(reply: Reply) -> str:
    """Return the path that a session says is its own; empty for a login without a document."""
    with suppress(SourceMalformedError):
        document = reply.document
        path = document.get("@odata.id") if isinstance(document, dict) else None
        if isinstance(path, str) and path.startswith("/"):
            return path
    return ""


T = TypeVar("T")


async def gathered(questions: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the answers in order. Raises the first error, when all other questions have been given up.

    A question that went on would open connections after those who close them have gone.
    """
    tasks = [asyncio.ensure_future(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# What taking apart a document raises that is not what it claims to be.
_UNEXPECTED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@contextmanager
def noted(gaps: Gaps, path: str) -> Iterator[None]:
    """Record that the resource at `path` could not be read, whatever it was, and go on after it.

    A `BusyError` is raised still: it is the whole BMC that wants its peace. So is a login that is refused.
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
