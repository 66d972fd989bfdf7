"""Configuration files to settings: strict, and every problem at once."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

import yaml

from hostcollector.config.document import Place, UnfitError, compose
from hostcollector.config.schema import read_settings
from hostcollector.config.settings import Settings
from hostcollector.config.web_config import WebConfig
from hostcollector.config.web_schema import anchored, read_web_config
from hostcollector.errors import ConfigError

T = TypeVar("T")

LONGEST_FILE = 1024 * 1024
"""Bytes; no configuration comes near it, a file given by mistake does."""


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


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror or error}"]) from error


def _read(content: bytes, origin: str, read: Callable[[yaml.Node, Place], T]) -> T | None:
    """Return what `read` makes of a document, None for an empty one."""
    if len(content) > LONGEST_FILE:
        raise ConfigError(origin, [f"larger than {LONGEST_FILE} bytes; is this the configuration?"])
    place = Place()
    try:
        root = compose(content.decode())
        found = None if root is None else read(root, place)
    except UnicodeDecodeError as error:
        raise ConfigError(origin, [f"not UTF-8: byte {error.start} is {content[error.start]:#04x}"]) from None
    except UnfitError as error:
        raise ConfigError(origin, [str(error)]) from None
    if place.problems:
        raise ConfigError(origin, place.problems)
    return found
