"""The commands of `hostcollector-gateway`: flags in, exit status out."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hostcollector import __version__
from hostcollector.base.errors import ConfigError, HostcollectorError
from hostcollector.base.wording import one_line
from hostcollector.config import named_files
from hostcollector.gateway.settings import GatewaySettings, read_settings

DEPLOYED = Path("/etc/hostcollector-gateway/gateway.yml")

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130

_DESCRIPTION = "Lets each tenant of a cloud read the metrics of its own VMs, from one store of all tenants."
_EPILOG = """\
examples:
  hostcollector-gateway check-config gateway.yml
  hostcollector-gateway serve --config.file=/etc/hostcollector-gateway/gateway.yml

exit status:
  0    success
  1    the store, the database or the port cannot be used, or a similar failure
  2    wrong flags or configuration; every problem is listed
  130  interrupted from the keyboard
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (None: the process's own) name and return the exit status.

    Raises `SystemExit` as argparse does, for ``--help`` and for flags that do not exist.
    """
    options = make_parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except ConfigError as error:
        complain(f"{error.origin} cannot be used:", *(f"  {problem}" for problem in error.problems))
        return WRONG_USE
    except HostcollectorError as error:
        complain(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; its namespace has the command's function as `run`."""
    parser = argparse.ArgumentParser(
        prog="hostcollector-gateway",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hostcollector-gateway {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = commands.add_parser(
        "check-config",
        help="read the configuration and the files that it names, and list every problem",
        allow_abbrev=False,
    )
    check.add_argument("file", metavar="FILE", type=Path, help="the YAML file to read")
    check.set_defaults(run=check_config)
    return parser


def complain(first: str, *rest: str) -> None:
    """Write a sentence and its details to standard error."""
    lines = [f"hostcollector-gateway: {one_line(first)}", *map(one_line, rest)]
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def check_config(options: argparse.Namespace) -> int:
    """Read the configuration and every file that it names; report all problems at once."""
    checked_settings(options.file)
    print(f"{options.file}: valid", flush=True)
    return 0


def checked_settings(path: Path | None) -> GatewaySettings:
    """Return the settings of a file; the defaults for None.

    Raises `ConfigError` with every problem of the file and of those that it names.
    """
    settings = read_settings(path)
    if path is not None and (problems := named_files.problems(settings, path)):
        raise ConfigError(str(path), [*problems.values()])
    return settings
