"""Links from a series or a row to the board that says more, with time range, data source and scope kept."""

from dashboards.src.panels import Target

_TIME = "${__url_time_range}"
_KEPT = (
    f"{_TIME}&${{datasource:queryparam}}&${{job:queryparam}}&${{region:queryparam}}"
    "&${availability_zone:queryparam}"
)
_CHOSEN = {
    Target.HYPERVISOR: {"instance": "instance"},
    Target.TENANT: {"tenant": "tenant"},
    Target.GUEST: {"tenant": "tenant", "guest": "uuid"},
    Target.NEIGHBOURS: {"instance": "instance", "guest": "uuid"},
    Target.GPU: {"instance": "instance"},
}
_TITLES = {
    Target.HYPERVISOR: "Open the hypervisor",
    Target.TENANT: "Open the tenant",
    Target.GUEST: "Open the guest",
    Target.NEIGHBOURS: "Who ran on the CPUs that the guest waited for",
    Target.GPU: "Open the GPUs of the hypervisor",
    Target.RUNBOOK: "What to do",
    Target.NODE: "Open the host in node_exporter's board",
}


def link(target: Target, source: str) -> dict[str, object]:
    """Return a data link; `source` is where the chosen value is: `__field.labels` or `__data.fields`."""
    return {"title": _TITLES[target], "url": _url(target, source), "targetBlank": target is Target.RUNBOOK}


def _url(target: Target, source: str) -> str:
    if target is Target.RUNBOOK:
        return f"${{runbook}}/${{{source}.alertname}}.md"
    if target is Target.NODE:
        return node_board(f"${{{source}.instance:percentencode}}")
    chosen = "".join(
        f"&var-{variable}=${{{source}.{label}:percentencode}}" for variable, label in _CHOSEN[target].items()
    )
    return f"/d/hostcollector-{target}?{_KEPT}{chosen}"


def node_board(host: str) -> str:
    """Return the address of the host in node_exporter's board, which knows it by its node name."""
    return f"/d/${{node_board}}?{_TIME}&var-nodename={host}"
