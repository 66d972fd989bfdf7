"""A small file of what must survive a restart: replaced as a whole or not at all.

Written to a temporary name, synced, renamed over the old one, and the directory synced: a crash at any point
leaves the old document or the new one.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from hostcollector.errors import StateError

UNREADABLE = ".unreadable"
"""What is appended to the name of a document that cannot be believed, when it is set aside."""


class StateFile:
    """The document at `path`, as bytes: what they mean is for its owner to say."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes | None:
        """Return the document, None when there is none. Raises `StateError`; it is then set aside."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self.path} cannot be read: {error.strerror}{self._set_aside()}") from error

    def damaged(self, cause: Exception) -> StateError:
        """Set the document aside, so that it is not overwritten; returns what there is to say of it."""
        return StateError(f"{self.path} is damaged: {cause}{self._set_aside()}")

    def replace(self, document: bytes) -> None:
        """Replace the document. Raises `StateError` when that is not possible; the old one then stands."""
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                # Two processes (a daemon and a collection by hand) share the temporary name.
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._write(document)
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise StateError(f"{self.path} cannot be written: {error.strerror}") from error

    def _write(self, document: bytes) -> None:
        temporary = self.path.with_name(self.path.name + ".tmp")
        try:
            with temporary.open("wb") as file:
                file.write(document)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise

    def _set_aside(self) -> str:
        aside = self.path.with_name(self.path.name + UNREADABLE)
        try:
            self.path.replace(aside)
        except OSError as error:
            return f" (and not set aside: {error.strerror})"
        return f" (set aside as {aside.name})"
