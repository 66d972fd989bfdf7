"""Writes a page for node_exporter's textfile collector.

node_exporter reads each file of its directory whose name ends in ``.prom``, as text 0.0.4 without timestamps,
with its own account. A reader sees the old page or the new one, never a part. One bad file costs
node_exporter's page its textfile series, so the page leaves out what node_exporter exports itself.
"""

import os
import stat
from pathlib import Path

from hostcollector.base.errors import HostcollectorError
from hostcollector.base.state_file import replace_in, sentence

SUFFIX = ".prom"

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MODE = 0o644
# The series of a process about itself: node_exporter has the same ones, with the same labels.
_ITS_OWN = (b"process_", b"# HELP process_", b"# TYPE process_")


class OutputError(HostcollectorError):
    """The page cannot be written to the file; the old file is kept."""


def named(text: str) -> Path:
    """Return the path if node_exporter reads a file of this name. Raises `ValueError` with a sentence."""
    path = Path(text)
    if path.suffix != SUFFIX:
        raise ValueError(f"expected a name that ends in {SUFFIX}, as node_exporter reads, not {text!r}")
    return path


def require_place(path: Path) -> None:
    """Raise `OutputError` where the directory is missing or may not be written, or the name is no file's.

    The command asks before it collects: a collection of many guests takes seconds.
    """
    try:
        directory = os.open(path.parent, _DIRECTORY)
        try:
            _refuse_special(path, directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise _unwritable(path, error) from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: this account may not write {path.parent}")


def write(path: Path, page: bytes) -> None:
    """Replace the file by a page in text 0.0.4. Raises `OutputError`."""
    try:
        directory = os.open(path.parent, _DIRECTORY)
        try:
            _refuse_special(path, directory)
            replace_in(directory, path.name, without_its_own(page), _MODE)
        finally:
            os.close(directory)
    except OSError as error:
        raise _unwritable(path, error) from error


def without_its_own(page: bytes) -> bytes:
    """Return a page without the families that node_exporter has too."""
    return b"\n".join(line for line in page.split(b"\n") if not line.startswith(_ITS_OWN))


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {sentence(error)}")


def _refuse_special(path: Path, directory: int) -> None:
    """Raise `OutputError` where the name is a link, a folder or a device: only a file is replaced."""
    try:
        mode = os.stat(path.name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
        raise OutputError(f"{path} cannot be written: it is {what}")
