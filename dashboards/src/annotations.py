"""What happened, as marks on every graph: starts of guests, migrations and other jobs, of the collector."""

from collections.abc import Iterator

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery

from dashboards.src.selectors import selecting
from dashboards.src.variables import DATASOURCE, Depth


def annotations(depth: Depth) -> Iterator[AnnotationQuery]:
    """Yield the annotations that a board of this depth shows."""
    # All guests of a fleet start all the time: there the marks wait to be switched on.
    few = depth >= Depth.TENANT
    scope = {Depth.HOST: "HOST", Depth.TENANT: "TENANT"}.get(depth, "GUEST")
    yield _at_value(
        "Guest starts",
        f"libvirt_domain_start_timestamp_seconds{{{scope}}} * 1000",
        "{{domain}} of {{tenant}} began to run on {{instance}}",
        "green",
        on=few,
    )
    yield _while(
        "Migrations and other jobs",
        f"libvirt_domain_job_info_type{{{scope}}} == 1 or libvirt_domain_job_info_type{{{scope}}} == 2",
        "{{domain}} of {{tenant}} on {{instance}}: migration, backup, save or dump under way",
        "purple",
    )
    yield _while(
        "Migrated here",
        f'libvirt_domain_state_reason{{{scope}, state="running", reason="migrated"}}'
        f' unless libvirt_domain_state_reason{{{scope}, state="running", reason="migrated"}} offset 2m',
        "{{domain}} of {{tenant}} came to {{instance}} by migration",
        "blue",
    )
    yield _at_value(
        "Collector starts",
        "process_start_time_seconds{HOST} * 1000",
        "hostcollector began to run on {{instance}}",
        "orange",
    )
    yield _while(
        "Critical alerts",
        f'ALERTS{{{scope}, alertstate="firing", severity="critical"}}',
        "{{alertname}} {{domain}} {{instance}}",
        "red",
    )


def _while(name: str, query: str, text: str, colour: str, *, on: bool = True) -> AnnotationQuery:
    """Return marks for the time for which the query has a result."""
    return (
        AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(enable=on)
        .expr(selecting(query))
        .title_format(text)
        .icon_color(colour)
    )


def _at_value(name: str, query: str, text: str, colour: str, *, on: bool = True) -> AnnotationQuery:
    """Return a mark at the instant, in milliseconds, that is the query's value."""
    return _while(name, query, text, colour, on=on).use_value_for_time(use_value_for_time=True)
