"""What is sent to the store: always a new request, in steps that each take an `Outgoing` and return the next.

Nothing of the tenant's request is forwarded: method, path, headers and names of parameters are written here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hostcollector.gateway.errors import QueryRefusedError
from hostcollector.gateway.tenant import checked_tenant

Parameters = tuple[tuple[str, str], ...]

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,127}")


class Endpoint(StrEnum):
    """What is asked of the store; the value is its path below ``/api/v1/``."""

    QUERY = "query"
    RANGE = "query_range"
    SERIES = "series"
    LABELS = "labels"
    VALUES = "label/{label}/values"


PARAMETERS: Mapping[Endpoint, frozenset[str]] = {
    Endpoint.QUERY: frozenset({"query", "time", "step"}),
    Endpoint.RANGE: frozenset({"query", "start", "end", "step", "nocache"}),
    Endpoint.SERIES: frozenset({"match[]", "start", "end", "limit"}),
    Endpoint.LABELS: frozenset({"match[]", "start", "end", "limit"}),
    Endpoint.VALUES: frozenset({"match[]", "start", "end", "limit"}),
}
"""The parameters of each endpoint. Those that ask for statistics of the store are not among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request to the store: `address` are the parameters in the URL, `form` those in the body."""

    tenant: str
    endpoint: Endpoint
    form: Parameters
    label: str = ""
    path: str = ""
    address: Parameters = ()


Step = Callable[[Outgoing], Outgoing]


def fixed_path(outgoing: Outgoing) -> Outgoing:
    """Set the path, which has nothing of the tenant's but the checked name of a label."""
    if outgoing.endpoint is Endpoint.VALUES and not _LABEL.fullmatch(outgoing.label):
        raise QueryRefusedError(f"{outgoing.label[:60]!a} is not the name of a label")
    return replace(outgoing, path="/api/v1/" + outgoing.endpoint.format(label=outgoing.label))


def known_parameters(outgoing: Outgoing) -> Outgoing:
    """Leave out every parameter that is not the endpoint's: `extra_filters[]` for example beats the lock."""
    known = PARAMETERS[outgoing.endpoint]
    return replace(outgoing, form=tuple(pair for pair in outgoing.form if pair[0] in known))


def store_lock(outgoing: Outgoing) -> Outgoing:
    """Add the store's own lock, in the URL: it holds whatever the query says."""
    return replace(outgoing, address=(("extra_label", f"tenant={checked_tenant(outgoing.tenant)}"),))


STEPS: tuple[Step, ...] = (fixed_path, known_parameters, store_lock)


def prepared(outgoing: Outgoing, steps: Sequence[Step] = STEPS) -> Outgoing:
    """Return the request as it is sent. Raises `RequestRefusedError`."""
    for step in steps:
        outgoing = step(outgoing)
    return outgoing
