"""What browsers get beside data: the customers' page, and leave for pages of other origins to read answers.

The latter is CORS (https://fetch.spec.whatwg.org/#http-cors-protocol), and no origin has leave by default.
Origins are exact: a pattern would admit names that others can register. Cookies are never allowed; a token is
in a header that a page has to set itself.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from hostcollector.gateway.page.files import PageFile

_SENT = "Authorization, Content-Type, X-Tenant"
_READ = "Allow, Hostcollector-Cursor, Hostcollector-More, Retry-After, X-Request-Id"
_SECONDS = "600"
"""How long a browser keeps the answer of a preflight request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Browsers:
    """The page's files by path, and the origins with leave, such as ``https://console.example``."""

    page: Mapping[str, PageFile] = field(default_factory=dict)
    origins: Collection[str] = ()

    def headers(self, request: web.BaseRequest) -> Mapping[str, str]:
        """Return the headers for every reply to a request."""
        if not self.origins:
            return {}
        varies = {"Vary": "Origin"}
        if not self._admits(request):
            return varies
        return {
            **varies,
            "Access-Control-Allow-Origin": request.headers["Origin"],
            "Access-Control-Expose-Headers": _READ,
        }

    def preflight(self, request: web.BaseRequest) -> Mapping[str, str] | None:
        """Return the headers for a browser's question before a request; None for any other request."""
        first = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not first or not self._admits(request):
            return None
        return {
            "Access-Control-Allow-Methods": "GET, HEAD, POST",
            "Access-Control-Allow-Headers": _SENT,
            "Access-Control-Max-Age": _SECONDS,
        }

    def _admits(self, request: web.BaseRequest) -> bool:
        given = request.headers.getall("Origin", [])
        return len(given) == 1 and given[0] in self.origins
