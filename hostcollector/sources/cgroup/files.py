"""The forms of the control groups' files; Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/."""

import errno
from collections.abc import Iterable

from hostcollector.errors import SourceMalformedError
from hostcollector.kernel_files import integer, read_record

# No such file without its controller; the group is gone; the kernel was started without pressure statistics.
_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP})


def read_optional(path: str) -> bytes | None:
    """Return the file, None where this kernel or this group does not have it. Raises other `OSError`s."""
    try:
        return read_record(path)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def number(path: str) -> int | None:
    """Return the only number in the file. Raises `SourceMalformedError`."""
    content = read_optional(path)
    return None if content is None else integer(content)


def keyed(path: str) -> dict[bytes, int]:
    """Return the numbers of a file of ``key number`` lines, nothing for a file that does not exist.

    Raises `SourceMalformedError`.
    """
    return keyed_numbers(read_optional(path) or b"")


def keyed_numbers(content: bytes) -> dict[bytes, int]:
    """Return the numbers by their keys. Raises `SourceMalformedError`."""
    numbers = {}
    for line in content.splitlines():
        key, _, value = line.partition(b" ")
        numbers[key] = integer(value)
    return numbers


def one_of_keyed(path: str, key: bytes) -> int | None:
    """Return one number of a file of ``key number`` lines, without reading the other forty.

    Raises `SourceMalformedError`.
    """
    content = b"\n" + (read_optional(path) or b"")
    _, separator, rest = content.partition(b"\n" + key + b" ")
    return integer(rest.partition(b"\n")[0]) if separator else None


def pressure_totals(content: bytes) -> dict[bytes, int]:
    """Return the microseconds stalled since the group was made, by ``some`` and ``full``.

    Source: Documentation/accounting/psi.rst. Raises `SourceMalformedError`.
    """
    totals = {}
    for line in content.splitlines():
        kind, _, _ = line.partition(b" ")
        _, separator, total = line.rpartition(b" total=")
        if not separator:
            raise SourceMalformedError(f"not a line of a pressure file: {line[:80]!r}")
        totals[kind] = integer(total)
    return totals


def limit(path: str) -> int | None:
    """Return the limit in a file, None where none is set. Raises `SourceMalformedError`."""
    content = read_optional(path)
    # "max" in version 2, -1 in version 1; a CPU quota is followed by its period.
    if content is None or content.startswith((b"max", b"-")):
        return None
    return integer(content.partition(b" ")[0])


def least(limits: Iterable[int | None]) -> int | None:
    """Return the tightest of several limits, None when there is none."""
    return min((limit for limit in limits if limit is not None), default=None)
