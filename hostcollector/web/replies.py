"""What every reply has in common, and the one that says why there is no page."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256

from aiohttp import web


def content_policy(style: str = "") -> str:
    """Return the policy of a page that loads nothing; `style` is the style sheet that stands in it."""
    sheet = f" style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}';" if style else ""
    return f"default-src 'none';{sheet} base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": content_policy(),
    "Referrer-Policy": "no-referrer",
    "Server": "hostcollector",
    "X-Content-Type-Options": "nosniff",
}


def unavailable(sentence: str) -> web.HTTPServiceUnavailable:
    """Return the 503 that says why, for a person and for Prometheus' list of targets."""
    return web.HTTPServiceUnavailable(text=f"{sentence}\n", headers={"Retry-After": "1"})
