"""The files of control groups. Source: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/."""

import errno
import time
from collections.abc import Collection, Iterable
from typing import NamedTuple

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import EXPECTED, Gaps
from hostcollector.base.keeping import kept_seconds
from hostcollector.base.lanes import Clock
from hostcollector.protocols.kernel.files import KeptFiles, integer, read_record

LOOK_SECONDS = 60.0
"""How long limits, quotas and the guests' groups are believed at most: they are settings."""

# No such file without its controller; the group is gone; the kernel was started without pressure statistics.
_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP})

_PRESSURES = (b"some", b"full")


class _Limit(NamedTuple):
    value: int | None
    until: float


class GroupFiles:
    """Reads the files of groups, which are kept open between readings. `clock` is monotonic.

    A file that this kernel or this group does not have is None or empty. Any other file that cannot be read,
    and any line that is not as expected, is noted in `gaps`.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._files = KeptFiles()
        self.read = self._files.read
        self.close = self._files.close
        self._clock = clock
        self.now = 0.0
        """The time at which the reading began."""
        self._limits: dict[str, _Limit] = {}

    def begin(self) -> None:
        """Begin a reading."""
        self._files.begin()
        self.now = self._clock()

    def forget(self) -> None:
        """Forget the limits that are no longer believed: those of groups that are gone are not read again."""
        self._limits = {path: limit for path, limit in self._limits.items() if self.now < limit.until}

    def number(self, path: str, gaps: Gaps) -> int | None:
        """Return the only number in a file."""
        try:
            content = self.optional(path)
            return None if content is None else integer(content)
        except EXPECTED as error:
            gaps.unread(path, error)
            return None

    def keyed(self, path: str, wanted: Collection[bytes], gaps: Gaps) -> dict[bytes, int]:
        """Return the wanted numbers of a file of ``key number`` lines. A line that is missing is noted.

        Lines of other keys are not looked at: new kernels add some.
        """
        found: dict[bytes, int] = {}
        try:
            content = self.optional(path)
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

    def one_of_keyed(self, path: str, key: bytes, gaps: Gaps) -> int | None:
        """Return one number of a file of ``key number`` lines, without looking at its forty other lines.

        Not all kernels have the line. An empty file is noted: no kernel writes one.
        """
        try:
            content = self.optional(path)
            if content is None:
                return None
            if not content:
                raise SourceMalformedError("the file is empty")
            _, separator, rest = (b"\n" + content).partition(b"\n" + key + b" ")
            return integer(rest.partition(b"\n")[0]) if separator else None
        except EXPECTED as error:
            gaps.unread(path, error)
            return None

    def pressure_totals(self, path: str, gaps: Gaps) -> dict[bytes, int]:
        """Return the microseconds stalled since the group was made, by ``some`` and ``full``.

        Source: Documentation/accounting/psi.rst.
        """
        found: dict[bytes, int] = {}
        try:
            content = self.optional(path)
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

    def limit(self, path: str) -> int | None:
        """Return the limit in a file as of the last look, None where none is set.

        Raises `SourceMalformedError` and `OSError`.
        """
        known = self._limits.get(path)
        if known is None or self.now >= known.until:
            known = _Limit(_limit(path), self.now + kept_seconds(LOOK_SECONDS, path))
            self._limits[path] = known
        return known.value

    def tightest(self, paths: Iterable[str]) -> int | None:
        """Return the lowest of several limits, None where none is set. Raises as `limit` does."""
        return min((limit for limit in map(self.limit, paths) if limit is not None), default=None)

    def optional(self, path: str) -> bytes | None:
        """Return a file's content, None where the kernel or the group has no such file. Raises `OSError`."""
        try:
            return self.read(path)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise


def _value(lines: Iterable[bytes], key: bytes) -> bytes:
    """Return the text after a key. Raises `SourceMalformedError` where no line has the key."""
    start = key + b" "
    for line in lines:
        if line.startswith(start):
            return line[len(start) :]
    raise SourceMalformedError("no such line")


def _total(line: bytes) -> int:
    _, separator, total = line.rpartition(b" total=")
    if not separator:
        raise SourceMalformedError(f"not a line of a pressure file: {line[:80]!r}")
    return integer(total)


def _limit(path: str) -> int | None:
    try:
        content = read_record(path)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise
    # "max" in version 2, -1 in version 1; a CPU quota is followed by its period.
    return None if content.startswith((b"max", b"-")) else integer(content.partition(b" ")[0])
