"""Parts that many queries have: names of guests, the highest of a host, the rate that panels share."""

import re

NAMES = "uuid:libvirt_domain_server:info"
"""The recording with the server, project and flavour of each guest."""
SERVER = "{{server}} ({{project}})"
"""The legend of a guest: its OpenStack server or libvirt name, and its project or tenant."""

_SELECTION = re.compile(r"(\{[^}]*\})(\[[^\]]*\])?")


def rate(metric: str, place: str) -> str:
    """Return the increase per second of a counter, with the matchers of a place of `selectors`."""
    return f"rate({metric}{{{place}}}[$__rate_interval])"


def named(expr: str, place: str) -> str:
    """Return the query with the labels `server` and `project`; its series need job, instance and uuid."""
    return f"{expr} * on (job, instance, uuid) group_left (server, project) {NAMES}{{{place}}}"


def highest(count: int, expr: str) -> str:
    """Return the series that are highest at the end of the range, over the whole range.

    `topk` alone chooses anew at each step and draws many broken lines. For the few series of one hypervisor: the
    left side is read whole. Boards of many hypervisors choose by a variable (`panels.Top`).
    """
    at_the_end = _SELECTION.sub(r"\1\2 @ end()", expr)
    return f"({expr} and topk({count}, {at_the_end}))"
