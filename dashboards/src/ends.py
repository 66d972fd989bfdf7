"""What ended guests and what went wrong with them: the same panels for a hypervisor and for a tenant."""

from dashboards.src.panels import Column, Panel, Query, Table, Target, graph


def incidents(place: str) -> Panel:
    """Return the graph of incidents by tenant, with the matchers of a place of `selectors`."""
    return graph(
        "Incidents by tenant",
        "Panics, watchdogs, memory failures, I/O errors and ends by failure. Bad: any.",
        Query(
            "sum by (tenant, incident)"
            f" (increase(hostcollector_host_tenant_incidents_total{{{place}}}[$__rate_interval])) > 0",
            "{{tenant}} {{incident}}",
        ),
        bad=1,
        empty="none",
    )


def last_ended(place: str) -> Table:
    """Return the table of the guests that ended last."""
    return _last(
        "Last ended guests",
        "The last guests that ended, and how long ago. Bad: crashed, failed and oom_kill.",
        f"hostcollector_host_domain_ended_timestamp_seconds{{{place}}}",
        Column("Reason", "reason"),
    )


def last_incidents(place: str) -> Table:
    """Return the table of what went wrong last."""
    return _last(
        "Last incidents",
        "What went wrong with guests last, and how long ago. Bad: any of the last hours.",
        f"hostcollector_host_domain_incident_timestamp_seconds{{{place}}}",
        *(Column("Incident", "incident"), Column("Detail", "detail")),
    )


def _last(title: str, description: str, metric: str, *about: Column) -> Table:
    labels = ", ".join(column.label for column in about)
    ago = f"time() - max by (tenant, domain, uuid, instance, {labels}) ({metric})"
    return Table(
        title=title,
        description=description,
        columns=(
            Column("Guest", "domain"),
            Column("Tenant", "tenant", leads_to=Target.TENANT),
            Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
            Column("UUID", "uuid", hidden=True),
            *about,
            # The last fifty: a table of a large tenant would have thousands.
            Column("Ago", expr=f"bottomk(50, {ago})", unit="s"),
        ),
        sort="Ago",
        ascending=True,
        width=12,
        empty="none",
    )
