"""The frozen values that travel between the stages; nothing here reads, decides or formats.

The way of the data is: inventory gives `Domain`, tenancy gives `Tenant`, sources give `Sample`s
inside a `Report`, `assemble` joins all of it to a `Snapshot`. Only these values cross threads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from hostcollector.base.definition import Domain
from hostcollector.base.errors import Reason


class Kind(StrEnum):
    """A metric family's type as both exposition formats know it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    INFO = "info"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """What a metric describes: which labels come before its own.

    VM is a guest as its tenant sees it, on the tenant page only.
    """

    DOMAIN = "domain"
    HOST = "host"
    VM = "vm"


IDENTITY_LABELS = ("tenant", "domain", "uuid")
TENANT_LABELS = ("tenant", "vm")
"""The identity labels on the tenant page; `vm` is the guest's UUID."""

_IDENTITY = {Scope.DOMAIN: IDENTITY_LABELS, Scope.HOST: (), Scope.VM: TENANT_LABELS}


class Neighbours(StrEnum):
    """How strongly a value moves with what other guests of the host do.

    NONE: equal work of the guest gives equal values. WEAK: other guests change it a little, as they change
    how long a disk takes. STRONG: it measures the competition itself.
    """

    NONE = "none"
    WEAK = "weak"
    STRONG = "strong"


class Given(StrEnum):
    """What bounds the values of a guest's metric beyond their range."""

    MEMORY = "the guest's memory"
    VCPUS = "the guest's vCPUs"
    PRESENT = "the present"


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """What the values of a metric can be, in its base unit; any other value is left out and counted.

    `least` and `most` are possible themselves. `unknown` are values between them that mean "not known", such
    as all ones, or a narrow counter's last number. `per_second` is by how much a counter grows at most in a
    second, and None for what may change at will. `given` and `within` bound the values further: by what the
    guest was given, and by the series of another metric with the same labels, or of one without labels.
    """

    least: float
    most: float
    unknown: frozenset[float]
    per_second: float | None
    text: str
    given: Given | None = None
    within: "Metric | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantView:
    """What a tenant sees of a row of guests. A row without a view is private.

    `family` is the row of the tenant page. `labels` has the row's label for each label of the family:
    ``disk``, ``nic`` and ``gpu`` become the device's number, the others are kept as they are. `fixed` are
    labels with one value. `where` limits the view to series with these values of a label; a counter has a
    series for each of them from the start. Series that are the same for the tenant are added up if `summed`.

    A `STRONG` value is shown once a minute, in whole steps of `step` in the base unit. A `whole` one is of
    the physical device: it is shown only to a guest that has the device to itself.
    """

    family: "Metric"
    neighbours: Neighbours
    labels: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    summed: bool = False
    step: float = 0.0
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """One row of the catalogue. Rows are compared by identity: a sample points at its row.

    `can_be` says what the values of its series can be.
    `labels` are the row's own dimensions; `label_names` are all labels of its series in page order. `switch`
    is the key of the configuration's section `series` that takes the row off the page, empty for most rows.
    `tenant` is what the guest's tenant sees of the row: nothing by default.
    """

    name: str
    kind: Kind
    can_be: Possible
    help: str
    source: str
    scope: Scope = Scope.DOMAIN
    labels: tuple[str, ...] = ()
    unit: str = ""
    stability: str = "stable"
    switch: str = ""
    note: str = ""
    tenant: TenantView | None = None

    @property
    def label_names(self) -> tuple[str, ...]:
        """All label names of the family's series, identity first."""
        return _IDENTITY[self.scope] + self.labels


@dataclass(frozen=True, slots=True)
class Histogram:
    """A cumulative histogram: `counts[i]` observations were at most `bounds[i]`; the last bound is +Inf."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]


class Sample(NamedTuple):
    """One number of one series, in the metric's base unit.

    A tuple and not a dataclass because a page holds tens of thousands of them: construction costs half.
    `labels` are the values of `metric.labels`; `uuid` names the guest of a domain-scoped metric.
    """

    metric: Metric
    value: float | Histogram
    labels: tuple[str, ...] = ()
    uuid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A domain's tenant. An empty `id` is unassigned: no resolver knows the domain."""

    id: str = ""
    name: str = ""
    resolver: str = ""


UNASSIGNED = Tenant()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A domain with its tenant: what a sample's `uuid` is resolved to."""

    domain: Domain
    tenant: Tenant = UNASSIGNED


class SourceState(StrEnum):
    """Whether one source gave all, some or nothing in one collection, or has nothing to read here."""

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one source in one collection.

    `reason` is set when the state is FAILED, and `off` says why it is OFF. `notes` are sentences for the
    status page and `diagnose`: what is missing and what to do about it. `missing` counts the items that were
    expected and not found, or found and not read. `duration` is in seconds. In a snapshot the samples
    themselves are gone into the families; `sample_count` says how many there were.
    """

    source: str
    state: SourceState
    samples: tuple[Sample, ...] = ()
    sample_count: int = 0
    notes: tuple[str, ...] = ()
    reason: Reason | None = None
    missing: int = 0
    duration: float = 0.0
    off: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """All series of one metric in one snapshot: label values (in `metric.label_names` order) to value."""

    metric: Metric
    series: Mapping[tuple[str, ...], float | Histogram]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The result of one collection, ready to be written. `taken_at` is a Unix time in seconds.

    `guests` are those on the page; `left_out` is how many more run here that the configuration leaves out.
    `notes` are sentences about the selection of guests. `dropped` are the rows that the configuration takes
    off the page. `hidden` and `hidden_guests` are the families and the guests that the selection leaves out:
    they are on no page of operators.
    """

    taken_at: float
    families: tuple[Family, ...]
    reports: tuple[Report, ...] = ()
    guests: tuple[Guest, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    left_out: int = 0
    notes: tuple[str, ...] = ()
    dropped: frozenset[Metric] = frozenset()
    hidden: tuple[Family, ...] = ()
    hidden_guests: tuple[Guest, ...] = ()

    @property
    def sample_count(self) -> int:
        """The number of series on the page, histograms counted once."""
        return sum(len(family.series) for family in self.families if family.metric not in self.dropped)
