"""Panels of what GPUs of guests and those of the host have in common: one family of metrics, with two prefixes."""

from collections.abc import Callable

from dashboards.src.panels import FAULT, Panel, Query, States, graph, states
from dashboards.src.queries import SERVER, named

SLOW = "15m"
"""A window for what the BMC reports every `redfish.ports_interval_seconds` (300): three of its readings."""


def both(
    title: str,
    description: str,
    pattern: str,
    legend: str,
    empty: str = "no GPU reports it",
    *,
    draw: Callable[..., Panel] = graph,
    **about: object,
) -> Panel:
    """Return a panel of a family that GPUs of guests and those of the host share; `@` is its prefix and `{ALL` its scope."""
    of_guests = pattern.replace("@", "libvirt_domain").replace("{ALL", "{OWNED")
    of_host = pattern.replace("@", "hostcollector_host").replace("{ALL", "{HOST")
    return draw(
        title,
        description,
        Query(named(f"({of_guests})", "OWNED"), f"{legend}, {SERVER}"),
        Query(of_host, f"{legend}, host"),
        empty=empty,
        **about,
    )


def in_states(
    title: str,
    description: str,
    pattern: str,
    legend: str,
    empty: str = "no GPU reports it",
    *,
    values: States = FAULT,
    **about: object,
) -> Panel:
    """Return the same as bands of named states."""
    return both(title, description, pattern, legend, empty, draw=states, states=values, unit="none", **about)
