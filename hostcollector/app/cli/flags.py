"""The flags that override the configuration, in the dialect of the Prometheus project's exporters."""

import argparse
from collections.abc import Callable
from pathlib import Path

from hostcollector.base.log import LogFormat, LogLevel
from hostcollector.config.address import Address, parse_address
from hostcollector.config.checks import libvirt_uri_complaint, telemetry_path_complaint
from hostcollector.config.files import read_file
from hostcollector.config.overrides import Overrides
from hostcollector.config.settings import Settings
from hostcollector.sources import NAMES

_DEFAULT = Settings()


def add_common_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `settings_loader` reads. One that is not given leaves no trace in the namespace.

    So a flag may stand in front of the command or behind it.
    """
    configuration = parser.add_argument_group("configuration (flags win over the file)")
    _add(configuration, "--config.file", Path, "PATH", "YAML file; without one the defaults hold")
    _add(configuration, "--libvirt.uri", _uri, "URI", f"what to connect to (default: {_DEFAULT.libvirt.uri})")
    address = f"host:port, [::1]:port or :port (default: {_DEFAULT.web.listen_address})"
    _add(configuration, "--web.listen-address", _address, "ADDRESS", address)
    path = f"path of the page for Prometheus (default: {_DEFAULT.web.telemetry_path})"
    _add(configuration, "--web.telemetry-path", _telemetry_path, "PATH", path)
    add_web_config_flag(configuration)
    configuration.add_argument(
        "--web.systemd-socket",
        dest="web.systemd-socket",
        action="store_true",
        default=argparse.SUPPRESS,
        help="serve on the socket that systemd hands over (default: on the listen address)",
    )
    _add_choice(configuration, "--log.level", [str(level) for level in LogLevel], str(_DEFAULT.log.level))
    _add_choice(configuration, "--log.format", [str(form) for form in LogFormat], str(_DEFAULT.log.format))
    sources = parser.add_argument_group("sources, each with its --no-collector.NAME")
    for source in NAMES:
        sources.add_argument(
            f"--collector.{source.name}",
            dest=f"collector.{source.name}",
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
    _add(group, "--web.config.file", Path, "PATH", "YAML file with TLS and authentication (default: neither)")


def settings_loader(options: argparse.Namespace) -> Callable[[], Settings]:
    """Return what reads the configuration file, again at each call, and lays the flags over it.

    The loader raises `ConfigError` with every problem of the file.
    """
    path: Path | None = vars(options).get("config.file")
    names = [source.name for source in NAMES]
    given = overrides(options)
    return lambda: given.applied_to(read_file(path, names))


def overrides(options: argparse.Namespace) -> Overrides:
    """Return the flags that were given."""
    given = vars(options)
    level, form = given.get("log.level"), given.get("log.format")
    web_config: Path | None = given.get("web.config.file")
    return Overrides(
        libvirt_uri=given.get("libvirt.uri"),
        listen_address=given.get("web.listen-address"),
        telemetry_path=given.get("web.telemetry-path"),
        web_config_file=str(web_config.absolute()) if web_config else None,
        systemd_socket=given.get("web.systemd-socket"),
        log_level=LogLevel(level) if level else None,
        log_format=LogFormat(form) if form else None,
        sources={
            source.name: given[f"collector.{source.name}"]
            for source in NAMES
            if f"collector.{source.name}" in given
        },
    )


def _add(
    group: argparse._ActionsContainer, flag: str, check: Callable[[str], object], metavar: str, text: str
) -> None:
    name = flag.removeprefix("--")
    group.add_argument(flag, dest=name, type=check, metavar=metavar, default=argparse.SUPPRESS, help=text)


def _add_choice(group: argparse._ArgumentGroup, flag: str, words: list[str], default: str) -> None:
    name = flag.removeprefix("--")
    text = f"one of {', '.join(words)} (default: {default})"
    group.add_argument(flag, dest=name, choices=words, metavar="WORD", default=argparse.SUPPRESS, help=text)


def _uri(text: str) -> str:
    if complaint := libvirt_uri_complaint(text):
        raise argparse.ArgumentTypeError(complaint)
    return text


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _telemetry_path(text: str) -> str:
    complaint = telemetry_path_complaint(text)
    if complaint:
        raise argparse.ArgumentTypeError(complaint)
    return text
