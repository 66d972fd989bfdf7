"""Documents as replies: Prometheus' JSON, and problem+json."""

import json

from hostcollector.gateway.errors import (
    MethodError,
    RequestRefusedError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from hostcollector.gateway.reply import JSON, Reply

PROBLEM = "application/problem+json"


def document(content: object, *, status: int = 200, kind: str = JSON) -> Reply:
    """Return a JSON document as a reply."""
    body = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    return Reply(status=status, headers={"Content-Type": kind}, body=body)


def success(data: object) -> Reply:
    """Return data as Prometheus' API does."""
    return document({"status": "success", "data": data})


def prometheus_refusal(error: RequestRefusedError) -> Reply:
    """Return a refusal as Prometheus' API does."""
    content = {"status": "error", "errorType": error.kind, "error": str(error)}
    return _with_headers(document(content, status=error.status), error)


def problem(error: RequestRefusedError) -> Reply:
    """Return a refusal as RFC 9457 has it."""
    content = {
        "type": "about:blank",
        "title": error.kind.replace("_", " "),
        "status": error.status,
        "detail": str(error),
    }
    return _with_headers(document(content, status=error.status, kind=PROBLEM), error)


def _with_headers(reply: Reply, error: RequestRefusedError) -> Reply:
    headers = dict(reply.headers)
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(error.seconds)
    if isinstance(error, MethodError):
        headers["Allow"] = ", ".join(sorted(error.methods))
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = 'Bearer realm="hostcollector-gateway"'
    return Reply(status=reply.status, headers=headers, body=reply.body)
