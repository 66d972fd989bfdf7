"""Renders the alerts as a rule file: selectors, thresholds and labels from the parameters go into each rule."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from dashboards.alerts.alert import Alert, Group, Scope

_OWNER = (
    '{{ with $labels.domain }}guest {{ . }} (tenant {{ or $labels.tenant "unassigned" }})'
    "{{ else }}the host{{ end }} on {{ $labels.instance }}"
)
PHRASES = {
    "guest": 'guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) on {{ $labels.instance }}',
    "owner": _OWNER,
    "gpu": f"GPU {{{{ $labels.gpu }}}} of {_OWNER}",
}
"""What summaries call `$guest`; `$owner`: the guest that has a device, or its host; `$gpu`: a GPU with its owner."""

_BOARDS = {
    Scope.GUEST: "hostcollector-guest?var-instance={{ $labels.instance }}&var-guest={{ $labels.uuid }}",
    Scope.DEVICE: "hostcollector-hypervisor?var-instance={{ $labels.instance }}",
    Scope.HOST: "hostcollector-hypervisor?var-instance={{ $labels.instance }}",
    Scope.SERVICE: "hostcollector-gateway?var-instance={{ $labels.instance }}",
}
_FLEET_BOARD = "hostcollector-fleet"

_METRIC = re.compile(
    r'"(?:[^"\\]|\\.)*"'
    r"|(?<![\w:$])(?P<metric>(?:(?:libvirt|hostcollector)_\w+|up|scrape_duration_seconds)(?![\w:(]))(?P<brace>\{)?"
)
"""A text in quotes, or a metric of a scrape. A recording has colons in its name, and its job already."""
_PARAMETER = re.compile(r"\$(?!labels\b|value\b)([a-z]\w*)")


class UnknownParameterError(Exception):
    """A parameter file, or an alert, names a parameter or an alert that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What an operator may change; `parameters.yml` has the meaning and the default of each."""

    selector: str
    gateway_selector: str
    intake_selector: str
    place: str
    runbook_url: str
    grafana_url: str
    labels: Mapping[str, str]
    values: Mapping[str, Any]
    alerts: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, default: str, own: str = "") -> "Parameters":
        """Return the defaults with an operator's own values over them. Raises `UnknownParameterError`."""
        found, changed = yaml.safe_load(default), yaml.safe_load(own) or {}
        _require_mapping("the file", changed)
        _refuse_unknown(changed, found, "parameter")
        for section in ("labels", "values", "alerts"):
            _require_mapping(section, changed.get(section) or {})
        for name, settings in (changed.get("alerts") or {}).items():
            _require_mapping(f"alerts.{name}", settings)
        _refuse_unknown(changed.get("values") or {}, found["values"], "value")
        for section in ("labels", "values", "alerts"):
            found[section] = {**(found[section] or {}), **(changed.pop(section, None) or {})}
        return cls(**{**found, **changed})


def render(groups: Iterable[Group], parameters: Parameters, heading: str) -> str:
    """Return the rule file. Raises `UnknownParameterError`."""
    made = list(groups)
    _refuse_unknown(parameters.alerts, {alert.name for group in made for alert in group.alerts}, "alert")
    rendered = [
        {
            "name": f"hostcollector-{group.name}",
            "interval": group.interval,
            "rules": list(_rules(group, parameters)),
        }
        for group in made
    ]
    text = yaml.dump({"groups": rendered}, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return heading + text.replace("\n- name:", "\n\n- name:").replace("groups:\n\n", "groups:\n")


def with_selector(expr: str, selector: str) -> str:
    """Return the query with the selector on every metric of a scrape."""

    def add(found: re.Match[str]) -> str:
        if found["metric"] is None:
            return found[0]
        rest = f"{selector}, " if found["brace"] else f"{selector}}}"
        return f"{found['metric']}{{{rest}"

    return _METRIC.sub(add, expr)


def _rules(group: Group, parameters: Parameters) -> Iterator[dict[str, Any]]:
    for alert in group.alerts:
        own = dict(parameters.alerts.get(alert.name, {}))
        if own.pop("enabled", True):
            rule = _rule(alert, group, parameters)
            for key, place in (
                ("for", rule),
                ("keep_firing_for", rule),
                *((k, rule["labels"]) for k in _LABELS),
            ):
                if key in own:
                    place[key] = own.pop(key)
            _refuse_unknown(own, (), f"setting of {alert.name}")
            yield rule


_LABELS = ("severity", "audience")


def _rule(alert: Alert, group: Group, parameters: Parameters) -> dict[str, Any]:
    scope = alert.scope or group.scope
    labels = {
        "severity": str(alert.severity),
        "audience": str(alert.audience),
        "component": alert.component or group.component,
        "scope": str(scope),
        **({"action": alert.action} if alert.action else {}),
        **parameters.labels,
    }
    annotations = {
        "summary": _filled(alert.summary, parameters),
        "description": _filled(alert.description, parameters),
        "runbook_url": f"{parameters.runbook_url}/{alert.name}.md",
    }
    if parameters.grafana_url:
        annotations["dashboard_url"] = f"{parameters.grafana_url}/d/{_BOARDS.get(scope, _FLEET_BOARD)}"
    return {
        "alert": alert.name,
        "expr": with_selector(_filled(alert.expr, parameters), getattr(parameters, group.selector)),
        **({"for": alert.lasts} if alert.lasts else {}),
        **({"keep_firing_for": alert.keeps} if alert.keeps else {}),
        "labels": labels,
        "annotations": annotations,
    }


def _filled(text: str, parameters: Parameters) -> str:
    known = {"place": parameters.place, **parameters.values, **PHRASES}

    def value(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise UnknownParameterError(f"no value has the name {found[1]}")
        return str(known[found[1]])

    return _PARAMETER.sub(value, text)


def _require_mapping(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise UnknownParameterError(f"{name} takes a mapping, as in docs/alerts-and-boards.md, not {value!r}")


def _refuse_unknown(given: Iterable[str], known: Iterable[str], kind: str) -> None:
    if unknown := set(given) - set(known):
        raise UnknownParameterError(f"no {kind} has the name {', '.join(sorted(unknown))}")


class _Dumper(yaml.SafeDumper):
    """Writes long sentences folded and queries of several lines as they are."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else ">" if len(value) > 80 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
