"""Links from a series or a row to the board that says more, with time range, data source and scope kept."""

from dashboards.src.panels import Target

_KEPT = "${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${region:queryparam}"
_CHOSEN = {
    Target.HYPERVISOR: ("instance", "instance"),
    Target.TENANT: ("tenant", "tenant"),
    Target.GUEST: ("guest", "uuid"),
}
_TITLES = {
    Target.HYPERVISOR: "Open the hypervisor",
    Target.TENANT: "Open the tenant",
    Target.GUEST: "Open the guest",
}


def link(target: Target, source: str) -> dict[str, object]:
    """Return a data link; `source` is where the chosen value is: `__field.labels` or `__data.fields`."""
    variable, label = _CHOSEN[target]
    return {
        "title": _TITLES[target],
        "url": f"/d/hostcollector-{target}?{_KEPT}&var-{variable}=${{{source}.{label}:percentencode}}",
        "targetBlank": False,
    }
