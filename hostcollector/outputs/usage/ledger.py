"""The ledger on disk: lines that are only ever appended, each with a checksum, in one file for each day.

A file begins with a line that names the ledger and its first sequence number. What a crash left behind the
last whole line is cut off when the ledger is opened. The oldest files are removed when there are too many.
"""

import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from hostcollector.base.errors import StateError
from hostcollector.base.state_file import sentence
from hostcollector.catalogue.usage import (
    SECONDS_PER_HOUR,
    HourClosed,
    UsageLineError,
    UsageRecord,
    parse_line,
)

FOLDER = "usage"

MOST_FILES = 41
"""A file for each day, for 40 days and the present one."""

_SECONDS_PER_DAY = 86_400
_CLOSED = b'{"kind":"closed"'
_LONGEST_HEAD = 256
_NAME = re.compile(r"[0-9]{16}\.ledger")
_CHECKSUM = 9
"""Bytes before a line's JSON: eight digits and a blank."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1024 * 1024


class CursorError(ValueError):
    """The reader's sequence number is above the ledger's last: it comes from another ledger."""


class Line(NamedTuple):
    """A line as it is served, with its sequence number."""

    sequence: int
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The first line of a file."""

    ledger: str
    first: int
    made: int


@dataclass(slots=True)
class _Segment:
    """A file of the ledger: its name, its head, and the size up to which it is whole."""

    name: str
    head: _Head
    size: int = 0


