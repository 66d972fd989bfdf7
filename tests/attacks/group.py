"""A control group with the limits of the packaged unit; needs root."""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.lab.process import until

UNIT = Path(__file__).parents[2] / "ansible/roles/hostcollector/files/hostcollector.service"
PERIOD_MICROSECONDS = 100_000
MIB = 2**20
# A shell that enters the groups and becomes the program.
_ENTER = 'procs=$1; shift; for file in $procs; do echo $$ >"$file" || exit 1; done; exec "$@"'


@dataclass(frozen=True, slots=True)
class Group:
    """One or two directories in which a process is limited: two where each controller has its own tree."""

    memory: Path
    processor: Path
    names: Mapping[str, str]
    """What the files with the memory's limit, use, peak and events are called."""

    @property
    def entries(self) -> list[str]:
        """The files into which a process writes its number to enter the group."""
        return sorted({f"{directory}/cgroup.procs" for directory in (self.memory, self.processor)})

    @property
    def within(self) -> tuple[str, ...]:
        """What a command has to begin with to run in the group."""
        return ("sh", "-c", _ENTER, "sh", " ".join(self.entries))

    @property
    def used(self) -> int:
        """Bytes of memory that count against the limit now."""
        return int((self.memory / self.names["used"]).read_text())

    @property
    def peak(self) -> int:
        """The most bytes of memory that ever counted."""
        return int((self.memory / self.names["peak"]).read_text())

    @property
    def killed(self) -> int:
        """How many processes the kernel has killed in here for want of memory."""
        events = (self.memory / self.names["events"]).read_text()
        return int(re.findall(r"^oom_kill (\d+)", events, re.MULTILINE)[0])

    def remove(self) -> None:
        """Remove the group, once its last process is gone."""
        for directory in {self.memory, self.processor}:
            processes = directory / "cgroup.procs"
            until(partial(_empty, processes), 10.0, f"the end of what runs in {directory}")
            directory.rmdir()


@contextmanager
def limited() -> Iterator[Group]:
    """Give a group with the unit's MemoryMax and CPUQuota for the block. OSError where none can be made."""
    unit = UNIT.read_text()
    memory = int(_setting(unit, r"MemoryMax=(\d+)M")) * MIB
    quota = int(_setting(unit, r"CPUQuota=(\d+)%")) * PERIOD_MICROSECONDS // 100
    group = _make(f"hostcollector-{secrets.token_hex(4)}", memory, quota)
    try:
        yield group
    finally:
        group.remove()


def _make(name: str, memory: int, quota: int) -> Group:
    mounts = Path("/proc/self/mounts").read_text()
    if unified := re.findall(r"^\S+ (/sys/fs/cgroup) cgroup2 ", mounts, re.MULTILINE):
        (Path(unified[0]) / "cgroup.subtree_control").write_text("+memory +cpu")
        group = Path(unified[0]) / name
        group.mkdir()
        (group / "memory.max").write_text(str(memory))
        (group / "cpu.max").write_text(f"{quota} {PERIOD_MICROSECONDS}")
        names = {"used": "memory.current", "peak": "memory.peak", "events": "memory.events"}
        return Group(group, group, names)
    made = []
    for controller in ("memory", "cpu"):
        found = re.findall(rf"^\S+ (\S+) cgroup \S*\b{controller}\b(?!acct|set)", mounts, re.MULTILINE)
        if not found:
            raise OSError(f"there is no tree of control groups for {controller}")
        made.append(Path(found[0]) / name)
        made[-1].mkdir()
    of_memory, of_processor = made
    (of_memory / "memory.limit_in_bytes").write_text(str(memory))
    (of_processor / "cpu.cfs_period_us").write_text(str(PERIOD_MICROSECONDS))
    (of_processor / "cpu.cfs_quota_us").write_text(str(quota))
    usual = {"used": "usage_in_bytes", "peak": "max_usage_in_bytes", "events": "oom_control"}
    return Group(of_memory, of_processor, {key: f"memory.{value}" for key, value in usual.items()})


def _empty(file: Path) -> bool:
    return not file.read_text()


def _setting(unit: str, pattern: str) -> str:
    (value,) = re.findall(f"^{pattern}$", unit, re.MULTILINE)
    return str(value)
