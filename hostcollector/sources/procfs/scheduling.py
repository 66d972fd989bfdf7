"""The scheduler's figures of one thread, from the texts of three files, in base units."""

import re
from typing import NamedTuple

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.units import seconds_from_ns
from hostcollector.protocols.kernel.files import integer

# Before Linux 5.16 the name has the prefix.
_WAIT_SUM = re.compile(rb"^(?:se\.statistics\.)?wait_sum[ \t]*:[ \t]*(\d+)\.(\d{6})$", re.MULTILINE)
_NANOSECONDS_PER_MILLISECOND = 1_000_000


class Times(NamedTuple):
    """Seconds that the thread ran, and seconds that it waited on a run queue."""

    run: float
    delay: float


class Placement(NamedTuple):
    """Where the thread may run and how often it was switched; None where the kernel has no such line."""

    cpus: bytes | None
    voluntary: int | None
    involuntary: int | None


def times(schedstat: bytes) -> Times | None:
    """Return the times of /proc/PID/task/TID/schedstat, None when the kernel keeps none.

    Source: Documentation/scheduler/sched-stats.rst. Raises `SourceMalformedError`.
    """
    fields = schedstat.split()
    if len(fields) != 3:
        raise SourceMalformedError(f"not a thread's schedstat: {schedstat[:80]!r}")
    run, delay, slices = map(integer, fields)
    # A thread that exists has run; without CONFIG_SCHED_INFO the kernel writes "0 0 0".
    return Times(seconds_from_ns(run), seconds_from_ns(delay)) if slices else None


def placement(status: bytes) -> Placement:
    """Return the placement in /proc/PID/task/TID/status. Raises `SourceMalformedError`."""
    voluntary = _field(status, b"\nvoluntary_ctxt_switches:")
    involuntary = _field(status, b"\nnonvoluntary_ctxt_switches:")
    return Placement(
        cpus=_field(status, b"\nCpus_allowed_list:"),
        voluntary=None if voluntary is None else integer(voluntary),
        involuntary=None if involuntary is None else integer(involuntary),
    )


def wait_sum(sched: bytes) -> float | None:
    """Return the seconds of ``wait_sum`` in /proc/PID/task/TID/sched, None where there is no such line."""
    found = _WAIT_SUM.search(sched)
    if found is None:
        return None
    # Written as milliseconds with the nanoseconds as six decimals.
    return seconds_from_ns(integer(found[1]) * _NANOSECONDS_PER_MILLISECOND + integer(found[2]))


def _field(status: bytes, name: bytes) -> bytes | None:
    """Return the rest of the line, None without such a line. A pattern takes ten times as long."""
    start = status.find(name)
    if start < 0:
        return None
    start += len(name)
    end = status.find(b"\n", start)
    return status[start : end if end >= 0 else None].strip()
