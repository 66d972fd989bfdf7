"""Answers the operator's console: credential, route, change, audit. Bound to one event loop."""

import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from aiohttp import web

from hostcollector.base.errors import ConfigError, HostcollectorError
from hostcollector.base.lanes import Workers
from hostcollector.config.files import read_bytes
from hostcollector.config.web_config import ClientAuthType
from hostcollector.gateway.admin.routes import AdminRoute
from hostcollector.gateway.api.replies import document, problem
from hostcollector.gateway.audit.writer import Audit
from hostcollector.gateway.errors import (
    MethodError,
    NotFoundError,
    RequestRefusedError,
    TooLargeError,
    UnauthenticatedError,
)
from hostcollector.gateway.identity.bearer import bearer
from hostcollector.gateway.reply import Reply
from hostcollector.web.access import AccessRules, subject_names
from hostcollector.web.connection import HttpConnection
from hostcollector.web.replies import HEADERS, Refusals

LONGEST_BODY = 64 * 1024


class AdminApplication:
    """Answers on the routes. Without client certificates a request needs the operator's `token`.

    `wall_clock` gives Unix time in seconds.
    """

    def __init__(
        self,
        *,
        access: AccessRules,
        token: str,
        routes: Sequence[AdminRoute],
        audit: Audit,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.access = access
        self._token = token
        self._routes = routes
        self._audit = audit
        self._wall_clock = wall_clock
        self._workers = Workers("admin", 2)
        self._refusals = Refusals()

    def close(self) -> None:
        """Let the threads end."""
        self.access.close()
        self._workers.close()
        self._refusals.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the reply: what was changed, or the reason why nothing was."""
        if not await self.access.admission.accepts_connection(request):
            cast(HttpConnection, request.protocol).cut()
            return web.Response()
        try:
            await self.access.admission.admit(request, probe=True)
            reply = await self._answered(request)
        except web.HTTPException as refusal:
            reply = Reply(status=refusal.status, headers={}, body=(refusal.text or "").encode())
        except RequestRefusedError as error:
            reply = problem(error)
        headers = {**HEADERS, **self.access.headers, **reply.headers}
        response = web.Response(status=reply.status, body=reply.body, headers=headers)
        if request.body_exists and not request.content.at_eof():
            response.force_close()
        return response

    async def _answered(self, request: web.BaseRequest) -> Reply:
        who = self._who(request)
        route, path = self._found(request.method, request.rel_url.raw_path)
        body = await _body(request)
        record: dict[str, object] = {
            "time": round(self._wall_clock(), 3),
            "id": secrets.token_hex(8),
            "who": who,
            "route": route.name,
            **path,
        }
        # Before the change: one that cannot be recorded is not made.
        self._audit.record({**record, "decision": "begun"})
        reply = await self._workers.run(lambda: _done(route, path, body))
        self._audit.record({**record, "decision": "done" if reply.status < 300 else "failed"})
        return reply

    def _who(self, request: web.BaseRequest) -> str:
        """Return the client's name for the audit. Raises `UnauthenticatedError`."""
        certificate: Mapping[str, Any] = request.get_extra_info("peercert") or {}
        if certificate and certified(self.access):
            return "certificate " + ", ".join(sorted(subject_names(certificate)))
        try:
            given = bearer(request.headers.getall("Authorization", []))
        except UnauthenticatedError:
            given = ""
        if not self._token or not hmac.compare_digest(given.encode(), self._token.encode()):
            self._refusals.note("no valid token of the operator", request.remote or "")
            raise UnauthenticatedError("the operator's token or a client certificate is needed")
        return "token"

    def _found(self, method: str, path: str) -> tuple[AdminRoute, dict[str, str]]:
        matches = [(route, found) for route in self._routes if (found := route.pattern.fullmatch(path))]
        for route, found in matches:
            if route.method == method:
                return route, found.groupdict()
        if matches:
            raise MethodError(method, sorted(route.method for route, _ in matches))
        raise NotFoundError("page not found")


def certified(access: AccessRules) -> bool:
    """Whether every client has shown a certificate that the operator's authority has signed."""
    tls = access.config.tls_server_config
    return tls is not None and tls.client_auth_type is ClientAuthType.REQUIRED


def _done(route: AdminRoute, path: Mapping[str, str], content: bytes) -> Reply:
    """Read the body and carry out the route; runs in a thread."""
    try:
        body = read_bytes(content, "the request", route.body) if content else route.body()
    except (ConfigError, TypeError) as error:
        problems = error.problems if isinstance(error, ConfigError) else ["a JSON object is needed"]
        return _failure(400, "bad request", problems)
    try:
        result = route.run(path, body)
    except RequestRefusedError as error:
        return problem(error)
    except HostcollectorError as error:
        return _failure(409, "not done", [str(error)])
    return result if isinstance(result, Reply) else document({} if result is None else result)


def _failure(status: int, title: str, problems: Sequence[str]) -> Reply:
    content = {"type": "about:blank", "title": title, "status": status, "detail": "; ".join(problems)}
    return document(content, status=status, kind="application/problem+json")


async def _body(request: web.BaseRequest) -> bytes:
    if (request.content_length or 0) > LONGEST_BODY:
        raise TooLargeError(f"a request has at most {LONGEST_BODY} bytes")
    content = await request.content.read(LONGEST_BODY + 1)
    while content and len(content) <= LONGEST_BODY and not request.content.at_eof():
        content += await request.content.read(LONGEST_BODY + 1 - len(content))
    if len(content) > LONGEST_BODY:
        raise TooLargeError(f"a request has at most {LONGEST_BODY} bytes")
    return _as_yaml(content) if content else content


def _as_yaml(content: bytes) -> bytes:
    """Return a JSON object as YAML reads it: it knows no pairs of surrogates, and folds some characters.

    Raises `RequestRefusedError` for what is no JSON object.
    """
    try:
        document = json.loads(content, object_pairs_hook=_distinct)
        text = json.dumps(document, ensure_ascii=False) if isinstance(document, dict) else ""
    except (ValueError, RecursionError):
        text = ""
    if not text:
        raise RequestRefusedError("a JSON object is needed")
    return re.sub("[\x7f-\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise RequestRefusedError("a key is given twice")
    return document
