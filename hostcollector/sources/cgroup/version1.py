"""A guest's groups of version 1, a hierarchy for each controller; Documentation/admin-guide/cgroup-v1/."""

from collections.abc import Iterator

from hostcollector.base.gaps import Gaps
from hostcollector.base.model import Metric
from hostcollector.base.units import seconds_from_ns
from hostcollector.catalogue import cgroup
from hostcollector.sources.cgroup.files import keyed, least, number, one_of_keyed
from hostcollector.sources.cgroup.groups import GuestGroup
from hostcollector.sources.cgroup.limits import Limit

Figure = tuple[Metric, float]

# "No limit" is the largest number of whole pages, whatever a page is.
_NO_LIMIT = 2**62
_MODES = {b"user": cgroup.CPU_USER, b"system": cgroup.CPU_SYSTEM}
_PERIODS = {b"nr_periods": cgroup.CPU_PERIODS, b"nr_throttled": cgroup.CPU_THROTTLED_PERIODS}


def usage(group: GuestGroup, ticks_per_second: int, gaps: Gaps) -> Iterator[Figure]:
    """Yield the CPU time of the group with all below it (cpuacct)."""
    total = number(f"{group.directory}/cpuacct.usage", gaps)
    if total is not None:
        yield cgroup.CPU_USAGE, seconds_from_ns(total)
    for key, ticks in keyed(f"{group.directory}/cpuacct.stat", _MODES, gaps).items():
        yield _MODES[key], ticks / ticks_per_second


def quota_file(directory: str) -> str:
    """Return the file with a part's CPU quota (cpu)."""
    return f"{directory}/cpu.cfs_quota_us"


def throttling(directory: str, gaps: Gaps) -> Iterator[Figure]:
    """Yield what the CPU quota of a part did that has one (cpu)."""
    figures = keyed(f"{directory}/cpu.stat", (*_PERIODS, b"throttled_time"), gaps)
    for key, metric in _PERIODS.items():
        if key in figures:
            yield metric, figures[key]
    if b"throttled_time" in figures:
        yield cgroup.CPU_THROTTLED, seconds_from_ns(figures[b"throttled_time"])


def memory(group: GuestGroup, limit: Limit, gaps: Gaps) -> Iterator[Figure]:
    """Yield the memory charged to the group with all below it, and its limit (memory)."""
    used = number(f"{group.directory}/memory.usage_in_bytes", gaps)
    if used is not None:
        yield cgroup.MEMORY_USAGE, used
    # Of two limits one that cannot be read may be the tighter one: then there is none to show.
    with gaps.item(f"the memory limits of {group.directory}"):
        tightest = least(limit(f"{directory}/memory.limit_in_bytes") for directory in group.limited)
        if tightest is not None and tightest < _NO_LIMIT:
            yield cgroup.MEMORY_LIMIT, tightest
    # memsw.usage - usage would take pages twice that are in memory and in swap, and is never one moment's.
    swapped = one_of_keyed(f"{group.directory}/memory.stat", b"total_swap", gaps)
    if swapped is not None:
        yield cgroup.MEMORY_SWAP, swapped
    # Unlike the rest this one counts only what happened in the very group.
    kills = one_of_keyed(f"{group.process_directory}/memory.oom_control", b"oom_kill", gaps)
    if kills is not None:
        yield cgroup.MEMORY_OOM_KILLS, kills
