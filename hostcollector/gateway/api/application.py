"""Answers tenants: identity, plan, limits, handler, audit, in this sequence. Bound to one event loop."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import cast

from aiohttp import web

from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.api.call import Call, parameters_of
from hostcollector.gateway.api.replies import problem, prometheus_refusal
from hostcollector.gateway.api.routes import PROMETHEUS, Route
from hostcollector.gateway.audit.writer import Audit
from hostcollector.gateway.errors import (
    ForbiddenError,
    MethodError,
    NotFoundError,
    RequestRefusedError,
    StoreUnavailableError,
)
from hostcollector.gateway.identity.bearer import Identity
from hostcollector.gateway.identity.principal import Principal
from hostcollector.gateway.limits import TenantLimits
from hostcollector.gateway.metrics import Counters
from hostcollector.gateway.plans import Plans
from hostcollector.gateway.reply import Reply
from hostcollector.gateway.settings import LimitSettings
from hostcollector.web.access import AccessRules
from hostcollector.web.connection import WRITE_BUFFER, HttpConnection
from hostcollector.web.replies import HEADERS

logger = logging.getLogger(__name__)

NOT_FOUND = "page not found"
"""In the body of every 404: Grafana takes others for a broken data source."""


class TenantApplication:
    """Answers requests of tenants on the routes. `wall_clock` gives Unix time in seconds."""

    def __init__(
        self,
        *,
        access: AccessRules,
        routes: Sequence[Route],
        identity: Identity,
        plans: Plans,
        limits: LimitSettings,
        tenant_limits: TenantLimits,
        audit: Audit,
        counters: Counters,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.access = access
        self._routes = routes
        self._identity = identity
        self._plans = plans
        self._limits = limits
        self._tenant_limits = tenant_limits
        self._audit = audit
        self._counters = counters
        self._wall_clock = wall_clock

    def close(self) -> None:
        """Let the threads end."""
        self.access.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the reply: the data, or the reason why there is none."""
        connection = cast(HttpConnection, request.protocol)
        if not await self.access.admission.accepts_connection(request):
            connection.cut()  # the client connects again, under the present rules
            return web.Response()
        request_id = secrets.token_hex(8)
        headers = {**HEADERS, **self.access.headers, "X-Request-Id": request_id}
        path = request.rel_url.raw_path
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._served(request, path, request_id, headers)
        except TimeoutError:
            self._counters.refused("timeout")
            connection.cut()  # the reply may have begun, so no other can follow
            return web.Response()
        except RequestRefusedError as error:
            self._counters.refused(error.kind)
            shown = prometheus_refusal if path.startswith(PROMETHEUS) else problem
            refusal = shown(error)
            reply = web.Response(
                status=refusal.status, body=refusal.body, headers={**headers, **refusal.headers}
            )
            if request.body_exists and not request.content.at_eof():
                reply.force_close()  # the body is not read, so no other request can follow it
            return reply

    async def _served(
        self, request: web.BaseRequest, path: str, request_id: str, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        principal = self._identity.principal(
            request.headers.getall("Authorization", []), request.headers.getall("X-Tenant", [])
        )
        record = {"time": round(self._wall_clock(), 3), "id": request_id, "who": principal.subject}
        record |= {"tenant": principal.tenant, "route": "none", "query": ""}
        try:
            route, found = self._found(request.method, path)
            record["route"] = route.name
            with self._tenant_limits.admitted(principal.tenant, principal.plan.requests_per_minute):
                self._permit(principal, route)
                parameters = await parameters_of(request)
                record["query"] = _hash(parameters)
                call = Call(
                    principal=principal,
                    parameters=parameters,
                    path=found,
                    now=self._wall_clock(),
                    packed=_takes_gzip(request),
                )
                async with route.handler(call) as reply:
                    return await self._sent(request, reply, headers, record)
        except RequestRefusedError as error:
            await self._audit.record({**record, "decision": error.kind, "status": error.status, "bytes": 0})
            raise

    def _found(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        for route in self._routes:
            if match := route.pattern.fullmatch(path):
                if method not in route.methods:
                    raise MethodError(f"{method[:20]} is not answered here")
                return route, match.groupdict()
        raise NotFoundError(NOT_FOUND)

    def _permit(self, principal: Principal, route: Route) -> None:
        """Raise `ForbiddenError` where the token or the plan does not include the route."""
        principal.require(route.scope)
        key = {Scope.PROMQL: "promql", Scope.SCRAPE: "scrape"}.get(route.scope)
        if key is not None and not getattr(principal.plan, key):
            better = self._plans.with_(key)
            hint = f": the plan {better} does" if better else ""
            raise ForbiddenError(f"your plan {principal.plan_name} does not include this{hint}")

    async def _sent(
        self,
        request: web.BaseRequest,
        reply: Reply,
        headers: Mapping[str, str],
        record: Mapping[str, object],
    ) -> web.StreamResponse:
        """Send a reply; its record is written before its last bytes. Raises before the first ones only."""
        pieces = _pieces(reply)
        sent, last = 0, await anext(pieces, b"")
        response = web.StreamResponse(status=reply.status, headers={**headers, **reply.headers})
        try:
            async for piece in pieces:
                if sent == 0:
                    await response.prepare(request)
                sent += len(last)
                if sent + len(piece) > self._limits.response_bytes:
                    raise StoreUnavailableError(
                        f"the answer has more than {self._limits.response_bytes} bytes: narrow the query"
                    )
                await response.write(last)
                last = piece
            done = {"decision": "answered", "status": reply.status, "bytes": sent + len(last)}
            await self._audit.record({**record, **done})
            if sent == 0:
                response.content_length = len(last)
                await response.prepare(request)
            if request.method != "HEAD":
                await response.write(last)
            await response.write_eof()
        except RequestRefusedError:
            if response.prepared:  # half an answer must not look like a whole one
                cast(HttpConnection, request.protocol).cut()
                return response
            raise
        except ConnectionError:
            logger.debug("client closed its connection", extra={"client": request.remote})
        self._counters.answered(sent + len(last))
        return response


async def _pieces(reply: Reply) -> AsyncIterator[bytes]:
    if reply.stream is None:
        for start in range(0, len(reply.body), WRITE_BUFFER):
            yield reply.body[start : start + WRITE_BUFFER]
        return
    async for piece in reply.stream:
        if piece:
            yield piece


def _hash(parameters: Sequence[tuple[str, str]]) -> str:
    """Return what the audit keeps of a query: enough to compare, too little to read."""
    return sha256(repr(sorted(parameters)).encode()).hexdigest()[:32]


def _takes_gzip(request: web.BaseRequest) -> bool:
    with suppress(KeyError):
        offers = request.headers["Accept-Encoding"].replace(" ", "").lower().split(",")
        return "gzip" in offers
    return False
