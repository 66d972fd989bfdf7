"""A configuration file to `Settings`: strict, and every problem at once."""

from collections.abc import Collection
from pathlib import Path

from hostcollector.config.document import Place, UnfitError, compose
from hostcollector.config.schema import read_settings
from hostcollector.config.settings import Settings
from hostcollector.errors import ConfigError

LONGEST_FILE = 1024 * 1024
"""Bytes; no configuration comes near it, a file given by mistake does."""


def read_file(path: Path | None, source_names: Collection[str]) -> Settings:
    """Return the settings of a YAML file; the defaults if `path` is None.

    `source_names` are the keys that the `sources` section may have. Raises `ConfigError` with every problem
    of the file, each with its dotted path and line.
    """
    if path is None:
        return Settings()
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror or error}"]) from error
    return read_bytes(content, str(path), source_names)


def read_bytes(content: bytes, origin: str, source_names: Collection[str]) -> Settings:
    """Return the settings of a YAML document; `origin` names it in errors. Raises as `read_file` does."""
    if len(content) > LONGEST_FILE:
        raise ConfigError(origin, [f"larger than {LONGEST_FILE} bytes; is this the configuration?"])
    place = Place()
    try:
        root = compose(content.decode())
        settings = Settings() if root is None else read_settings(root, place, source_names)
    except UnicodeDecodeError as error:
        raise ConfigError(origin, [f"not UTF-8: byte {error.start} is {content[error.start]:#04x}"]) from None
    except UnfitError as error:
        raise ConfigError(origin, [str(error)]) from None
    if place.problems:
        raise ConfigError(origin, place.problems)
    return settings
