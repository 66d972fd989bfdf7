"""The variables of the boards: where the data is, which hypervisors, whose guests, which guest.

A guest is shown by its name and filtered by its UUID: names repeat, during a migration even at one time.
"""

from collections.abc import Iterator
from enum import IntEnum

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.src.selectors import HOST, selecting

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")


class Depth(IntEnum):
    """How far down a board looks, and so which variables it has."""

    HOST = 1
    TENANT = 2
    GUESTS = 3
    ONE_GUEST = 4


def variables(depth: Depth) -> Iterator[Builder[VariableModel]]:
    """Yield the variables of a board, each narrowed down by those before it."""
    yield DatasourceVariable("datasource").label("Data source").type("prometheus")
    yield _query("job", "Job", "label_values(hostcollector_build_info, job)", ".+")
    yield _query("region", "Region", 'label_values(hostcollector_build_info{job=~"$job"}, region)', ".*")
    yield _query(
        *("instance", "Instance"),
        'label_values(hostcollector_build_info{job=~"$job", region=~"$region"}, instance)',
        ".+",
    )
    if depth >= Depth.TENANT:
        yield _query("tenant", "Tenant", f"label_values(libvirt_domain_tenant_info{{{HOST}}}, tenant)", ".*")
    if depth >= Depth.GUESTS:
        yield _guest(one=depth is Depth.ONE_GUEST)


def _query(name: str, label: str, query: str, everything: str) -> QueryVariable:
    """Return a variable of which any number of values can be chosen; the pattern for all includes none."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name})
        .definition(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(everything)
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _guest(*, one: bool) -> QueryVariable:
    # Over the whole range, so that a guest that is gone can still be looked at.
    query = selecting("query_result(last_over_time(libvirt_domain_info_virtual_cpus{TENANT}[$__range]))")
    variable = _query("guest", "Guest", query, ".+").regex(
        r'/domain="(?<text>[^"]*)".*uuid="(?<value>[^"]*)"/'
    )
    if one:
        return variable.multi(multi=False).include_all(include_all=False).current(VariableOption())
    return variable
