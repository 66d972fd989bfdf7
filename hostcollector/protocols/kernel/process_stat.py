"""The one line of /proc/PID/stat and /proc/PID/task/TID/stat; proc_pid_stat(5) numbers its fields."""

from typing import NamedTuple, Self

from hostcollector.base.errors import SourceMalformedError

_PF_KTHREAD = 0x00200000
# Of what follows the name, in which the state (field 3 of the manual) is the first.
_FLAGS, _UTIME, _STIME, _THREADS, _START, _RSS, _PROCESSOR = 6, 11, 12, 17, 19, 21, 36


class ProcessStat(NamedTuple):
    """What the collector needs of the line. Times are in clock ticks, `start_ticks` since boot."""

    comm: bytes
    state: bytes
    flags: int
    cpu_ticks: int
    threads: int
    start_ticks: int
    resident_pages: int
    processor: int

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Return the fields. Raises `SourceMalformedError`."""
        # A name may hold spaces and parentheses: it ends at the last one.
        head, _, rest = line.rpartition(b")")
        fields = rest.split()
        try:
            return cls(
                head[head.index(b"(") + 1 :],
                fields[0],
                int(fields[_FLAGS]),
                int(fields[_UTIME]) + int(fields[_STIME]),
                int(fields[_THREADS]),
                int(fields[_START]),
                int(fields[_RSS]),
                int(fields[_PROCESSOR]),
            )
        except (ValueError, IndexError) as error:
            raise SourceMalformedError(f"not a process's stat line: {line[:80]!r}") from error

    @property
    def is_kernel_thread(self) -> bool:
        """Whether it is a thread of the kernel, whose name no program can have chosen."""
        return bool(self.flags & _PF_KTHREAD)

    @property
    def is_dead(self) -> bool:
        """Whether it has ended and only waits for its parent: its figures are those of nobody."""
        return self.state in (b"Z", b"X")
