"""The forms of the control groups' files; Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/."""

import errno
from collections.abc import Collection, Iterable

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import EXPECTED, Gaps
from hostcollector.protocols.kernel.files import read_record
from hostcollector.protocols.kernel.numbers import integer

# No such file without its controller; the group is gone; the kernel was started without pressure statistics.
_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP})

_PRESSURES = (b"some", b"full")


def read_optional(path: str) -> bytes | None:
    """Return the file, None where this kernel or this group does not have it. Raises other `OSError`s."""
    try:
        return read_record(path)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def number(path: str, gaps: Gaps) -> int | None:
    """Return the only number in the file; one that is none is noted in `gaps`, as in all of these."""
    try:
        content = read_optional(path)
        return None if content is None else integer(content)
    except EXPECTED as error:
        gaps.unread(path, error)
        return None


def keyed(path: str, wanted: Collection[bytes], gaps: Gaps) -> dict[bytes, int]:
    """Return the wanted numbers of a file of ``key number`` lines, nothing for a file that does not exist.

    Lines of other keys may say what they will: kernels add some. One of `wanted` that an existing file does
    not have is noted too.
    """
    found: dict[bytes, int] = {}
    try:
        content = read_optional(path)
    except EXPECTED as error:
        gaps.unread(path, error)
        return found
    if content is not None:
        lines = content.splitlines()
        for key in wanted:
            try:
                found[key] = integer(_value(lines, key))
            except SourceMalformedError as error:
                gaps.unread(f"{path}, {key.decode()}", error)
    return found


def _value(lines: Iterable[bytes], key: bytes) -> bytes:
    """Return what stands behind a key. Raises `SourceMalformedError` where no line has it."""
    start = key + b" "
    for line in lines:
        if line.startswith(start):
            return line[len(start) :]
    raise SourceMalformedError("no such line")


def one_of_keyed(path: str, key: bytes, gaps: Gaps) -> int | None:
    """Return one number of a file of ``key number`` lines, without reading the other forty.

    Not all kernels have the line. An empty file is noted: no kernel writes one.
    """
    try:
        content = read_optional(path)
        if content is None:
            return None
        if not content:
            raise SourceMalformedError("the file is empty")
        _, separator, rest = (b"\n" + content).partition(b"\n" + key + b" ")
        return integer(rest.partition(b"\n")[0]) if separator else None
    except EXPECTED as error:
        gaps.unread(path, error)
        return None


def pressure_totals(path: str, gaps: Gaps) -> dict[bytes, int]:
    """Return the microseconds stalled since the group was made, by ``some`` and ``full``.

    Source: Documentation/accounting/psi.rst.
    """
    found: dict[bytes, int] = {}
    try:
        content = read_optional(path)
        if content == b"":
            raise SourceMalformedError("the file is empty")
    except EXPECTED as error:
        gaps.unread(path, error)
        return found
    for line in (content or b"").splitlines():
        kind, _, _ = line.partition(b" ")
        if kind in _PRESSURES:
            try:
                found[kind] = _total(line)
            except SourceMalformedError as error:
                gaps.unread(f"{path}, {kind.decode()}", error)
    return found


def _total(line: bytes) -> int:
    _, separator, total = line.rpartition(b" total=")
    if not separator:
        raise SourceMalformedError(f"not a line of a pressure file: {line[:80]!r}")
    return integer(total)


def limit(path: str) -> int | None:
    """Return the limit in a file, None where none is set. Raises `SourceMalformedError` and `OSError`."""
    content = read_optional(path)
    # "max" in version 2, -1 in version 1; a CPU quota is followed by its period.
    if content is None or content.startswith((b"max", b"-")):
        return None
    return integer(content.partition(b" ")[0])


def least(limits: Iterable[int | None]) -> int | None:
    """Return the tightest of several limits, None when there is none."""
    return min((limit for limit in limits if limit is not None), default=None)
