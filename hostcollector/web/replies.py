"""What every reply has in common, and the one that says why there is no page."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256

from aiohttp import web

from hostcollector.outputs.status_style import STYLE

_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Server": "hostcollector",
    "X-Content-Type-Options": "nosniff",
}


def unavailable(sentence: str) -> web.HTTPServiceUnavailable:
    """Return the 503 that says why, for a person and for Prometheus' list of targets."""
    return web.HTTPServiceUnavailable(text=f"{sentence}\n", headers={"Retry-After": "1"})
