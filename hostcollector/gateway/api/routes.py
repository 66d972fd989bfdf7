"""Every path that is answered, with the scope that it needs; everything else is 404.

Paths are compared as they are sent: an encoded slash, a double one or ``..`` is no path here.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.api import prometheus
from hostcollector.gateway.api.call import Call
from hostcollector.gateway.api.openapi import openapi
from hostcollector.gateway.api.replies import document
from hostcollector.gateway.api.typed import Typed
from hostcollector.gateway.api.usage import Usage
from hostcollector.gateway.queries import Queries
from hostcollector.gateway.reply import Reply
from hostcollector.gateway.tenant import UUID

Handler = Callable[[Call], AbstractAsyncContextManager[Reply]]

PROMETHEUS = "/prometheus/api/v1/"
TYPED = "/api/v1/"
VM = f"(?P<vm>{UUID})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path with its handler. `pattern` names the parts of the path that vary."""

    name: str
    pattern: re.Pattern[str]
    scope: Scope
    handler: Handler
    methods: frozenset[str] = frozenset({"GET", "POST"})


def prometheus_routes(queries: Queries) -> list[Route]:
    """Return the routes of Prometheus' API."""
    asked = {
        "query": prometheus.query,
        "query_range": prometheus.query_range,
        "series": prometheus.series,
        "labels": prometheus.labels,
        "label/(?P<label>[a-zA-Z_][a-zA-Z0-9_]*)/values": prometheus.values,
    }
    answered: Mapping[str, Callable[[Call], Reply]] = {
        "status/buildinfo": lambda _: prometheus.build_information(),
        "metadata": prometheus.metadata,
        "rules": lambda _: prometheus.no_rules(),
        "alerts": lambda _: prometheus.no_alerts(),
        "query_exemplars": lambda _: prometheus.no_exemplars(),
    }
    return [
        *(_route(PROMETHEUS + path, partial(handler, queries)) for path, handler in asked.items()),
        *(_route(PROMETHEUS + path, given(answer)) for path, answer in answered.items()),
    ]


def typed_routes(typed: Typed, scrape: Handler) -> list[Route]:
    """Return the routes of the typed API, and the scrape endpoint."""
    get = frozenset({"GET"})
    described = document(openapi())  # made once: it takes longer than any other answer
    asked = {
        "vms": typed.vms,
        f"vms/{VM}": typed.vm,
        f"vms/{VM}/series": typed.series,
        "metrics": typed.metrics,
    }
    return [
        *(_route(TYPED + path, handler, Scope.METRICS, get) for path, handler in asked.items()),
        _route(f"{TYPED}openapi.json", given(lambda _: described), Scope.METRICS, get),
        _route(f"{TYPED}scrape", scrape, Scope.SCRAPE, get),
    ]


def usage_routes(usage: Usage) -> list[Route]:
    """Return the routes of a tenant's usage."""
    get = frozenset({"GET"})
    asked = {"usage": usage.usage, "usage/records": usage.records}
    return [_route(TYPED + path, handler, Scope.USAGE, get) for path, handler in asked.items()]


def given(answer: Callable[[Call], Reply]) -> Handler:
    """Return the handler for an answer that needs no store."""

    @asynccontextmanager
    async def handler(call: Call) -> AsyncIterator[Reply]:
        yield answer(call)

    return handler


def _route(
    path: str,
    handler: Handler,
    scope: Scope = Scope.PROMQL,
    methods: frozenset[str] = frozenset({"GET", "POST"}),
) -> Route:
    name = re.sub(r"\(\?P<(\w+)>[^/]*\)", r"{\1}", path)
    return Route(name=name, pattern=re.compile(path), scope=scope, handler=handler, methods=methods)
