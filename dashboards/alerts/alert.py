"""An alert as a value: what it asks, whom it wakes, and the labels by which Alertmanager groups and inhibits it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How soon a person must act."""

    CRITICAL = "critical"
    """A tenant is without service or at risk now: page."""
    WARNING = "warning"
    """Today."""
    INFO = "info"
    """Some day, or only a fact that explains others."""


class Audience(StrEnum):
    """Whose task it is."""

    OPERATOR = "operator"
    TENANT = "tenant"
    """The guest does what its owner makes it do: the owner is informed, no operator is paged."""


class Scope(StrEnum):
    """How much one alert is about. An alert of a larger scope inhibits those of a smaller one (alertmanager.yml)."""

    FLEET = "fleet"
    RACK = "rack"
    STORAGE = "storage"
    HOST = "host"
    DEVICE = "device"
    """A GPU, a network card or a port."""
    GUEST = "guest"
    SERVICE = "service"
    """A program of the region, such as the gateway: no alert about hosts inhibits it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule.

    - `expr` is PromQL without the job: rendering puts the selector on every metric. `$name` is a parameter.
    - `lasts` is how long the expression must hold (`for`), `keeps` how long the alert fires on afterwards
      (`keep_firing_for`, Prometheus 2.42); "" for neither.
    - `summary` and `description` may say `$guest`, `$owner`, `$gpu` and parameters beside Prometheus' own templates.
    - `action` is a label of its own for automation, such as what NVIDIA advises for an Xid.
    """

    name: str
    expr: str
    severity: Severity
    summary: str
    description: str
    lasts: str = ""
    keeps: str = ""
    audience: Audience = Audience.OPERATOR
    scope: Scope | None = None
    component: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Alerts that Prometheus evaluates together, with the component and the scope that most of them have.

    `selector` is the parameter with the scrape job whose metrics they ask for.
    """

    name: str
    component: str
    scope: Scope
    alerts: tuple[Alert, ...]
    interval: str = "1m"
    """How often. What waits for minutes needs no more; what many guests have costs a large Prometheus each time."""
    selector: str = "selector"


def both(*queries: str) -> str:
    """Return the queries for devices that guests have, and for those of hosts: `OF` is the prefix of either family."""
    return "\nor ".join(
        query.replace("OF_", f"{prefix}_")
        for query in queries
        for prefix in ("libvirt_domain", "hostcollector_host")
    )
