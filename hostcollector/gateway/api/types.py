"""The documents of the typed API. openapi.json is made from these classes: a docstring is a description."""

from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUsage:
    """GPUs of one model, mode and profile."""

    model: str
    """The GPU's model."""

    mode: str
    """passthrough, vgpu or mig."""

    profile: str
    """The profile of a vGPU or a MIG instance; empty for a whole GPU."""

    seconds: int
    """Seconds for which VMs had such a GPU, added up over the GPUs."""

    joules: int | None
    """Energy; null where it is not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """Amounts of one state. A meter that was not measured is missing, which is another thing than 0."""

    start: str | None
    """The day or hour that the amounts are of (RFC 3339); null for the whole month."""

    vm: str | None
    """The VM's UUID; null for all VMs, and for VMs of before an erasure."""

    name: str | None
    """The display name that your provider's console has for the VM."""

    state: str
    """provisional while hosts may still report, final afterwards; adjustment for what came after that."""

    records: int
    """How many usage records are added up."""

    observed_seconds: int
    """Running seconds between readings of the VMs."""

    unseen_seconds: int
    """Running seconds after the last reading before a VM ended; what was used in them is not billed."""

    doubled_seconds: int
    """Running seconds that two hosts have reported; they are taken off the meters."""

    meters: dict[str, int]
    """Amounts in base units: seconds, bytes, byte-seconds, requests, packets."""

    gpus: list[GpuUsage]
    """GPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUsage:
    """What you used of the metrics service itself under one plan."""

    plan: str
    """The plan."""

    monitored_vm_seconds: int
    """Seconds for which VMs were observed, added up over the VMs."""

    requests: int
    """Requests that were answered with data."""

    bytes: int
    """Bytes of the answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAnswer:
    """Your usage in a month (UTC)."""

    month: str
    """The month, such as 2026-11."""

    by: str
    """month, day, hour or vm."""

    final_until: str | None
    """Hours before this moment are final (RFC 3339); null before the first."""

    rows: list[UsageRow]
    """Amounts, one row for each day, hour or VM and state."""

    service: list[ServiceUsage]
    """The metrics service itself; empty for a single VM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageGap:
    """A time in which a VM was not read."""

    reason: str
    """collector_down, host_down, unreadable or clock_step."""

    start: int
    """Since when, in Unix seconds."""

    end: int
    """Until when, in Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """What one VM used in one hour on one host. Amounts are billed ones, without `doubled_seconds`."""

    id: str | None
    """The record's id, the same in every export; null for a VM of before an erasure."""

    revision: int
    """0 for a host's record; a correction has 1 or more, and its meters are differences."""

    corrects: str | None
    """The id of the record that a correction is about."""

    reason: str | None
    """Why a record was corrected."""

    state: str
    """provisional, final or adjustment."""

    tenant: str
    """The tenant."""

    vm: str
    """The VM's UUID; the word erased after an erasure."""

    name: str | None
    """The display name that your provider's console has for the VM."""

    hour: str
    """The hour in which it was used (RFC 3339)."""

    period: str
    """The hour in which it counts: later than `hour` for an adjustment."""

    life: str
    """The life of the VM: it changes at a reboot, a migration, a reset and a change of tenant."""

    flavour: str | None
    """The flavour, where the cloud says it."""

    ended: str | None
    """Why the life ended in this hour; null if it did not."""

    running: list[list[int]]
    """Intervals in which the VM ran, in Unix seconds; the end is not part of one."""

    observed_seconds: int
    """Running seconds between readings."""

    unseen_seconds: int
    """Running seconds after the last reading; what was used in them is not billed."""

    doubled_seconds: int
    """Running seconds that another record has too."""

    gaps: list[UsageGap]
    """Times without readings."""

    meters: dict[str, int]
    """Amounts in base units."""

    gpus: list[GpuUsage]
    """GPUs."""

    doubled_gpu_seconds: int
    """GPU seconds that another record has too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecordPage:
    """A page of usage records, in the sequence in which they came."""

    records: list[UsageRecord]
    """The records."""

    cursor: str
    """Where the next page begins, now or later."""

    more: bool
    """Whether there is more already."""
