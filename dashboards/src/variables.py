"""The variables of the boards: where the data is, which hypervisors, whose guests, which guest.

Tenants and guests are shown by their names and filtered by their ids: names repeat.

- The job has no pattern for all: other exporters of the same Prometheus have series of the same names.
- Zones and hypervisors have one: a pattern of 2,000 names is slow, and the job has narrowed them down.
- A board about one thing has no choice of all.
"""

from collections.abc import Iterator
from enum import Enum, auto

from grafana_foundation_sdk.builders.dashboard import (
    AdHocVariable,
    ConstantVariable,
    DatasourceVariable,
    QueryVariable,
    TextBoxVariable,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.src.panels import Input, Top
from dashboards.src.queries import NAMES
from dashboards.src.selectors import selecting

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

RUNBOOK = "https://runbooks.example/hostcollector"
NODE_BOARD = "rYdddlPWk"
"""The UID of grafana.com's board 1860, Node Exporter Full."""

ANY, SOME = ".*", ".+"
_BUILD = "hostcollector_build_info"
_GATEWAY_BUILD = "hostcollector_gateway_build_info"
_TEXT = '[^"]*'


class Scope(Enum):
    """What a board is about, and so which variables it has."""

    FLEET = auto()
    """All hypervisors, or some of them."""
    OWNERS = auto()
    """Sums by tenant: of all, or of some."""
    TENANT = auto()
    """One tenant."""
    HYPERVISOR = auto()
    """One hypervisor."""
    DEVICES = auto()
    """What guests have of one hypervisor: of all tenants and guests, or of some."""
    VICTIM = auto()
    """One guest on one hypervisor, beside the others."""
    GUEST = auto()
    """One guest, wherever it runs."""
    GATEWAY = auto()
    """The gateway for tenants: its workers, and no hypervisor."""


ONE_HOST = frozenset({Scope.HYPERVISOR, Scope.DEVICES, Scope.VICTIM})
MANY = frozenset({Scope.FLEET, Scope.OWNERS, Scope.TENANT})
"""Scopes of so many series that a graph asks recordings, or what an instant query chose."""


def variables(
    scope: Scope, inputs: tuple[Input, ...] = (), tops: tuple[Top, ...] = ()
) -> Iterator[Builder[VariableModel]]:
    """Yield the variables of a board, each narrowed down by those before it."""
    yield DatasourceVariable("datasource").label("Data source").type("prometheus")
    build = _GATEWAY_BUILD if scope is Scope.GATEWAY else _BUILD
    yield _one("job", "Job", f"label_values({build}, job)").multi(multi=True)
    yield _any("region", "Region", f'label_values({build}{{job=~"$job"}}, region)', ANY)
    zones = f'label_values({build}{{job=~"$job", region=~"$region"}}, availability_zone)'
    yield _any("availability_zone", "Availability zone", zones, ANY)
    hosts = selecting(f"label_values({build}{{FLEET}}, instance)")
    if scope is Scope.GATEWAY:
        yield _any("instance", "Worker", hosts, SOME)
    elif scope is Scope.FLEET:
        yield _any("instance", "Hypervisor", hosts, SOME)
    elif scope in ONE_HOST:
        yield _one("instance", "Hypervisor", hosts)
    yield from _owners(scope)
    for each in inputs:
        yield TextBoxVariable(each.name).label(each.title).default_value(each.default)
    for top in tops:
        yield _top(top)
    yield ConstantVariable("runbook").value(RUNBOOK)
    yield ConstantVariable("node_board").value(NODE_BOARD)
    yield AdHocVariable("filters").label("Other labels").datasource(DATASOURCE)


def _owners(scope: Scope) -> Iterator[QueryVariable]:
    """Yield tenant and guest, where the board asks for them."""
    tenants = selecting("query_result(sum by (project, tenant) (tenant:libvirt_domain_guests:count{FLEET}))")
    if scope in {Scope.OWNERS, Scope.DEVICES}:
        yield _any("tenant", "Tenant", tenants, ANY).regex(_pair("project", "tenant"))
    elif scope in {Scope.TENANT, Scope.GUEST}:
        yield _one("tenant", "Tenant", tenants).regex(_pair("project", "tenant"))
    # Over the whole range, so that a guest that is gone can still be looked at.
    place = {Scope.DEVICES: 'HOST, tenant=~"$tenant"', Scope.VICTIM: "HOST", Scope.GUEST: "TENANT"}.get(scope)
    if place is None:
        return
    guests = selecting(f"query_result(last_over_time({NAMES}{{{place}}}[$__range]))")
    made = _any if scope is Scope.DEVICES else _single
    yield made("guest", "Guest", guests, SOME).regex(_pair("server", "uuid"))


def _pair(shown: str, used: str) -> str:
    """Return the pattern that takes two labels from a series' text, in which Prometheus sorts them.

    Grafana does not escape values: the last label of the name is the real one, where a name may look like a label.
    """
    return rf'/[{{,]{shown}="(?<text>{_TEXT})".*[{{,]{used}="(?<value>{_TEXT})"/'


def _any(name: str, label: str, query: str, everything: str) -> QueryVariable:
    """Return a variable of which any number of values can be chosen; at first all, by a pattern."""
    made = _query(name, label, query).multi(multi=True).include_all(include_all=True).all_value(everything)
    return made.current(VariableOption(selected=True, text=["All"], value=["$__all"]))


def _one(name: str, label: str, query: str) -> QueryVariable:
    """Return a variable without a choice of all; Grafana takes the first value."""
    return _query(name, label, query).include_all(include_all=False).current(VariableOption())


def _single(name: str, label: str, query: str, _everything: str) -> QueryVariable:
    return _one(name, label, query)


def _top(top: Top) -> QueryVariable:
    """Return a hidden variable with what an instant query at the end of the range chooses."""
    query = selecting(f"query_result({top.expr})")
    made = _query(top.variable, top.variable, query).multi(multi=True).include_all(include_all=True)
    made.current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    return made.regex(rf'/.*[{{,]{top.label}="({_TEXT})"/').hide(VariableHide.HIDE_VARIABLE)


def _query(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name})
        .definition(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
