"""An operator's file that is read again when it changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from hostcollector.errors import ConfigError

Content = TypeVar("Content")


class FollowedFile(Generic[Content]):
    """A file that `read` understands. The first reading raises `ConfigError`; later ones keep the old one.

    `complain` hears the errors of later readings, once per change of the file; `what` names the content.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], Content],
        what: str,
        complain: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._path = path
        self._read = read
        self._what = what
        self._complain = complain
        self._stamp = self._look()
        self.current = read(path)

    def changed(self) -> bool:
        """Read the file again if it changed since the last look; says whether the content is a new one."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.current = self._read(self._path)
        except ConfigError as error:
            self._complain(f"the old {self._what} stays in use: {error}")
            return False
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
