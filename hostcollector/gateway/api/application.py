"""Answers tenants: identity, plan, limits, handler, audit, in this sequence. Bound to one event loop."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import cast

from aiohttp import web

from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.accounts.notes import Notes
from hostcollector.gateway.api.browsers import Browsers
from hostcollector.gateway.api.call import Call, parameters_of
from hostcollector.gateway.api.replies import problem, prometheus_refusal
from hostcollector.gateway.api.routes import PROMETHEUS, Route
from hostcollector.gateway.audit.writer import Audit
from hostcollector.gateway.errors import (
    AuditError,
    ForbiddenError,
    MethodError,
    NotFoundError,
    RequestRefusedError,
    RequestTimeoutError,
    StoreUnavailableError,
    TooMuchDataError,
)
from hostcollector.gateway.identity.bearer import Identity
from hostcollector.gateway.identity.principal import Principal
from hostcollector.gateway.limits import DOCUMENT_SECONDS, TenantLimits
from hostcollector.gateway.metrics import Counters
from hostcollector.gateway.page.files import PageFile
from hostcollector.gateway.plans import Plans
from hostcollector.gateway.reply import Reply
from hostcollector.gateway.settings import LimitSettings
from hostcollector.web.access import AccessRules
from hostcollector.web.connection import WRITE_BUFFER, HttpConnection
from hostcollector.web.replies import HEADERS

NOT_FOUND = "page not found"
"""In the body of every 404: Grafana takes others for a broken data source."""


PLAN_KEYS = {Scope.PROMQL: "promql", Scope.SCRAPE: "scrape", Scope.USAGE: "usage"}
"""The key of a plan that includes the routes of a scope."""


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
        notes: Notes,
        counters: Counters,
        browsers: Browsers,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.access = access
        self._routes = routes
        self._fixed = {route.pattern.pattern: route for route in routes if not route.pattern.groups}
        self._identity = identity
        self._plans = plans
        self._limits = limits
        self._tenant_limits = tenant_limits
        self._audit = audit
        self._notes = notes
        self._counters = counters
        self._browsers = browsers
        self._wall_clock = wall_clock

    def close(self) -> None:
        """Let the threads end."""
        self.access.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the reply: the data, or the reason why there is none."""
        if not await self.access.admission.accepts_connection(request):
            cast(HttpConnection, request.protocol).cut()  # the client connects again, under the present rules
            return web.Response()
        exchange = _Exchange(request=request, started_at=self._wall_clock())
        exchange.headers = {
            **HEADERS,
            **self.access.headers,
            **self._browsers.headers(request),
            "X-Request-Id": exchange.id,
        }
        if (allowed := self._browsers.preflight(request)) is not None:
            return web.Response(status=204, headers={**exchange.headers, **allowed})
        if exchange.path in self._browsers.page and request.method in {"GET", "HEAD"}:
            return _static(request, self._browsers.page[exchange.path], exchange.headers)
        began = time.monotonic()
        try:
            return await self._answered(exchange)
        finally:
            if exchange.principal is not None:
                self._counters.took(time.monotonic() - began)
            if not exchange.recorded:  # an error of the gateway's own, or its end
                with suppress(AuditError):
                    self._record(exchange, "broken off", 500)

    async def _answered(self, exchange: "_Exchange") -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._served(exchange)
        except TimeoutError:
            return self._refused(exchange, RequestTimeoutError(self._limits.seconds))
        except RequestRefusedError as error:
            return self._refused(exchange, error)

    async def _served(self, exchange: "_Exchange") -> web.StreamResponse:
        request = exchange.request
        principal = exchange.principal = self._identity.principal(
            request.headers.getall("Authorization", []), request.headers.getall("X-Tenant", [])
        )
        exchange.subject, exchange.tenant = principal.subject, principal.tenant
        if principal.token_id:
            self._notes.last_use.note(principal.token_id)
        route, found = self._found(request.method, exchange.path)
        exchange.route = route.name
        with self._tenant_limits.admitted(principal.tenant, principal.plan.requests_per_minute):
            self._permit(principal, route)
            parameters = await parameters_of(request)
            exchange.query = _hash(parameters)
            call = Call(
                principal=principal,
                parameters=parameters,
                path=found,
                now=self._wall_clock(),
                packed=_takes_gzip(request),
                charge=partial(self._tenant_limits.charge, principal.tenant, usual=DOCUMENT_SECONDS),
            )
            async with self._handled(route, call) as reply:
                return await self._sent(exchange, reply)

    def _handled(self, route: Route, call: Call) -> AbstractAsyncContextManager[Reply]:
        """Begin to answer; what a long query takes to read is its tenant's."""
        began = time.thread_time()
        try:
            return route.handler(call)
        finally:
            self._tenant_limits.charge(call.principal.tenant, time.thread_time() - began)

    def _refused(self, exchange: "_Exchange", error: RequestRefusedError) -> web.StreamResponse:
        """Record and return a refusal. An answer that has begun is cut off: half of it is not whole."""
        if isinstance(error, StoreUnavailableError):
            self._counters.store_failed()
        if error.subject:
            exchange.subject, exchange.tenant = error.subject, error.tenant
        try:
            self._record(exchange, error.kind, error.status)
        except AuditError as failure:
            error = failure
        if isinstance(error, AuditError):
            self._counters.unrecorded()
        self._counters.refused(error.kind)
        if exchange.response is not None and exchange.response.prepared:
            cast(HttpConnection, exchange.request.protocol).cut()
            return exchange.response
        refusal = (prometheus_refusal if exchange.path.startswith(PROMETHEUS) else problem)(error)
        headers = {**exchange.headers, **refusal.headers}
        reply = web.Response(status=refusal.status, body=refusal.body, headers=headers)
        if exchange.request.body_exists and not exchange.request.content.at_eof():
            reply.force_close()  # the body is not read, so no other request can follow it
        return reply

    def _record(self, exchange: "_Exchange", decision: str, status: int) -> None:
        """Write the audit's record; a request without a good token has none. Raises `AuditError`."""
        exchange.recorded = True
        if not exchange.subject:
            return
        self._audit.record(
            {
                "time": round(exchange.started_at, 3),
                "id": exchange.id,
                "who": exchange.subject,
                "tenant": exchange.tenant,
                "route": exchange.route,
                "query": exchange.query,
                "decision": decision,
                "status": status,
                "bytes": exchange.sent,
            }
        )

    def _found(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        fixed = self._fixed.get(path)
        for route in self._routes if fixed is None else (fixed,):
            if match := route.pattern.fullmatch(path):
                methods = route.methods | ({"HEAD"} if "GET" in route.methods else set())
                if method not in methods:
                    raise MethodError(method, methods)
                return route, match.groupdict()
        raise NotFoundError(NOT_FOUND)

    def _permit(self, principal: Principal, route: Route) -> None:
        """Raise `ForbiddenError` where the token or the plan does not include the route."""
        principal.require(route.scope)
        key = PLAN_KEYS.get(route.scope)
        if key is not None and not getattr(principal.plan, key):
            better = self._plans.with_(key)
            hint = f": the plan {better} does" if better else ""
            raise ForbiddenError(f"your plan {principal.plan_name} does not include this{hint}")

    async def _sent(self, exchange: "_Exchange", reply: Reply) -> web.StreamResponse:
        """Send a reply; its record is written before its last bytes, or when the client goes away."""
        if exchange.request.method == "HEAD":
            return await self._headed(exchange, reply)
        pieces = _pieces(reply)
        last = await anext(pieces, b"")
        headers = {**exchange.headers, **reply.headers}
        response = exchange.response = web.StreamResponse(status=reply.status, headers=headers)
        try:
            async for piece in pieces:
                if not response.prepared:
                    await response.prepare(exchange.request)
                await response.write(last)
                exchange.sent += len(last)
                if exchange.sent + len(piece) > self._limits.response_bytes:
                    raise TooMuchDataError(self._limits.response_bytes)
                last = piece
            exchange.sent += len(last)
            self._record(exchange, "answered", reply.status)
            if response.prepared:
                await response.write(last)
                await response.write_eof()
            else:  # head and body go out in one piece
                response = web.Response(status=reply.status, headers=headers, body=last)
        except ConnectionError:
            self._record(exchange, "client gone", reply.status)
        self._counters.answered(exchange.sent)
        if exchange.principal is not None:
            self._notes.metering.note(exchange.principal.tenant, exchange.principal.plan_name, exchange.sent)
        return response

    async def _headed(self, exchange: "_Exchange", reply: Reply) -> web.StreamResponse:
        """Send what GET would send, without the body."""
        self._record(exchange, "answered", reply.status)
        response = web.StreamResponse(status=reply.status, headers={**exchange.headers, **reply.headers})
        if reply.stream is None:
            response.content_length = len(reply.body)
        await response.prepare(exchange.request)
        await response.write_eof()
        self._counters.answered(0)
        return response


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """A request in progress, and what is known of it so far. `sent` counts bytes of the body."""

    request: web.BaseRequest
    started_at: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    headers: Mapping[str, str] = field(default_factory=dict)
    principal: Principal | None = None
    subject: str = ""
    tenant: str = ""
    recorded: bool = False
    route: str = "none"
    query: str = ""
    sent: int = 0
    response: web.StreamResponse | None = None

    @property
    def path(self) -> str:
        """The path as it was sent."""
        return self.request.rel_url.raw_path


def _static(request: web.BaseRequest, file: PageFile, headers: Mapping[str, str]) -> web.Response:
    """Return a file of the page, which holds no data and needs no token."""
    headers = {**headers, **file.headers}
    if request.headers.get("If-None-Match") == file.tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.body, headers=headers)


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