class Ledger:
    """A ledger in `directory`. Appends come from one thread; `read` may be called by others at any time.

    With `writes` False nothing is repaired and nothing made.
    """

    def __init__(self, directory: Path, *, writes: bool = True) -> None:
        self.directory = directory / FOLDER
        self._writes = writes
        self._segments: tuple[_Segment, ...] = ()
        self._lock: int | None = None
        self.name = ""
        self.last = 0
        self.bad_lines = 0
        """How many lines in the middle of files were damaged when the ledger was opened."""

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    def open(self) -> None:
        """Read which files there are, and cut off what is not whole. Raises `StateError`."""
        try:
            if self._writes:
                self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
                self._take_lock()
            self._segments, self.last, self.bad_lines = (), 0, 0
            for name in sorted(path.name for path in self.directory.iterdir() if _NAME.fullmatch(path.name)):
                self._look_at(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StateError(f"the ledger {self.directory} cannot be read: {sentence(error)}") from error
        if self._segments:
            self.name = self._segments[-1].head.ledger
        elif self._writes:
            self.name = secrets.token_hex(16)

    def close(self) -> None:
        """Give the ledger up for another writer."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def append(self, lines: Sequence[UsageRecord | HourClosed], now: float) -> None:
        """Append the lines and sync them. Raises `StateError`; nothing is then appended."""
        if not lines:
            return
        try:
            segment = self._segment(lines[0].sequence, int(now))
            text = b"".join(_with_checksum(line.line()) for line in lines)
            descriptor = os.open(self.directory / segment.name, _WRITE)
            with closing(_Closing(descriptor)):
                self._write(descriptor, segment, text)
        except OSError as error:
            raise StateError(f"the ledger {self.directory} cannot be written: {sentence(error)}") from error
        segment.size += len(text)
        self.last = lines[-1].sequence

    def read(self, after: int, limit: int) -> list[bytes]:
        """Return at most `limit` lines with sequence numbers above `after`, without checksums.

        Raises `CursorError` for a number above the last one, and `StateError` if a file cannot be read.
        """
        segments, last = self._segments, self.last
        if after > last:
            raise CursorError(f"the last sequence number is {last}")
        found: list[bytes] = []
        for number, segment in enumerate(segments):
            following = segments[number + 1].head.first if number + 1 < len(segments) else last + 1
            if following <= after + 1:
                continue
            try:
                for line in self._lines(segment):
                    if after < line.sequence <= last:
                        found.append(line.text)
                    if len(found) >= limit:
                        return found
            except OSError as error:
                cause = sentence(error)
                raise StateError(f"{self.directory / segment.name} cannot be read: {cause}") from error
        return found

    def open_hour(self) -> int | None:
        """Return the Unix time of the hour after the last closed one, if any. Raises `StateError`."""
        try:
            for segment in reversed(self._segments):
                closed = [line.text for line in self._lines(segment) if line.text.startswith(_CLOSED)]
                if closed:
                    return parse_line(closed[-1]).hour + SECONDS_PER_HOUR
        except (OSError, UsageLineError) as error:
            raise StateError(f"the ledger {self.directory} cannot be read: {error}") from error
        return None

    def _take_lock(self) -> None:
        """Keep other daemons from the same folder."""
        if self._lock is None:
            lock = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                raise
            self._lock = lock

    def _look_at(self, name: str) -> None:
        """Take a file in, as far as it is whole."""
        path = self.directory / name
        descriptor = os.open(path, _WRITE if self._writes else _READ)
        with closing(_Closing(descriptor)):
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return
            head, size, last, bad = _examined(descriptor)
            if head is None:
                if self._writes and os.fstat(descriptor).st_size < _LONGEST_HEAD:
                    path.unlink()  # a crash while the file was made
                elif self._writes:
                    path.rename(path.with_suffix(".unreadable"))
                return
            if self._writes and size < os.fstat(descriptor).st_size:
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
        if self._segments and head.ledger != self._segments[-1].head.ledger:
            self._segments = ()
        self._segments += (_Segment(name, head, size),)
        self.last = max(last, head.first - 1)
        self.bad_lines += bad

    def _segment(self, first: int, now: int) -> _Segment:
        """Return the file of the present day, a new one if need be; one without lines serves any day."""
        present = self._segments[-1] if self._segments else None
        if present is not None:
            same_day = present.head.made // _SECONDS_PER_DAY == now // _SECONDS_PER_DAY
            if same_day or present.head.first > self.last:
                return present
        head = _Head(ledger=self.name, first=first, made=now)
        name = f"{first:016d}.ledger"
        document = {"kind": "ledger", "ledger": head.ledger, "first": head.first, "made": head.made}
        text = _with_checksum(json.dumps(document, separators=(",", ":")))
        segment = _Segment(name, head)
        descriptor = os.open(self.directory / name, _MAKE, 0o640)
        with closing(_Closing(descriptor)):
            try:
                self._write(descriptor, segment, text)
            except OSError:
                with suppress(OSError):
                    (self.directory / name).unlink()
                raise
        segment.size = len(text)
        self._segments += (segment,)
        self._remove_oldest()
        _sync(self.directory)
        return segment

    def _remove_oldest(self) -> None:
        while len(self._segments) > MOST_FILES:
            (self.directory / self._segments[0].name).unlink(missing_ok=True)
            self._segments = self._segments[1:]

    @staticmethod
    def _write(descriptor: int, segment: _Segment, text: bytes) -> None:
        """Write and sync, or leave the file as it was."""
        try:
            written = 0
            while written < len(text):
                written += os.write(descriptor, text[written:])
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, segment.size)
            raise

    def _lines(self, segment: _Segment) -> Iterator[Line]:
        """Yield the whole lines of a file; damaged ones are left out."""
        descriptor = os.open(self.directory / segment.name, _READ)
        with os.fdopen(descriptor, "rb") as file:
            file.readline()
            for line in file:
                text = _checked(line)
                if text is not None:
                    yield Line(_sequence(text), text)


@dataclass(slots=True)
class _Closing:
    descriptor: int

    def close(self) -> None:
        os.close(self.descriptor)


def _with_checksum(text: str) -> bytes:
    content = text.encode()
    return b"%08x %s\n" % (crc32(content), content)


def _checked(line: bytes) -> bytes | None:
    """Return a line without its checksum; None if it is not whole."""
    content = line[_CHECKSUM:-1]
    whole = line.endswith(b"\n") and line[:_CHECKSUM] == b"%08x " % crc32(content)
    return content if whole else None


_SEQUENCE = re.compile(rb'"sequence":([0-9]+)')


def _sequence(text: bytes) -> int:
    """Return the number of a line whose checksum is right."""
    found = _SEQUENCE.search(text)
    return int(found[1]) if found else 0


def _examined(descriptor: int) -> tuple[_Head | None, int, int, int]:
    """Return a file's head, up to where it is whole, its last sequence number, and its damaged lines."""
    head, size, last, bad, read = None, 0, 0, 0, 0
    pending = 0
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        for number, line in enumerate(file):
            read += len(line)
            text = _checked(line)
            if number == 0:
                head = _head(text)
                if head is None:
                    return None, 0, 0, 0
            if text is None:
                pending += 1
                continue
            last = _sequence(text) if number else last
            size, bad, pending = read, bad + pending, 0
    return head, size, last, bad


def _head(text: bytes | None) -> _Head | None:
    document = {} if text is None else json.loads(text)
    if document.get("kind") != "ledger":
        return None
    return _Head(ledger=document["ledger"], first=document["first"], made=document["made"])


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
