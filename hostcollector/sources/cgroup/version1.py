"""A guest's groups of version 1, a hierarchy for each controller; Documentation/admin-guide/cgroup-v1/."""

from collections.abc import Iterator

from hostcollector.base.gaps import Gaps
from hostcollector.base.model import Metric
from hostcollector.base.units import seconds_from_ns
from hostcollector.catalogue import cgroup
from hostcollector.sources.cgroup.files import GroupFiles
from hostcollector.sources.cgroup.groups import GuestGroup

Figure = tuple[Metric, float]

# "No limit" is the largest number of whole pages, so it depends on the page size.
_NO_LIMIT = 2**62
_MODES = {b"user": cgroup.CPU_USER, b"system": cgroup.CPU_SYSTEM}
_PERIODS = {b"nr_periods": cgroup.CPU_PERIODS, b"nr_throttled": cgroup.CPU_THROTTLED_PERIODS}


def usage(group: GuestGroup, ticks_per_second: int, files: GroupFiles, gaps: Gaps) -> Iterator[Figure]:
    """Yield the CPU time of the group with all below it (cpuacct)."""
    total = files.number(f"{group.directory}/cpuacct.usage", gaps)
    if total is not None:
        yield cgroup.CPU_USAGE, seconds_from_ns(total)
    for key, ticks in files.keyed(f"{group.directory}/cpuacct.stat", _MODES, gaps).items():
        yield _MODES[key], ticks / ticks_per_second


def quota_file(directory: str) -> str:
    """Return the file with a part's CPU quota (cpu)."""
    return f"{directory}/cpu.cfs_quota_us"


def throttling(directory: str, files: GroupFiles, gaps: Gaps) -> Iterator[Figure]:
    """Yield how the CPU quota of a part throttled it (cpu)."""
    figures = files.keyed(f"{directory}/cpu.stat", (*_PERIODS, b"throttled_time"), gaps)
    for key, metric in _PERIODS.items():
        if key in figures:
            yield metric, figures[key]
    if b"throttled_time" in figures:
        yield cgroup.CPU_THROTTLED, seconds_from_ns(figures[b"throttled_time"])


def memory(group: GuestGroup, files: GroupFiles, gaps: Gaps) -> Iterator[Figure]:
    """Yield the memory charged to the group with all below it, and its limit (memory)."""
    used = files.number(f"{group.directory}/memory.usage_in_bytes", gaps)
    if used is not None:
        yield cgroup.MEMORY_USAGE, used
    # If one of two limits cannot be read, it may be the tighter one: then no limit is shown.
    with gaps.item(f"the memory limits of {group.directory}"):
        tightest = files.tightest(f"{directory}/memory.limit_in_bytes" for directory in group.limited)
        if tightest is not None and tightest < _NO_LIMIT:
            yield cgroup.MEMORY_LIMIT, tightest
    # memsw.usage - usage would count pages twice that are in memory and in swap, and mixes two moments.
    swapped = files.one_of_keyed(f"{group.directory}/memory.stat", b"total_swap", gaps)
    if swapped is not None:
        yield cgroup.MEMORY_SWAP, swapped
    # Unlike the others, this file counts only what happened in this group, not below it.
    kills = files.one_of_keyed(f"{group.process_directory}/memory.oom_control", b"oom_kill", gaps)
    if kills is not None:
        yield cgroup.MEMORY_OOM_KILLS, kills
