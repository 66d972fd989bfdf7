"""Writes one worker's chain: in a thread, many records at once, synced to disk each second."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from hostcollector.base.lanes import Workers
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
"""How long a request waits for its record: a disk that hangs ends it with 503."""

_REFUSAL = "the request cannot be recorded at present: try again later"


class Audit:
    """The chain of one worker in a directory. Bound to one event loop; `clock` is monotonic, in seconds.

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
        self._disk = Workers(f"audit-{worker}", 1)
        self._waiting: list[tuple[Mapping[str, object], asyncio.Future[None]]] = []
        self._drain: asyncio.Task[None] | None = None
        self._descriptor = -1
        self._size = 0
        self._synced_at = self._logged_at = clock()
        self.head = self._open()

    async def record(self, record: Mapping[str, object]) -> None:
        """Return when the record is written. Raises `AuditError` if it cannot be."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, written))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._write_waiting())
        try:
            await asyncio.wait_for(written, PATIENCE_SECONDS)
        except TimeoutError as error:
            raise AuditError(_REFUSAL) from error

    async def tick(self) -> None:
        """Sync to disk if that is due, and log the head each minute."""
        if self._clock() - self._synced_at >= SYNC_SECONDS:
            self._synced_at = self._clock()
            with suppress(OSError):
                await self._disk.run(lambda: os.fsync(self._descriptor))
        if self._clock() - self._logged_at >= HEAD_SECONDS:
            await self._disk.run(self.log_head)

    def log_head(self) -> None:
        """Log the chain's head: with it, a cut tail and a rewritten chain show."""
        self._logged_at = self._clock()
        context = {"worker": self._worker, "count": self.head.count, "head": self.head.hash}
        logger.info("audit", extra=context)

    def close(self) -> None:
        """Sync and close the file."""
        self.log_head()
        self._disk.close()
        os.fsync(self._descriptor)
        os.close(self._descriptor)

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            error: AuditError | None = None
            try:
                await self._disk.run(partial(self._write, [record for record, _ in batch]))
            except OSError:
                error = AuditError(_REFUSAL)
            for _, written in batch:
                if not written.done():
                    written.set_result(None) if error is None else written.set_exception(error)

    def _write(self, records: list[Mapping[str, object]]) -> None:
        """Append records, all or none. Raises `OSError`."""
        if self._size >= self._file_bytes:
            self._begin_file()
        head, text = self.head, b""
        for record in records:
            line, head = head.line(record)
            text += line
        try:
            if os.write(self._descriptor, text) != len(text):
                raise OSError(None, "no space is left")  # noqa: TRY301 - the same as an error of the call
        except OSError as error:
            logger.error("the audit cannot be written: %s", error.strerror)
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(text)
        self.head = head

    def _open(self) -> Head:
        """Return the head that the last run left. Raises `AuditError`."""
        try:
            self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            written = [file for file in files_of(self._directory, self._worker) if file.stat().st_size]
            self.head = head_of(_last_line(written[-1])) if written else Head()
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
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
        self._descriptor, self._size = descriptor, os.fstat(descriptor).st_size


def _last_line(file: Path) -> bytes:
    """Return the last whole line of a file; what a crash has torn behind it is cut off."""
    content = file.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        logger.warning("%s ends in a torn line of %d bytes, which is cut off", file, len(content) - whole)
        os.truncate(file, whole)
    return content[:whole].rstrip(b"\n").rpartition(b"\n")[2]
