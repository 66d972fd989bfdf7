"""The flags that override the configuration, in the dialect of the Prometheus project's exporters."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from hostcollector.base.log import LogFormat, LogLevel
from hostcollector.catalogue import BY_NAME
from hostcollector.config.address import parse_address
from hostcollector.config.checks import libvirt_uri, telemetry_path
from hostcollector.config.reader import changed
from hostcollector.config.settings import Configuration, Names, Settings, read_configuration
from hostcollector.sources import NAMES

KNOWN = Names(sources=[source.name for source in NAMES], metrics=BY_NAME)
"""The names that a configuration may use."""

_DEFAULT = Settings()
_WORDS: dict[str, type[StrEnum]] = {"log.level": LogLevel, "log.format": LogFormat}


def add_common_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `configuration_loader` reads. The namespace has those only that are given.

    So a flag may stand in front of the command or behind it. The namespace has its value by the dotted key of
    the configuration.
    """
    group = parser.add_argument_group("configuration (flags win over the file)")
    _add(group, "--config.file", Path, "PATH", "YAML file; without one the defaults hold")
    uri = f"what to connect to (default: {_DEFAULT.libvirt.uri})"
    _add(group, "--libvirt.uri", _sentence(libvirt_uri), "URI", uri)
    address = f"host:port, [::1]:port or :port (default: {_DEFAULT.web.listen_address})"
    _add(group, "--web.listen-address", _sentence(parse_address), "ADDRESS", address)
    path = f"path of the page for Prometheus (default: {_DEFAULT.web.telemetry_path})"
    _add(group, "--web.telemetry-path", _sentence(telemetry_path), "PATH", path)
    add_web_config_flag(group)
    group.add_argument(
        "--web.systemd-socket",
        dest="web.systemd_socket",
        action="store_true",
        default=argparse.SUPPRESS,
        help="serve on the socket that systemd hands over (default: on the listen address)",
    )
    for key, default in (("log.level", _DEFAULT.log.level), ("log.format", _DEFAULT.log.format)):
        words = [str(word) for word in _WORDS[key]]
        text = f"one of {', '.join(words)} (default: {default})"
        group.add_argument(
            f"--{key}", dest=key, choices=words, metavar="WORD", default=argparse.SUPPRESS, help=text
        )
    sources = parser.add_argument_group("sources, each with its --no-collector.NAME")
    for source in NAMES:
        sources.add_argument(
            f"--collector.{source.name}",
            dest=f"sources.{source.name}",
            action=argparse.BooleanOptionalAction,
            default=argparse.SUPPRESS,
            help=f"{source.help} (default: {'on' if source.default_on else 'off'})",
        )


def add_flags_by_hand(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a command that a person runs, beside the daemon or without one."""
    parser.add_argument(
        "--own", action="store_true", help="collect here, also where a daemon runs that could be read instead"
    )
    add_common_flags(parser)


def add_web_config_flag(group: argparse._ActionsContainer) -> None:
    """Add ``--web.config.file``."""
    help_text = "YAML file with TLS and authentication (default: neither)"
    _add(group, "--web.config.file", Path, "PATH", help_text, key="web.config_file")


def configuration_loader(options: argparse.Namespace) -> Callable[[], Configuration]:
    """Return what reads the configuration file, again at each call, and replaces what flags say.

    The loader raises `ConfigError` with every problem of the file.
    """
    path: Path | None = vars(options).get("config.file")
    given = overrides(options)

    def load() -> Configuration:
        found = read_configuration(path, KNOWN)
        return replace(found, settings=changed(found.settings, given))

    return load


def overrides(options: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the flags that were given, by the dotted key of the configuration."""
    found = {key: value for key, value in vars(options).items() if "." in key and key != "config.file"}
    for key, value in found.items():
        if isinstance(value, Path):
            found[key] = str(value.absolute())
        elif key in _WORDS:
            found[key] = _WORDS[key](value)
    return found


def _add(
    group: argparse._ActionsContainer,
    flag: str,
    check: Callable[[str], object],
    metavar: str,
    text: str,
    *,
    key: str = "",
) -> None:
    dest = key or flag.removeprefix("--").replace("-", "_")
    group.add_argument(flag, dest=dest, type=check, metavar=metavar, default=argparse.SUPPRESS, help=text)


def _sentence(parse: Callable[[str], object]) -> Callable[[str], object]:
    """Return `parse` with the sentence of its `ValueError` in the error message, which argparse drops."""

    def check(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return check
