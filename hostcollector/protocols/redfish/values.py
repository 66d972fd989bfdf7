"""What a BMC tells of the GPUs on its baseboard: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Key = tuple[str, tuple[str, ...]]
"""A row's key in the catalogue and the values of its labels after `gpu`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU as the BMC knows it; empty text for what it does not say. Nothing of it is a PCI address.

    `path` is the resource, which tells it from all others of this BMC; `name` its Id (``GPU_SXM_1``);
    `baseboard` the serial number of the system that it is a processor of, or what takes its place; `state` is
    that of DMTF's Status (``Enabled``, ``Absent``).
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
    """What is known of one GPU: gauges in base units, and counters as they are counted (see `SCALES`)."""

    gauges: dict[Key, float] = field(default_factory=dict)
    counters: dict[Key, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one kind of question gave, by the path of the GPU.

    `asked_at` is when the first of the questions was sent, in seconds on the client's monotonic clock; the
    values stand for `good_for` seconds from then on.
    """

    name: str
    asked_at: float
    good_for: float
    readings: Mapping[str, GpuReadings]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkCounts:
    """What the walk over the BMC's links met: `others` are processors that are no GPUs, by their type.

    `empty` are sockets for GPUs without one, `unread` what could not be read, `malformed` how many values of
    the last round were not what they should be, such as a number.
    """

    others: Mapping[str, int] = field(default_factory=dict)
    empty: int = 0
    unread: int = 0
    malformed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything that the BMC has said last. `problems` are what it did not answer or not well."""

    product: str = ""
    version: str = ""
    gpus: Mapping[str, Gpu] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    problems: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    counts: WalkCounts = field(default_factory=WalkCounts)


REPORTS, PORTS, RESOURCES = "reports", "ports", "resources"
"""The parts: metric reports in each round; metrics of the NVLinks, and the GPUs themselves, now and then."""
