"""A small file that must survive a restart: replaced as a whole or not at all.

Written under a new random name, synced, renamed over the old one, and the directory synced: a crash at any
point leaves the old document or the new one.

The directory belongs to the daemon's account, and root may read it, so neither trusts the names in it: links
are not followed, files of other accounts are not read, and an existing file is never opened for writing.
"""

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hostcollector.base.errors import StateError, StateUnreachableError

UNREADABLE = ".unreadable"
"""The suffix of a document that is set aside because it cannot be read."""

LARGEST = 16 * 1024 * 1024
"""The largest document in bytes; a host with 10,000 devices writes 2 MB."""

_BY_OTHERS = 0o002
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK the open of a FIFO waits for a writer.
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# Errors of the file itself. Every other error is the disk's, and the document may be whole.
_OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENODEV}
_SENTENCES = {
    errno.EWOULDBLOCK: "another process writes it now",
    errno.ELOOP: "it is a symbolic link",
    errno.ENXIO: "it is not a regular file",
}


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a document; `written` is the time of its last change in nanoseconds (st_mtime_ns)."""

    content: bytes
    written: int


class StateFile:
    """The document `name` of the state directory, as bytes that only its owner interprets.

    With `writes` False nothing on disk is changed, not even a document that cannot be read.
    """

    def __init__(self, directory: Path, name: str, *, writes: bool = True) -> None:
        self.directory = directory
        self.path = directory / name
        self._folders = Path(name).parent.parts
        self._name = Path(name).name
        self._writes = writes

    def read(self) -> Document | None:
        """Return the document, None when there is none.

        Raises `StateUnreachableError` when the disk fails, and another `StateError` for a document that
        cannot be trusted, which is then set aside.
        """
        try:
            with self._opened(create=False) as directory:
                return _read(self._name, directory)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            why = sentence(error)
            if error.errno in _OF_THE_FILE:
                raise StateError(f"{self.path} cannot be read: {why}{self._set_aside()}") from error
            raise StateUnreachableError(f"{self.path} cannot be read: {why}") from error

    def damaged(self, cause: Exception) -> StateError:
        """Set the document aside, so that it is not overwritten; return the error to report."""
        return StateError(f"{self.path} is damaged: {cause}{self._set_aside()}")

    def replace(self, document: bytes) -> None:
        """Replace the document. Raises `StateError` when that fails; the old document is then kept."""
        if not self._writes:
            raise StateError(f"{self.path} is only read here")
        try:
            if not self.directory.is_dir():
                self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            with self._opened(create=True) as directory:
                _refuse_others(directory)
                replace_in(directory, self._name, document, 0o640)
        except OSError as error:
            raise StateError(f"{self.path} cannot be written: {sentence(error)}") from error

    @contextmanager
    def _opened(self, *, create: bool) -> Iterator[int]:
        """Open the folder of the document. The state directory may be a link, its folders may not."""
        directory = os.open(self.directory, _DIRECTORY)
        try:
            for folder in self._folders:
                try:
                    below = os.open(folder, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
                except FileNotFoundError:
                    if not create:
                        raise
                    with suppress(FileExistsError):
                        os.mkdir(folder, mode=0o750, dir_fd=directory)
                    below = os.open(folder, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
                os.close(directory)
                directory = below
            yield directory
        finally:
            os.close(directory)

    def _set_aside(self) -> str:
        if not self._writes:
            return ""
        aside = self._name + UNREADABLE
        try:
            with self._opened(create=False) as directory:
                _refuse_others(directory)
                os.replace(self._name, aside, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            return f" (and not set aside: {sentence(error)})"
        return f" (set aside as {aside})"


def replace_in(directory: int, name: str, document: bytes, mode: int) -> None:
    """Replace a file of the open `directory`, by one with `mode`.

    Raises `OSError`; the old file is then kept.
    """
    # The document has one writer at a time.
    fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _remove_left_behind(name, directory)
    _write(name, directory, document, mode)
    os.fsync(directory)


def _read(name: str, directory: int) -> Document:
    descriptor = os.open(name, _OLD, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ENXIO, "it is not a regular file")
        if status.st_uid not in {0, os.geteuid(), os.fstat(directory).st_uid}:
            raise PermissionError(errno.EPERM, f"it belongs to the account {status.st_uid}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > LARGEST:
        raise PermissionError(errno.EPERM, f"it is larger than {LARGEST} bytes")
    return Document(content, status.st_mtime_ns)


def _refuse_others(directory: int) -> None:
    """Raise `PermissionError` where another account could replace the document."""
    status = os.fstat(directory)
    if status.st_uid not in {0, os.geteuid()}:
        raise PermissionError(
            errno.EPERM,
            f"its directory belongs to the account {status.st_uid}, and this process runs as {os.geteuid()}",
        )
    if status.st_mode & _BY_OTHERS and not status.st_mode & stat.S_ISVTX:
        raise PermissionError(errno.EPERM, "every account may write in its directory: run `chmod o-w` on it")


def _remove_left_behind(name: str, directory: int) -> None:
    """Remove temporary files of processes that were killed while they wrote."""
    temporary = re.compile(rf"{re.escape(name)}\.([0-9a-f]{{16}}\.)?tmp")
    for left in os.listdir(directory):
        if temporary.fullmatch(left):
            with suppress(OSError):
                os.unlink(left, dir_fd=directory)


def _write(name: str, directory: int, document: bytes, mode: int) -> None:
    temporary = f"{name}.{secrets.token_hex(8)}.tmp"
    try:
        with os.fdopen(os.open(temporary, _NEW, 0o600, dir_fd=directory), "wb") as file:
            os.fchmod(file.fileno(), mode)  # the umask may have taken bits away
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def sentence(error: OSError) -> str:
    """Return the cause of an error in words."""
    return _SENTENCES.get(error.errno or 0) or error.strerror or str(error)
