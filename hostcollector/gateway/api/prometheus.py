"""The part of Prometheus' API that Grafana's data source and promtool use, for one tenant.

What the store would answer about all tenants is answered here, from the catalogue.
"""

from contextlib import AbstractAsyncContextManager

from hostcollector.base.model import Kind
from hostcollector.catalogue import OF_TENANTS
from hostcollector.gateway.api.call import Call
from hostcollector.gateway.api.replies import success
from hostcollector.gateway.errors import QueryRefusedError
from hostcollector.gateway.queries import Queries, Span
from hostcollector.gateway.reply import Reply
from hostcollector.gateway.store.sending import Endpoint

VERSION = "2.42.0"
"""The release of Prometheus whose API and language are offered; Grafana looks at it."""


def query(queries: Queries, call: Call) -> AbstractAsyncContextManager[Reply]:
    """Give the answer to an instant query."""
    return queries.instant(call.reader, call.one("query"), call.instant("time", call.now))


def query_range(queries: Queries, call: Call) -> AbstractAsyncContextManager[Reply]:
    """Give the answer to a range query."""
    span = Span(start=call.instant("start"), end=call.instant("end"), step=call.step())
    return queries.range(call.reader, call.one("query"), span)


def series(queries: Queries, call: Call) -> AbstractAsyncContextManager[Reply]:
    """Give the label sets of the series that match[] selects."""
    if not call.all("match[]"):
        raise QueryRefusedError("the parameter match[] is needed, such as match[]=vm_info")
    return _about(queries, call, Endpoint.SERIES)


def labels(queries: Queries, call: Call) -> AbstractAsyncContextManager[Reply]:
    """Give the names of labels."""
    return _about(queries, call, Endpoint.LABELS)


def values(queries: Queries, call: Call) -> AbstractAsyncContextManager[Reply]:
    """Give the values of a label."""
    return _about(queries, call, Endpoint.VALUES, call.path["label"])


def build_information() -> Reply:
    """Return what Grafana reads the version from; nothing in it is the store's."""
    empty = dict.fromkeys(("revision", "branch", "buildUser", "buildDate", "goVersion"), "")
    return success({"version": VERSION, **empty})


def metadata(call: Call) -> Reply:
    """Return type, help and unit of the metrics, from the catalogue."""
    wanted = call.all("metric")
    return success(
        {
            row.name: [
                {
                    "type": "gauge" if row.kind is Kind.INFO else str(row.kind),
                    "help": row.help,
                    "unit": row.unit,
                }
            ]
            for row in OF_TENANTS
            if not wanted or row.name in wanted
        }
    )


def no_rules() -> Reply:
    """Return that there are no rules: tenants bring their own."""
    return success({"groups": []})


def no_alerts() -> Reply:
    """Return that there are no alerts."""
    return success({"alerts": []})


def no_exemplars() -> Reply:
    """Return that there are no exemplars."""
    return success([])


def _about(
    queries: Queries, call: Call, endpoint: Endpoint, label: str = ""
) -> AbstractAsyncContextManager[Reply]:
    times = (call.instant("start", call.reader.oldest), call.instant("end", call.now))
    limit = call.one("limit", "0")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise QueryRefusedError("limit is a whole number")
    return queries.about(call.reader, endpoint, call.all("match[]"), times, limit=int(limit), label=label)
