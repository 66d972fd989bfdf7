"""A guest's group of version 2, the unified hierarchy; Documentation/admin-guide/cgroup-v2.rst."""

from collections.abc import Iterator

from hostcollector.base.gaps import Gaps
from hostcollector.base.model import Metric
from hostcollector.base.units import seconds_from_us
from hostcollector.catalogue import cgroup
from hostcollector.sources.cgroup.files import GroupFiles
from hostcollector.sources.cgroup.groups import GuestGroup

Figure = tuple[Metric, float]

_MODES = {
    b"usage_usec": cgroup.CPU_USAGE,
    b"user_usec": cgroup.CPU_USER,
    b"system_usec": cgroup.CPU_SYSTEM,
}
_PERIODS = {b"nr_periods": cgroup.CPU_PERIODS, b"nr_throttled": cgroup.CPU_THROTTLED_PERIODS}
# "full" of the CPU means nothing for a group: one of its tasks would run.
_PRESSURE = (
    ("cpu", b"some", cgroup.PRESSURE_CPU_WAITING),
    ("memory", b"some", cgroup.PRESSURE_MEMORY_WAITING),
    ("memory", b"full", cgroup.PRESSURE_MEMORY_STALLED),
    ("io", b"some", cgroup.PRESSURE_IO_WAITING),
    ("io", b"full", cgroup.PRESSURE_IO_STALLED),
)


def usage(group: GuestGroup, files: GroupFiles, gaps: Gaps) -> Iterator[Figure]:
    """Yield the CPU time of the group with all below it; it is counted also without the controller."""
    modes = files.keyed(f"{group.directory}/cpu.stat", _MODES, gaps)
    for key, microseconds in modes.items():
        yield _MODES[key], seconds_from_us(microseconds)


def quota_file(directory: str) -> str:
    """Return the file with a part's CPU quota."""
    return f"{directory}/cpu.max"


def throttling(directory: str, files: GroupFiles, gaps: Gaps) -> Iterator[Figure]:
    """Yield how the CPU quota of a part throttled it."""
    figures = files.keyed(f"{directory}/cpu.stat", (*_PERIODS, b"throttled_usec"), gaps)
    for key, metric in _PERIODS.items():
        if key in figures:
            yield metric, figures[key]
    if b"throttled_usec" in figures:
        yield cgroup.CPU_THROTTLED, seconds_from_us(figures[b"throttled_usec"])


def memory(group: GuestGroup, files: GroupFiles, gaps: Gaps) -> Iterator[Figure]:
    """Yield the memory charged to the group with all below it, and its limit."""
    used = files.number(f"{group.directory}/memory.current", gaps)
    if used is not None:
        yield cgroup.MEMORY_USAGE, used
    # If one of two limits cannot be read, it may be the tighter one: then no limit is shown.
    with gaps.item(f"the memory limits of {group.directory}"):
        tightest = files.tightest(f"{directory}/memory.max" for directory in group.limited)
        if tightest is not None:
            yield cgroup.MEMORY_LIMIT, tightest
    swapped = files.number(f"{group.directory}/memory.swap.current", gaps)
    if swapped is not None:
        yield cgroup.MEMORY_SWAP, swapped
    kills = files.one_of_keyed(f"{group.directory}/memory.events", b"oom_kill", gaps)
    if kills is not None:
        yield cgroup.MEMORY_OOM_KILLS, kills


def pressure(group: GuestGroup, files: GroupFiles, gaps: Gaps) -> Iterator[Figure]:
    """Yield the time in which tasks of the group waited for a resource."""
    totals = {
        resource: files.pressure_totals(f"{group.directory}/{resource}.pressure", gaps)
        for resource in ("cpu", "memory", "io")
    }
    for resource, kind, metric in _PRESSURE:
        if kind in totals[resource]:
            yield metric, seconds_from_us(totals[resource][kind])
