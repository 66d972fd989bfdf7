"""What happened, as marks on every graph: starts of guests, migrations and other jobs, of the collector."""

from collections.abc import Iterator

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery

from dashboards.src.selectors import selecting
from dashboards.src.variables import DATASOURCE, MANY, Scope

_PLACES = {
    Scope.FLEET: "HOST",
    Scope.OWNERS: "TENANT",
    Scope.TENANT: "TENANT",
    Scope.HYPERVISOR: "HOST",
    Scope.DEVICES: "OWNED",
    Scope.VICTIM: "VICTIM",
    Scope.GUEST: "GUEST",
    Scope.GATEWAY: "HOST",
}


def annotations(scope: Scope) -> Iterator[AnnotationQuery]:
    """Yield the annotations of a board; those of many guests wait to be switched on."""
    few = scope not in MANY
    place = _PLACES[scope]
    if scope is not Scope.GATEWAY:
        yield from _of_guests(scope, place, few=few)
    yield _while(
        "Critical alerts",
        f'ALERTS{{{place}, alertstate="firing", severity="critical"}}',
        "{{alertname}} {{domain}} {{instance}}",
        "red",
        on=few,
    )


def _of_guests(scope: Scope, place: str, *, few: bool) -> Iterator[AnnotationQuery]:
    yield _at_value(
        "Guest starts",
        f"libvirt_domain_start_timestamp_seconds{{{place}}} * 1000",
        "{{domain}} of {{tenant}} began to run on {{instance}}",
        "green",
        # All guests of a hypervisor start when it does.
        on=scope is Scope.GUEST,
    )
    yield _while(
        "Migrations and other jobs",
        f"libvirt_domain_job_info_type{{{place}}} == 1 or libvirt_domain_job_info_type{{{place}}} == 2",
        "{{domain}} of {{tenant}} on {{instance}}: migration, backup, save or dump under way",
        "purple",
        on=few,
    )
    yield _while(
        "Migrated here",
        f'libvirt_domain_state_reason{{{place}, state="running", reason="migrated"}}'
        f' unless libvirt_domain_state_reason{{{place}, state="running", reason="migrated"}} offset 2m',
        "{{domain}} of {{tenant}} came to {{instance}} by migration",
        "blue",
        on=few,
    )
    hosts = "HOST" if "instance" in selecting(f"{{{place}}}") else "FLEET"
    yield _at_value(
        "Collector starts",
        f"process_start_time_seconds{{{hosts}}} * 1000",
        "hostcollector began to run on {{instance}}",
        "orange",
        on=few and hosts == "HOST",
    )


def _while(name: str, query: str, text: str, colour: str, *, on: bool) -> AnnotationQuery:
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


def _at_value(name: str, query: str, text: str, colour: str, *, on: bool) -> AnnotationQuery:
    """Return a mark at the instant, in milliseconds, that is the query's value."""
    return _while(name, query, text, colour, on=on).use_value_for_time(use_value_for_time=True)
