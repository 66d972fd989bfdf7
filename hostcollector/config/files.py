"""Configuration files to settings: strict, and every problem at once."""

import os
import stat
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from hostcollector.base.errors import ConfigError
from hostcollector.config.document import (
    MOST_VALUES,
    Place,
    TooManyProblemsError,
    UnfitError,
    compose,
    line_of,
)
from hostcollector.config.schema import read_settings
from hostcollector.config.settings import Settings
from hostcollector.config.web_config import WebConfig
from hostcollector.config.web_schema import anchored, read_web_config

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a file may hold: `size` in bytes, and `values` of YAML, keys included."""

    size: int
    values: int


CONFIGURATION = Limits(1024 * 1024, MOST_VALUES)
"""No configuration comes near it, a file given by mistake does."""

MAP = Limits(4 * 1024 * 1024, 250_000)
"""A map of 80,000 guests; reading it takes some 5 s and 120 MB."""


def read_file(path: Path | None, source_names: Collection[str]) -> Settings:
    """Return the settings of a YAML file; the defaults if `path` is None.

    `source_names` are the keys that the `sources` section may have. Raises `ConfigError` with every problem
    of the file, each with its dotted path and line.
    """
    return Settings() if path is None else read_bytes(_content(path), str(path), source_names)


def read_bytes(content: bytes, origin: str, source_names: Collection[str]) -> Settings:
    """Return the settings of a YAML document; `origin` names it in errors. Raises as `read_file` does."""

    def read(root: yaml.Node, place: Place) -> Settings:
        return read_settings(root, place, source_names)

    return _read(content, origin, read) or Settings()


def read_web_file(path: Path | None) -> WebConfig:
    """Return what a web-config file says; neither TLS nor authentication if `path` is None.

    The files that it names are not opened. Raises as `read_file` does.
    """
    if path is None:
        return WebConfig()
    return anchored(read_web_bytes(_content(path), str(path)), path.parent)


def read_web_bytes(content: bytes, origin: str) -> WebConfig:
    """Return what a web-config document says, its paths as they stand there. Raises as `read_file` does."""
    return _read(content, origin, read_web_config) or WebConfig()


def read_map(path: Path, read: Callable[[yaml.Node, Place], T]) -> T | None:
    """Return what `read` makes of a map file, None of an empty one.

    Raises `ConfigError` with every problem of the file, each with its line.
    """
    return _read(_content(path, MAP, regular=True), str(path), read, MAP)


def line_in_file(path: Path, key: str) -> int | None:
    """Return the line of a dotted key in a YAML file, None where it has none (any more)."""
    with suppress(ConfigError, UnicodeDecodeError, UnfitError):
        return line_of(compose(_content(path).decode()), key)
    return None


def open_to_everybody(path: Path) -> str | None:
    """Return the complaint about a file with a secret that everybody may read or write; None without one.

    Raises `OSError`.
    """
    mode = path.stat().st_mode & 0o777
    if not mode & 0o006:
        return None
    return f"can be read or written by everybody (mode {mode:04o}): run `chmod o=` on it"


def _content(path: Path, limits: Limits = CONFIGURATION, *, regular: bool = False) -> bytes:
    """Return the file, a byte more than may be. A `regular` one has to be no pipe, which nobody may fill."""
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
