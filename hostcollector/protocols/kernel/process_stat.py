"""The line of /proc/PID/stat and /proc/PID/task/TID/stat, whose fields proc_pid_stat(5) numbers."""

from typing import NamedTuple, Self

from hostcollector.base.errors import SourceMalformedError

_PF_KTHREAD = 0x00200000
# Positions after the name: the state, field 3 of the manual, is the first.
_FLAGS, _MAJFLT, _UTIME, _STIME, _THREADS, _START, _VSIZE, _RSS, _PROCESSOR = 6, 9, 11, 12, 17, 19, 20, 21, 36


class ProcessStat(NamedTuple):
    """What the collector needs of the line. Times are in clock ticks, `start_ticks` since boot."""

    comm: bytes
    state: bytes
    flags: int
    major_faults: int
    cpu_ticks: int
    threads: int
    start_ticks: int
    virtual_bytes: int
    resident_pages: int
    processor: int

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Return the fields. Raises `SourceMalformedError`."""
        # A name may hold spaces and parentheses: it ends at the last one.
        head, _, rest = line.rpartition(b")")
        fields = rest.split(None, _PROCESSOR + 1)
        try:
            return cls(
                head[head.index(b"(") + 1 :],
                fields[0],
                int(fields[_FLAGS]),
                int(fields[_MAJFLT]),
                int(fields[_UTIME]) + int(fields[_STIME]),
                int(fields[_THREADS]),
                int(fields[_START]),
                int(fields[_VSIZE]),
                int(fields[_RSS]),
                int(fields[_PROCESSOR]),
            )
        except (ValueError, IndexError) as error:
            raise SourceMalformedError(f"not a process's stat line: {line[:80]!r}") from error

    @property
    def is_kernel_thread(self) -> bool:
        """Whether it is a thread of the kernel, so that no program has chosen its name."""
        return bool(self.flags & _PF_KTHREAD)

    @property
    def is_dead(self) -> bool:
        """Whether it has ended and only waits for its parent: its figures no longer count."""
        return self.state in (b"Z", b"X")


class ThreadStat(NamedTuple):
    """A thread's name and the processor on which it ran last: a third of the time of a `ProcessStat`."""

    comm: bytes
    processor: int

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Return the fields. Raises `SourceMalformedError`."""
        head, _, rest = line.rpartition(b")")
        try:
            return cls(head[head.index(b"(") + 1 :], int(rest.split(None, _PROCESSOR + 1)[_PROCESSOR]))
        except (ValueError, IndexError) as error:
            raise SourceMalformedError(f"not a thread's stat line: {line[:80]!r}") from error
