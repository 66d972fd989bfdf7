"""What one collection has read of a VM, and what happened to it: the inputs of the accounts.

Times are Unix times in microseconds, as integers. Counters are integers too, in the meter's unit or in
billionths of it where the source is finer.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hostcollector.catalogue.usage import Ended, GpuMode

SECOND = 1_000_000
"""Microseconds."""

HOUR = 3600 * SECOND

BILLION = 1_000_000_000

FINE = {"vcpu_used_seconds": BILLION}
"""Meters whose counters are finer than their unit: how many parts a unit has."""


class GpuKind(NamedTuple):
    """GPUs that are counted together."""

    model: str
    mode: GpuMode
    profile: str


@dataclass(frozen=True, slots=True)
class Given:
    """What the VM has at the moment; None for what is not known. GPUs are counted by kind."""

    vcpus: int | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    gpus: Mapping[GpuKind, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of a VM. It does not run `here` while it is being migrated: it is another host's.

    `qemu` names the QEMU process for all times, empty where it is not known, and `started` is when it
    started. `counters` has the raw counters by meter and device; a meter that was not read is missing.
    `energy` has the GPUs' millijoules in the same way, by kind. `devices` gives those of the definition.
    """

    here: bool = True
    tenant: str = ""
    flavour: str = ""
    qemu: str = ""
    started: int | None = None
    given: Given = Given()
    counters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    energy: Mapping[GpuKind, Mapping[str, int]] = field(default_factory=dict)
    devices: Callable[[], Iterable[str]] = tuple


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on two clocks, in microseconds: the wall's, which may be set, and one that never is."""

    wall: int
    steady: int


@dataclass(frozen=True, slots=True)
class End:
    """A life ends at the Unix time `at`; with `goes_on` the same QEMU has the next one."""

    at: int
    why: Ended
    goes_on: bool = False
