"""Files of /proc and of control groups: reading them in few system calls, and the numbers in them.

A collection reads thousands of these files.
"""

import errno
import os
import resource

from hostcollector.base.errors import SourceMalformedError

# What reading raises for a process that has ended, before or after its file was opened.
GONE = (FileNotFoundError, ProcessLookupError)
# What opening raises while this process, or the machine, has no file descriptor left.
NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})

_RECORD = 8192
# Of one record, such as the io.stat of a guest whose disks have thousands of devices below them.
_LONGEST_RECORD = 4 * 1024 * 1024
_FLAGS = os.O_RDONLY | os.O_CLOEXEC

# Of one `KeptFiles`: each descriptor costs about 5 KiB of kernel memory.
_MOST_KEPT = 2048
# Descriptors that stay free for connections, sockets and the other sources.
_FOR_OTHERS = 1024

_LARGEST = 2**64 - 1
# More than any kernel is built for (CONFIG_NR_CPUS).
_MOST_CPUS = 2**20


def read(path: str) -> bytes:
    """Return the whole file. Raises `OSError`, which is one of `GONE` for a process that has ended."""
    descriptor = os.open(path, _FLAGS)
    try:
        content = os.read(descriptor, _RECORD)
        # A read may return less than the rest of the file: only an empty read is the end.
        while more := os.read(descriptor, _RECORD):
            content += more
    finally:
        os.close(descriptor)
    return content


def read_record(path: str) -> bytes:
    """Return a file that the kernel writes in one piece, as it does all of a thread's and a group's.

    One system call less than `read`. Raises `OSError` as that does.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        return _record(descriptor)
    finally:
        os.close(descriptor)


def _record(descriptor: int) -> bytes:
    """Return the whole record in an open file; one that fills the room may go on, and is read anew.

    Not the rest alone: the kernel writes the record at each reading, and its numbers may have grown longer.
    """
    room = _RECORD
    while len(content := os.pread(descriptor, room, 0)) == room:
        if room >= _LONGEST_RECORD:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        room *= 2
    return content


def names(directory: str) -> list[str]:
    """Return the names in a directory. Raises `OSError` as `read` does."""
    return os.listdir(directory)  # noqa: PTH208 - a `Path` for each entry takes longer than the listing


def descriptors_to_keep() -> int:
    """Return how many descriptors one `KeptFiles` may hold under this process's limit (RLIMIT_NOFILE)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return _MOST_KEPT
    return min(_MOST_KEPT, max(0, limit - _FOR_OTHERS) // 8)


class KeptFiles:
    """Reads records and keeps their files open for the next reading: one system call instead of three.

    A descriptor belongs to one process, thread or control group, and not to its number or name. Once that has
    ended, reading fails (ESRCH, ENODEV), and the path is opened again. At most `most` files are kept.
    For one thread at a time.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = descriptors_to_keep() if most is None else most
        self._kept: dict[str, int] = {}
        self._used: set[str] = set()

    def begin(self) -> None:
        """Begin a reading: close the files that the last one did not read."""
        for path in self._kept.keys() - self._used:
            os.close(self._kept.pop(path))
        self._used.clear()

    def read(self, path: str) -> bytes:
        """Return the record in a file. Raises `OSError` as `read_record` does."""
        descriptor = self._kept.get(path)
        if descriptor is None:
            return self._opened(path)
        self._used.add(path)
        try:
            return _record(descriptor)
        except OSError:
            os.close(self._kept.pop(path))
            return self._opened(path)

    def close(self) -> None:
        """Close all files."""
        self._used.clear()
        self.begin()

    def _opened(self, path: str) -> bytes:
        descriptor = os.open(path, _FLAGS)
        keep = False
        try:
            content = _record(descriptor)
            # The files of /proc and of control groups have no size. Any other file could be replaced by
            # another one of the same name, which a descriptor does not show.
            keep = len(self._kept) < self._most and content != b"" and os.fstat(descriptor).st_size == 0
        finally:
            if not keep:
                os.close(descriptor)
        if keep:
            self._kept[path] = descriptor
            self._used.add(path)
        return content


def boot_time(path: str) -> int:
    """Return when the machine was booted, as a Unix time, from /proc/stat.

    Raises `OSError`, and `SourceMalformedError` for a file without that line.
    """
    _, found, rest = (b"\n" + read(path)).partition(b"\nbtime ")
    if not found:
        raise SourceMalformedError("no line with the time of boot")
    return integer(rest.partition(b"\n")[0])


def integer(text: bytes) -> int:
    """Return an unsigned number of at most 64 bits. Raises `SourceMalformedError` for anything else."""
    try:
        number = int(text)
    except ValueError as error:
        raise SourceMalformedError(f"not a number: {text[:40]!r}") from error
    if not 0 <= number <= _LARGEST:
        raise SourceMalformedError(f"not an unsigned 64-bit number: {text[:40]!r}")
    return number


def cpu_count(text: bytes) -> int:
    """Return how many CPUs a list such as ``0-3,8`` names. Raises `SourceMalformedError`.

    The kernel ends an empty list with a line break too, so an empty file is not a list.
    """
    if not text:
        raise SourceMalformedError("not a list of CPUs: the file is empty")
    return sum(map(len, _ranges(text)))


def members(text: bytes) -> set[int]:
    """Return the numbers that a list such as ``0-3,8`` names. Raises `SourceMalformedError`."""
    return {number for numbers in _ranges(text) for number in numbers}


def _ranges(text: bytes) -> list[range]:
    ranges = []
    for part in text.strip().split(b",") if text.strip() else ():
        first, dash, last = part.partition(b"-")
        low = integer(first)
        high = integer(last) if dash else low
        if not low <= high < _MOST_CPUS:
            raise SourceMalformedError(f"not a list of CPUs or nodes: {text[:40]!r}")
        ranges.append(range(low, high + 1))
    return ranges
