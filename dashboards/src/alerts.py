"""The table of firing alerts: the most severe first, each with its page of the runbook."""

from dashboards.src.panels import Column, States, Table, Target

_SEVERITIES: States = {"3": ("critical", "red"), "2": ("warning", "orange"), "1": ("info", "blue")}
_RANKS = {"critical": 3, "warning": 2, "info": 1}
# All alerts of this project have a scope; those of others may share the other labels. One about the fleet has no instance.
_OURS = (
    'alertstate="firing", scope=~"fleet|rack|storage|host|device|guest", job=~"$job|", region=~"$region|",'
    ' availability_zone=~"$availability_zone|"'
)


def firing(matchers: str, about: str, **table: object) -> Table:
    """Return the table of the alerts with these matchers too."""
    ranked = " or ".join(
        f'{rank} * ALERTS{{{_OURS}, {matchers}, severity="{severity}"}}' for severity, rank in _RANKS.items()
    )
    columns = (
        Column("Severity", expr=ranked, unit="none", states=_SEVERITIES),
        Column("Alert", "alertname", leads_to=Target.RUNBOOK),
        Column("For", "for"),
        Column("Component", "component"),
        Column("Tenant", "tenant", leads_to=Target.TENANT),
        Column("Guest", "domain", leads_to=Target.GUEST),
        Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
        Column("Region", "region"),
        Column("UUID", "uuid", hidden=True),
    )
    usual: dict[str, object] = {"sort": "Severity", "height": 7, "empty": "no alert is firing"}
    return Table(
        title="Firing alerts",
        description=f"Alerts that fire {about}, the most severe first; the name leads to what to do.",
        columns=columns,
        **usual | table,  # type: ignore[arg-type]
    )
