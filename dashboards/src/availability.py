"""The board that answers: how available were the guests, and which downtime was not planned."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Query, Row, States, Table, Target, Top, graph, number, states
from dashboards.src.queries import NAMES, SERVER, named
from dashboards.src.variables import Scope

_TIME = "tenant:libvirt_domain_availability_seconds:sum_rate5m"
_DOWN = "uuid:libvirt_domain_downtime:ratio_rate5m"


def _mean(state: str, by: str = "") -> str:
    """Return how many guests were in these states on average over the range."""
    return f'sum {by}(avg_over_time({_TIME}{{TENANT, state=~"{state}"}}[$__range]))'


def _level(by: str = "") -> str:
    """Return the service level over the range: planned and unknown time is in neither sum."""
    return f"{_mean('available', by)} / ({_mean('available|unplanned', by)} > 0)"


def _seconds(state: str) -> str:
    """Return each guest's seconds in a state over the range; samples once a minute, so that 60 s are one."""
    return f'60 * sum_over_time({_DOWN}{{TENANT, state="{state}"}}[$__range:1m])'


_LEVEL = Row(
    title="Service level over the chosen range (rules: docs/liveness.md)",
    panels=(
        number(
            "Service level",
            "Share of the time in which hosts served the guests, without planned and unknown time. Bad: below 99.9 %.",
            _level(),
            unit="percentunit",
            decimals=4,
            warn=0.999,
            bad=0.99,
            low_is_bad=True,
            empty="no guest was watched",
        ),
        number(
            "Unplanned downtime",
            "Time of all guests together in which the host did not serve them. Bad: any.",
            f"{_mean('unplanned')} * $__range_s or vector(0)",
            unit="s",
            warn=1,
        ),
        number(
            "Planned downtime",
            "Time of all guests together in which they were paused, saved or shut down on purpose.",
            f"{_mean('planned')} * $__range_s or vector(0)",
            unit="s",
        ),
        number(
            "Guests, on average",
            "Guests whose time was counted.",
            _mean(".+"),
            decimals=1,
            empty="none",
        ),
        number(
            "Down now, unplanned",
            "Guests that the host does not serve now. Bad: any.",
            f'count(count by (uuid) ({_DOWN}{{TENANT, state="unplanned"}})) or vector(0)',
            bad=1,
        ),
        number(
            "Down now, planned",
            "Guests that are paused, saved or shut down on purpose, and were running here before.",
            f'count(count by (uuid) ({_DOWN}{{TENANT, state="planned"}})) or vector(0)',
        ),
        graph(
            "Time in state",
            "Guests in each state on average: available, and not available as planned or unplanned. Bad: unplanned.",
            Query(f"sum by (state) ({_TIME}{{TENANT}})", "{{state}}"),
            stacked=True,
        ),
        graph(
            "Service level: the ten worst tenants",
            "Share of the last hour in which hosts served the tenant's guests. Bad: below 99.9 %.",
            Query(
                'min by (tenant) (tenant:libvirt_domain_availability:ratio_rate1h{TENANT, tenant=~"$top_level"})',
                "{{tenant}}",
            ),
            unit="percentunit",
            maximum=1,
            warn=0.999,
            bad=0.99,
            low_is_bad=True,
            leads_to=Target.TENANT,
            top=Top(
                "level",
                "tenant",
                "bottomk(10, min by (tenant) (tenant:libvirt_domain_availability:ratio_rate1h{TENANT}))",
            ),
        ),
    ),
)
_TENANTS = Row(
    title="Tenants",
    panels=(
        Table(
            title="Tenants",
            description="Service level and downtime of each tenant over the range. Bad: below 99.9 %.",
            columns=(
                Column("Project", "project"),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column(
                    "Is",
                    expr="max by (tenant, project) (tenant:libvirt_domain_guests:count{TENANT})",
                    hidden=True,
                ),
                Column(
                    "Service level",
                    expr=_level("by (tenant) "),
                    unit="percentunit",
                    warn=0.999,
                    bad=0.99,
                    low_is_bad=True,
                ),
                Column(
                    "Unplanned", expr=f"{_mean('unplanned', 'by (tenant) ')} * $__range_s", unit="s", warn=1
                ),
                Column("Planned", expr=f"{_mean('planned', 'by (tenant) ')} * $__range_s", unit="s"),
                Column("Guests, on average", expr=_mean(".+", "by (tenant) ")),
            ),
            sort="Service level",
            ascending=True,
        ),
    ),
)
_DOWNTIME: States = {"1": ("planned", "blue"), "2": ("unplanned", "red")}
_LEAST = "topk(20, sum by (uuid) (sum_over_time(" + _DOWN + "{TENANT}[$__range:1m])))"
_CHOSEN = 'TENANT, uuid=~"$top_down"'
_GUESTS = Row(
    title="Guests that were down",
    panels=(
        Table(
            title="Downtime by guest",
            description="Seconds in which guests were down over the range, the fifty longest. Bad: unplanned.",
            columns=(
                Column("Server", "server", leads_to=Target.GUEST),
                Column("Guest", "domain"),
                Column("Project", "project"),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("State", "state"),
                Column("UUID", "uuid", hidden=True),
                Column(
                    "Down",
                    expr="topk(50, "
                    f"({_seconds('unplanned')} or {_seconds('planned')})"
                    f" * on (job, instance, uuid) group_left (server, project) last_over_time({NAMES}{{TENANT}}[$__range]))",
                    unit="s",
                ),
            ),
            sort="Down",
            width=14,
            empty="no guest was down",
        ),
        states(
            "When",
            "When the twenty guests that were down longest were down. Bad: unplanned.",
            Query(
                named(
                    f'(2 * ({_DOWN}{{{_CHOSEN}, state="unplanned"}} > bool 0)'
                    f' or 1 * ({_DOWN}{{{_CHOSEN}, state="planned"}} > bool 0))',
                    _CHOSEN,
                ),
                SERVER,
            ),
            states=_DOWNTIME,
            unit="none",
            width=10,
            height=9,
            empty="no guest was down",
            leads_to=Target.GUEST,
            top=Top("down", "uuid", _LEAST),
        ),
    ),
)

BOARD = Board(
    name="availability",
    title="Availability",
    description="How available were the guests: service level, planned and unplanned downtime, and who was down when?",
    scope=Scope.OWNERS,
    rows=(_LEVEL, _TENANTS, _GUESTS),
)
