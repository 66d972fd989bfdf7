"""A BMC on the loopback, over TLS, with session login and few places for sessions."""

import ssl
from itertools import count
from typing import Protocol

from aiohttp import web

from tests.fakes.bmc.baseboard import ROOT, Baseboard, Document
from tests.fakes.rest import BASIC, PASSWORD, USER, FakeService

SESSIONS = f"{ROOT}/SessionService/Sessions"


class Tree(Protocol):
    """The documents of a BMC."""

    def document(self, path: str) -> Document | None:
        """Return what is at a path; None for nothing."""


class FakeBmc(FakeService):
    """Serves a baseboard to clients with a session. `misbehave` changes what a path answers."""

    def __init__(self, context: ssl.SSLContext | None, baseboard: Baseboard | None = None) -> None:
        super().__init__(context)
        self.baseboard = baseboard if baseboard is not None else Baseboard()
        self.tree: Tree | None = None
        """Another BMC's documents, if it is not the baseboard's."""
        self.basic = False
        """Whether it has no sessions and takes the password with each question."""
        self.places = 4
        """How many sessions there may be."""
        self.sessions: dict[str, str] = {}
        """The tokens by the path of their session."""
        self.unplugged = False
        """Whether connections break off without an answer."""
        self.logins = self.most_sessions = self.most_at_once = 0
        self._numbers = count(1)
        self._at_once = 0

    def expire(self) -> None:
        """End all sessions, as a BMC does with those that are idle, and when it restarts."""
        self.sessions.clear()

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer as a BMC that is well."""
        if self.unplugged and request.transport is not None:
            request.transport.abort()
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return await self._respond(request)
        finally:
            self._at_once -= 1

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if self.basic:
            return await self._with_password(request)
        if path == SESSIONS and request.method == "POST":
            return await self._log_in(request)
        if path != ROOT and request.headers.get("X-Auth-Token") not in self.sessions.values():
            return web.Response(status=401, text="no session")
        if request.method == "DELETE":
            gone = self.sessions.pop(path, None)
            return web.Response(status=404 if gone is None else 204)
        document = (self.tree or self.baseboard).document(_path_of(request))
        return web.Response(status=404) if document is None else web.json_response(document)

    async def _with_password(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if path == SESSIONS:
            return web.json_response({"error": {"code": "Base.1.8.OperationNotAllowed"}}, status=405)
        if path != ROOT and request.headers.get("Authorization") != BASIC:
            return web.Response(status=401)
        document = (self.tree or self.baseboard).document(_path_of(request))
        return web.Response(status=404) if document is None else web.json_response(document)

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        self.logins += 1
        sent = await request.json()
        if sent != {"UserName": USER, "Password": PASSWORD}:
            return web.json_response({"error": {"code": "Base.1.8.AccessDenied"}}, status=401)
        if len(self.sessions) >= self.places:
            return web.json_response({"error": {"code": "Base.1.8.SessionLimitExceeded"}}, status=503)
        number = next(self._numbers)
        path, token = f"{SESSIONS}/{number}", f"token-of-session-{number}"
        self.sessions[path] = token
        self.most_sessions = max(self.most_sessions, len(self.sessions))
        headers = {"X-Auth-Token": token, "Location": f"{self.url}{path}"}
        return web.json_response({"@odata.id": path}, status=201, headers=headers)


def _path_of(request: web.Request) -> str:
    """Return the path with its query where it filters; of other queries the fakes know nothing."""
    return request.path_qs if "$filter" in request.query else request.path
