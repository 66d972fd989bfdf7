"""Writes one worker's chain, and syncs it to disk each second.

A record is written by the event loop: it goes to the kernel's memory, which takes less than to wake a thread.
What waits for the disk is the sync, in a thread; one that takes long means that the disk hangs.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from hostcollector.base.lanes import Lane
from hostcollector.gateway.audit.chain import Head, files_of, head_of
from hostcollector.gateway.errors import AuditError

logger = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
"""A crash of the machine loses the records of at most so long."""

HEAD_SECONDS = 60.0
"""Between two lines in the log with the chain's head."""

FILE_BYTES = 64 * 1024 * 1024
"""The size at which the next file begins."""

PATIENCE_SECONDS = 5.0
"""A sync that takes longer means that the disk hangs: requests get 503."""

_REFUSAL = "the request cannot be recorded at present: try again later"


class Audit:
    """The chain of one worker in a directory. Bound to one thread; `clock` is monotonic, in seconds.

    The constructor goes on where the last run ended, and raises `AuditError` where that cannot be read.
    """

    def __init__(
        self,
        directory: Path,
        worker: str,
        clock: Callable[[], float] = time.monotonic,
        file_bytes: int = FILE_BYTES,
    ) -> None:
        self._directory = directory
        self._worker = worker
        self._clock = clock
        self._file_bytes = file_bytes
        self._syncing = Lane(f"audit-{worker}", clock)
        self._descriptor = -1
        self._size = 0
        self._synced_at = self._logged_at = clock()
        self.head = self._open()

    def record(self, record: Mapping[str, object]) -> None:
        """Write a record. Raises `AuditError` if it cannot be written, or if the disk hangs."""
        if self._syncing.busy_seconds > PATIENCE_SECONDS:
            raise AuditError(_REFUSAL)
        try:
            self._write(record)
        except OSError as error:
            logger.error("the audit cannot be written: %s", error.strerror)
            raise AuditError(_REFUSAL) from error

    def tick(self) -> None:
        """Sync to disk if that is due, and log the head each minute."""
        if self._clock() - self._synced_at >= SYNC_SECONDS and not self._syncing.busy:
            self._synced_at = self._clock()
            # The file may be exchanged for the next one meanwhile.
            self._syncing.submit(partial(self._sync, os.dup(self._descriptor)))

    def log_head(self) -> None:
        """Log the chain's head: with it, a cut tail and a rewritten chain show."""
        self._logged_at = self._clock()
        context = {"worker": self._worker, "count": self.head.count, "head": self.head.hash}
        logger.info("audit", extra=context)

    def close(self) -> None:
        """Sync and close the file."""
        self.log_head()
        self._syncing.close()
        self._finish(self._descriptor)

    def _sync(self, descriptor: int) -> None:
        """Sync the file to disk, close this descriptor of it, and log the head if that is due."""
        self._finish(descriptor)
        if self._clock() - self._logged_at >= HEAD_SECONDS:
            self.log_head()

    def _finish(self, descriptor: int) -> None:
        """Sync a file to disk as far as that is possible, and close this descriptor of it."""
        with suppress(OSError):
            os.fsync(descriptor)
        os.close(descriptor)

    def _write(self, record: Mapping[str, object]) -> None:
        """Append a record, or nothing of it. Raises `OSError`."""
        if self._size >= self._file_bytes:
            self._begin_file()
        line, head = self.head.line(record)
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError(None, "no space is left")  # noqa: TRY301 - the same as an error of the call
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)
        self.head = head

    def _open(self) -> Head:
        """Return the head that the last run left. Raises `AuditError`."""
        try:
            self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            written = [file for file in files_of(self._directory, self._worker) if file.stat().st_size]
            # A crash can leave the newest file without a whole line: the file before it has the head then.
            self.head = head_of(next(filter(None, map(_last_line, reversed(written))), b""))
            self._begin_file()
        except OSError as error:
            raise AuditError(f"{self._directory} cannot be used: {error.strerror}") from error
        except ValueError as error:
            raise AuditError(f"the last file of {self._worker} ends in no record: move it away") from error
        return self.head

    def _begin_file(self) -> None:
        name = f"{self._worker}.{self.head.count + 1:012d}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._directory / name, flags, 0o640)
        before, self._descriptor, self._size = self._descriptor, descriptor, os.fstat(descriptor).st_size
        if before >= 0:
            self._finish(before)


def _last_line(file: Path) -> bytes:
    """Return the last whole line of a file; what a crash has torn behind it is cut off."""
    content = file.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        logger.warning("%s ends in a torn line of %d bytes, which is cut off", file, len(content) - whole)
        os.truncate(file, whole)
    return content[:whole].rstrip(b"\n").rpartition(b"\n")[2]
