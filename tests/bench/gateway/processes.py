"""What processes use: CPU and memory, of a program and its workers."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> Sequence[int]:
    """Return the processes that a process has started and that live."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_seconds(pid: int | None) -> float:
    """Return the seconds of CPU of a process and its children that live; 0 for none."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / _TICKS
    return own + sum(cpu_seconds(child) for child in children(pid))


def memory(pid: int, which: str = "VmRSS") -> float:
    """Return a process's memory in MiB: resident, or with ``VmHWM`` the most that it was."""
    found = re.search(rf"^{which}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def begin_peak(pid: int) -> None:
    """Let the most that a process was begin anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
