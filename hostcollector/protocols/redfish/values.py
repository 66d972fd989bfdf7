"""A BMC's answer about the GPUs on its baseboard: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hostcollector.base.model import Metric
from hostcollector.catalogue.rows import Twin

Key = tuple[Twin, tuple[str, ...]]
"""A row of the catalogue and the values of its labels after `gpu`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU as the BMC reports it; empty texts where it does not. Nothing of it is a PCI address.

    * `path` is the path of the resource, unique on this BMC;
    * `name` is its Id (``GPU_SXM_1``);
    * `baseboard` is the serial number of the system that it is a processor of, else its UUID or path;
    * `state` is that of DMTF's Status (``Enabled``, ``Absent``).
    """

    path: str
    name: str
    system: str = ""
    baseboard: str = ""
    model: str = ""
    serial: str = ""
    uuid: str = ""
    firmware: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class GpuReadings:
    """The readings of one GPU: gauges in base units, raw counters (see `properties.SCALES`)."""

    gauges: dict[Key, float] = field(default_factory=dict)
    counters: dict[Key, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The readings of one kind of requests, by the path of the GPU.

    `asked_at` is when the first request was sent, in seconds on the client's monotonic clock. The values may
    be shown for `good_for` seconds from then on.
    """

    name: str
    asked_at: float
    good_for: float
    readings: Mapping[str, GpuReadings]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChassisPart:
    """The readings of the machine around the GPUs, by row and labels; times as in `Part`."""

    asked_at: float
    good_for: float
    values: Mapping[tuple[Metric, tuple[str, ...]], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkCounts:
    """How many things the walk over the BMC's links found.

    * `others` are processors that are no GPUs, by type;
    * `empty` are empty sockets for GPUs;
    * `unread` are resources that could not be read;
    * `malformed` are values of the last round that could not be parsed, such as a text in place of a number.
    """

    others: Mapping[str, int] = field(default_factory=dict)
    empty: int = 0
    unread: int = 0
    malformed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BmcAnswer:
    """The last answer of the BMC. `problems` are failed requests and malformed answers."""

    product: str = ""
    version: str = ""
    gpus: Mapping[str, Gpu] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    chassis: ChassisPart | None = None
    problems: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    counts: WalkCounts = field(default_factory=WalkCounts)


REPORTS, PORTS, RESOURCES = "reports", "ports", "resources"
"""The parts: metric reports in each round; NVLink metrics and the GPUs' own resources less often."""
