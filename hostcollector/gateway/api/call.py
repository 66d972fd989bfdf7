"""A request of a tenant as frozen values: parameters are read here, strictly, and nowhere else."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import parse_qsl

from aiohttp import web

from hostcollector.gateway.errors import MethodError, QueryRefusedError, TooLargeError
from hostcollector.gateway.identity.principal import Principal
from hostcollector.gateway.promql.durations import seconds_of
from hostcollector.gateway.queries import Reader

LONGEST_BODY = 48 * 1024
MOST_PARAMETERS = 64
REPEATED = "match[]"
"""The one parameter that may be given several times."""

_FORM = "application/x-www-form-urlencoded"
_NUMBER = re.compile(r"[0-9]{1,14}(\.[0-9]{1,9})?(e[0-9]{1,2})?")
LATEST = 2**32 - 1
"""Unix seconds, in the year 2106. The store reads larger numbers as milliseconds, or as its own last instant.

A query with an offset would then look back further than the gateway has computed.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request with its tenant. `now` is Unix time in seconds, `path` what a route's pattern has found."""

    principal: Principal
    parameters: Sequence[tuple[str, str]]
    path: dict[str, str]
    now: float
    packed: bool = False
    """Whether the client takes gzip."""

    charge: Callable[[float], None] = lambda _seconds: None
    """Takes the seconds of CPU that a document has taken."""

    @property
    def reader(self) -> Reader:
        """For whom queries are."""
        oldest = self.now - self.principal.plan.history_seconds
        return Reader(tenant=self.principal.tenant, oldest=oldest, packed=self.packed)

    @property
    def unpacked_reader(self) -> Reader:
        """For whom queries are whose answer is read here."""
        return replace(self.reader, packed=False)

    def all(self, name: str) -> list[str]:
        """Return every value of a parameter."""
        return [value for key, value in self.parameters if key == name]

    def one(self, name: str, default: str | None = None) -> str:
        """Return the one value of a parameter. Raises `QueryRefusedError`."""
        values = self.all(name)
        if not values and default is not None:
            return default
        if len(values) != 1 or not values[0]:
            raise QueryRefusedError(f"the parameter {name} is needed, once")
        return values[0]

    def instant(self, name: str, default: float | None = None) -> float:
        """Return an instant, of Unix seconds or RFC 3339, in Unix seconds. Raises `QueryRefusedError`."""
        if not self.all(name) and default is not None:
            return default
        return instant_of(self.one(name), name)

    def step(self, default: float | None = None) -> float:
        """Return the step in seconds, of a number or a duration such as 5m. Raises `QueryRefusedError`."""
        if not self.all("step") and default is not None:
            return default
        text = self.one("step")
        seconds = float(text) if _NUMBER.fullmatch(text) else seconds_of(text)
        if not 0.001 <= seconds <= 10 * 365 * 86_400:
            raise QueryRefusedError("step is more than 0: write seconds or a duration such as 5m")
        return seconds


def limit_of(text: str, most: int) -> int:
    """Return how many entries a page may have. Raises `QueryRefusedError`."""
    # A bound on the digits too: a number of thousands of digits is no limit, and takes long to read.
    if not (re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= most):
        raise QueryRefusedError(f"limit takes 1 to {most}")
    return int(text)


def instant_of(text: str, name: str) -> float:
    """Return Unix seconds. Raises `QueryRefusedError`."""
    try:
        if _NUMBER.fullmatch(text):
            found = float(text)
        else:
            moment = datetime.fromisoformat(text)
            found = math.nan if moment.tzinfo is None else moment.timestamp()
    except (ValueError, OverflowError):
        found = math.nan
    if not 0 <= found <= LATEST:
        raise QueryRefusedError(f"{name} takes Unix seconds or RFC 3339, such as 2026-01-31T12:00:00Z")
    return found


async def parameters_of(request: web.BaseRequest) -> list[tuple[str, str]]:
    """Return the parameters, of the URL for GET and HEAD, of the body for POST. Raises `RequestRefusedError`.

    Both at once are refused: a body and a URL that differ are read one way here and another way elsewhere.
    """
    query = request.rel_url.raw_query_string
    if request.method in {"GET", "HEAD"}:
        if request.body_exists:
            raise TooLargeError("a GET has no body here: send parameters in the URL, or use POST")
        return _pairs(query)
    if request.method != "POST":
        raise MethodError(request.method, ("GET", "HEAD", "POST"))
    if query:
        raise QueryRefusedError("with POST all parameters belong in the body: leave the URL without any")
    if request.headers.get("Content-Encoding") or request.content_type != _FORM:
        raise QueryRefusedError(f"a body is {_FORM}, not compressed")
    if (request.content_length or 0) > LONGEST_BODY:
        raise TooLargeError(f"a body has at most {LONGEST_BODY} bytes")
    body = await request.content.read(LONGEST_BODY + 1)
    while len(body) <= LONGEST_BODY and (more := await request.content.read(LONGEST_BODY + 1 - len(body))):
        body += more
    if len(body) > LONGEST_BODY:
        raise TooLargeError(f"a body has at most {LONGEST_BODY} bytes")
    return _pairs(body.decode("latin-1"))


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, separator="&", errors="strict"
        )
    except ValueError:
        raise QueryRefusedError(f"parameters are UTF-8, percent-encoded, at most {MOST_PARAMETERS}") from None
    names = [name for name, _ in pairs if name != REPEATED]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise QueryRefusedError(f"the parameter {twice[:40]!a} is given twice")
    return pairs
