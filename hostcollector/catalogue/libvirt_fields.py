"""Every statistics field that libvirt documents: the row that shows it, or why it is left out on purpose.

Source: virConnectGetAllDomainStats of libvirt 9.0 to 12.8. ``<n>`` is an index, a final ``*`` any
rest. A field that is not in this table is unknown: it is counted, never an error.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hostcollector.base.model import Metric
from hostcollector.base.units import bytes_from_kib, seconds_from_ns
from hostcollector.catalogue import block, cpu, guest, memory

Convert = Callable[[int], float]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One documented field: `metric` shows it after `convert`, or `reason` says why it is left out."""

    pattern: str
    metric: Metric | None = None
    convert: Convert = float
    reason: str = ""


_ELSEWHERE = "{} gives it without a round trip to the guest's monitor"
_INDEX = "only says how to read the other fields"
_CONFIGURATION = "a setting, not a measurement"
_NO_CONTRACT = "outside libvirt's promise of stability, and the names change with the kernel"

FIELDS: tuple[Field, ...] = (
    Field("state.state", guest.STATE_CODE),
    Field("state.reason", guest.STATE_REASON),
    Field("cpu.time", reason=_ELSEWHERE.format("the cgroup source")),
    Field("cpu.user", reason=_ELSEWHERE.format("the cgroup source")),
    Field("cpu.system", reason=_ELSEWHERE.format("the cgroup source")),
    Field("cpu.haltpoll.success.time", cpu.HALTPOLL_SUCCESS, seconds_from_ns),
    Field("cpu.haltpoll.fail.time", cpu.HALTPOLL_FAIL, seconds_from_ns),
    Field("cpu.cache.monitor.*", reason="needs resctrl monitors, which no tested hypervisor has"),
    Field(
        "cpu.energy.monitor.*",
        reason="needs resctrl energy monitors (kernel 7.0), which no tested hypervisor has",
    ),
    Field("memory.bandwidth.monitor.*", reason="needs resctrl monitors, which no tested hypervisor has"),
    Field("balloon.current", memory.USAGE, bytes_from_kib),
    Field("balloon.maximum", memory.MAXIMUM, bytes_from_kib),
    Field("balloon.available", memory.AVAILABLE, bytes_from_kib),
    Field("balloon.unused", memory.UNUSED, bytes_from_kib),
    Field("balloon.usable", memory.USABLE, bytes_from_kib),
    Field("balloon.disk_caches", memory.DISK_CACHE, bytes_from_kib),
    Field("balloon.swap_in", memory.SWAP_IN, bytes_from_kib),
    Field("balloon.swap_out", memory.SWAP_OUT, bytes_from_kib),
    Field("balloon.major_fault", memory.MAJOR_FAULTS),
    Field("balloon.minor_fault", memory.MINOR_FAULTS),
    Field("balloon.hugetlb_pgalloc", memory.HUGETLB_ALLOCATIONS),
    Field("balloon.hugetlb_pgfail", memory.HUGETLB_FAILURES),
    Field("balloon.last-update", memory.LAST_UPDATE),
    Field("balloon.rss", reason=_ELSEWHERE.format("the procfs source")),
    Field("vcpu.current", reason=_ELSEWHERE.format("the definition source")),
    Field("vcpu.maximum", reason=_ELSEWHERE.format("the definition source")),
    Field("vcpu.<n>.state", reason=_ELSEWHERE.format("the procfs source")),
    Field("vcpu.<n>.time", reason=_ELSEWHERE.format("the procfs source (in nanoseconds, not clock ticks)")),
    Field("vcpu.<n>.wait", reason=_ELSEWHERE.format("the procfs source (absent, not 0, without schedstats)")),
    Field("vcpu.<n>.delay", reason=_ELSEWHERE.format("the procfs source")),
    Field("vcpu.<n>.halted", cpu.VCPU_HALTED),
    Field("vcpu.<n>.*", reason=_NO_CONTRACT),
    Field("vm.*", reason=_NO_CONTRACT),
    Field("net.count", reason=_INDEX),
    Field("net.<n>.*", reason=_ELSEWHERE.format("the netlink source")),
    Field("block.count", reason=_INDEX),
    Field("block.<n>.name", reason=_INDEX),
    Field("block.<n>.path", reason=_CONFIGURATION),
    Field("block.<n>.backingIndex", reason=_INDEX),
    Field("block.<n>.rd.bytes", block.READ_BYTES),
    Field("block.<n>.rd.reqs", block.READ_REQUESTS),
    Field("block.<n>.rd.times", block.READ_TIME, seconds_from_ns),
    Field("block.<n>.wr.bytes", block.WRITE_BYTES),
    Field("block.<n>.wr.reqs", block.WRITE_REQUESTS),
    Field("block.<n>.wr.times", block.WRITE_TIME, seconds_from_ns),
    Field("block.<n>.fl.reqs", block.FLUSH_REQUESTS),
    Field("block.<n>.fl.times", block.FLUSH_TIME, seconds_from_ns),
    Field(
        "block.<n>.errors",
        reason="only Xen fills it; QEMU's guests are alerted on by their state and I/O events",
    ),
    Field("block.<n>.allocation", block.ALLOCATION),
    Field("block.<n>.capacity", block.CAPACITY),
    Field("block.<n>.physical", block.PHYSICAL_SIZE),
    Field("block.<n>.threshold", block.THRESHOLD),
    Field("block.<n>.latency_histogram.*", block.LATENCY),
    Field("block.<n>.limits.*", reason=_CONFIGURATION),
    Field("perf.*", cpu.PERF_EVENTS),
    Field("iothread.count", reason=_INDEX),
    Field("iothread.<n>.*", reason=_CONFIGURATION),
    Field("dirtyrate.*", reason="set only during a measurement, which would be a write"),
)

_EXACT = {field.pattern: field for field in FIELDS if not field.pattern.endswith("*")}
_PREFIXES = tuple((field.pattern[:-1], field) for field in FIELDS if field.pattern.endswith("*"))


def normalised(key: str) -> tuple[str, int]:
    """Return the key with its first index as ``<n>``, and that index (-1 where there is none)."""
    parts = key.split(".")
    for position, part in enumerate(parts):
        if part.isdigit():
            parts[position] = "<n>"
            return ".".join(parts), int(part)
    return key, -1


def field_of(key: str) -> Field | None:
    """Return the table's entry for a field that libvirt gave, or None for an unknown one."""
    pattern, _ = normalised(key)
    exact = _EXACT.get(pattern)
    return exact or next((field for prefix, field in _PREFIXES if pattern.startswith(prefix)), None)
