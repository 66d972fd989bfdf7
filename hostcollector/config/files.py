"""Configuration files to settings: strict, and every problem at once.

Each program brings its own settings class: `read_file(path, Settings)`.
"""

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from hostcollector.base.errors import ConfigError
from hostcollector.config.document import (
    MOST_VALUES,
    Place,
    Read,
    TooManyProblemsError,
    UnfitError,
    compose,
    line_of,
)
from hostcollector.config.reader import section_reader

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a file may hold: `size` in bytes, and `values` of YAML, keys included."""

    size: int
    values: int


CONFIGURATION = Limits(1024 * 1024, MOST_VALUES)
"""Far above any configuration: a larger file is the wrong file."""

MAP = Limits(4 * 1024 * 1024, 250_000)
"""A map of 80,000 guests; to read it takes about 5 s and 120 MB."""


def read_file(path: Path, settings: type[T], special: Mapping[str, Read] | None = None) -> T:
    """Return the settings of a YAML file; `special` reads keys in place of their annotations.

    Raises `ConfigError` with every problem of the file, each with its dotted path and line.
    """
    return read_bytes(read_content(path), str(path), settings, special)


def read_bytes(
    content: bytes, origin: str, settings: type[T], special: Mapping[str, Read] | None = None
) -> T:
    """Return the settings of a YAML document; `origin` names it in errors. Raises as `read_file` does."""
    found = _read(content, origin, section_reader(settings, special))
    return settings() if found is None else found


def read_map(path: Path, read: Callable[[yaml.Node, Place], T]) -> T | None:
    """Return what `read` makes of a map file, None for an empty one.

    Raises `ConfigError` with every problem of the file, each with its line.
    """
    return _read(read_content(path, MAP, regular=True), str(path), read, MAP)


def line_in_file(path: Path, key: str) -> int | None:
    """Return the line of a dotted key in a YAML file; None if the key or the file is not there."""
    with suppress(ConfigError, UnicodeDecodeError, UnfitError):
        return line_of(compose(read_content(path).decode()), key)
    return None


def open_to_everybody(path: Path) -> str | None:
    """Return the complaint about a file with a secret that every account may read or write, else None.

    Raises `OSError`.
    """
    mode = path.stat().st_mode & 0o777
    if not mode & 0o006:
        return None
    return f"can be read or written by every account (mode {mode:04o}): run `chmod o=` on it"


def read_content(path: Path, limits: Limits = CONFIGURATION, *, regular: bool = False) -> bytes:
    """Return a file's bytes, at most one more than the limit. Raises `ConfigError`.

    `regular` refuses a pipe: a read of it may never end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if regular else 0))
        try:
            if regular and not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(str(path), ["cannot be read: not a regular file"])
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(limits.size + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror or error}"]) from error


def _read(
    content: bytes, origin: str, read: Callable[[yaml.Node, Place], T], limits: Limits = CONFIGURATION
) -> T | None:
    """Return what `read` makes of a document, None for an empty one."""
    if len(content) > limits.size:
        raise ConfigError(origin, [f"larger than {limits.size} bytes; is this the right file?"])
    place = Place()
    found = None
    try:
        root = compose(content.decode(), limits.values)
        found = None if root is None else read(root, place)
    except UnicodeDecodeError as error:
        raise ConfigError(origin, [f"not UTF-8: byte {error.start} is {content[error.start]:#04x}"]) from None
    except UnfitError as error:
        raise ConfigError(origin, [str(error)]) from None
    except TooManyProblemsError:
        raise ConfigError(origin, [*place.problems, "and more: these are the first"]) from None
    if place.problems:
        raise ConfigError(origin, place.problems)
    return found
