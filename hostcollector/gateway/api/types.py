"""The documents of the typed API. openapi.json is made from these classes: a docstring is a description."""

from dataclasses import dataclass, field

UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""A VM's id, as a regular expression."""

CURSOR = "(?:[A-Za-z0-9_-]{4}){1,48}"
"""A cursor of a list, as a regular expression: the base64 (RFC 4648, section 5) of what is after."""

MOST_VMS = 1000
"""VMs on one page of a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """A virtual machine. What is not known is null."""

    id: str
    """The VM's UUID."""

    name: str | None
    """The display name that your provider's console has for it."""

    state: str | None
    """The state that it is in, such as running or paused."""

    started_at: float | None
    """Since when it has run on its present host, in Unix seconds."""

    vcpus: float | None
    """vCPUs that are online."""

    checks: dict[str, bool] = field(default_factory=dict)
    """Status checks: true for passed; system is the platform, instance the VM itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmList:
    """A page of VMs, sorted by id."""

    vms: list[Vm]
    """The VMs of this page."""

    next: str | None
    """The cursor of the next page; null on the last one."""

    data_until: float | None
    """The time of the newest sample, in Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDescription:
    """A metric that your plan includes."""

    name: str
    """The metric's name, as in PromQL."""

    kind: str
    """counter, gauge or info."""

    unit: str
    """The base unit; empty for a number without one."""

    help: str
    """What a value means."""

    labels: list[str]
    """The labels beside tenant and vm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricList:
    """All metrics that your plan includes."""

    metrics: list[MetricDescription]
    """The metrics, sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series: its labels, and its points."""

    labels: dict[str, str]
    """The labels beside tenant and vm, such as disk."""

    points: list[list[float]]
    """Pairs of Unix seconds and value. A gap is a missing pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAnswer:
    """A metric of a VM over time."""

    metric: str
    """The metric's name."""

    unit: str
    """The unit of the values."""

    rate: bool
    """Whether values are increases in a second."""

    step: float
    """Seconds between two points; every time is a multiple of it."""

    series: list[Series]
    """The series, sorted by labels."""

    data_until: float | None
    """The time of the newest point, in Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a request is not answered (RFC 9457)."""

    type: str
    """about:blank: the status says the kind."""

    title: str
    """The kind of the problem."""

    status: int
    """The HTTP status."""

    detail: str
    """The cause, and what to do."""
