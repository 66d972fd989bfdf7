"""The command line: what is asked for, with which settings, and which exit status it ends with.

Everything that opens libvirt or takes time to import is imported by the command that needs it.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hostcollector import __version__
from hostcollector.config import Overrides, Settings, read_file
from hostcollector.errors import ConfigError, HostcollectorError
from hostcollector.flags import add_common_flags, config_file, overrides
from hostcollector.metrics_table import TableFormat, render
from hostcollector.sources.names import NAMES
from hostcollector.wording import one_line

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130

_DESCRIPTION = "Shows a hypervisor's QEMU guests from the outside, by tenant, to Prometheus and to you."
_EPILOG = """\
Without a command, hostcollector serves. Every flag has a default and no configuration file is needed.

examples:
  hostcollector                                      serve http://127.0.0.1:10177/metrics
  hostcollector serve --web.listen-address=:10177    the same on every address of the machine
  hostcollector serve --config.file=/etc/hostcollector/config.yml
  hostcollector collect | grep libvirt_domain_vcpu   one collection to standard output
  hostcollector diagnose                             what can be read here, and what to do about the rest
  hostcollector top --tenant=acme --sort=cpu         a live table of a tenant's guests

exit status:
  0    it went well
  1    libvirt or a source could not be read, the port is in use, or the like
  2    wrong flags or configuration; every problem is listed
  130  interrupted from the keyboard
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (the process's own) name and return the exit status.

    Raises `SystemExit` as argparse does, for ``--help`` and for flags that do not exist.
    """
    options = make_parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except ConfigError as error:
        _complain(f"{error.origin} cannot be used:", *(f"  {problem}" for problem in error.problems))
        return WRONG_USE
    except HostcollectorError as error:
        _complain(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, `head` for instance, has seen enough. Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and flags."""
    parser = _parser(prog="hostcollector", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"hostcollector {__version__}")
    parser.set_defaults(run=_serve)
    add_common_flags(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_parser)
    for name, run, summary in (
        ("serve", _serve, "serve the page until SIGTERM; SIGHUP reads the configuration again"),
        ("collect", _collect, "write one collection to standard output; exit 1 if libvirt is not readable"),
        ("diagnose", _diagnose, "say what can be read here, what cannot, and what to do about it"),
    ):
        command = commands.add_parser(name, help=summary, description=f"{summary}.".capitalize())
        command.set_defaults(run=run)
        add_common_flags(command)
    _add_check_config(commands)
    _add_metrics(commands)
    _add_top(commands)
    return parser


def _parser(**keywords: object) -> argparse.ArgumentParser:
    """Return a parser that takes flags in full only: what is abbreviated today is ambiguous tomorrow."""
    return argparse.ArgumentParser(
        **keywords,  # type: ignore[arg-type] # passed through from argparse itself
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


Commands = argparse._SubParsersAction


def _add_check_config(commands: "Commands[argparse.ArgumentParser]") -> None:
    summary = "read a configuration file and list every problem; exit 2 if there is one"
    command = commands.add_parser("check-config", help=summary, description=f"{summary}.".capitalize())
    command.add_argument("file", metavar="FILE", type=Path)
    command.set_defaults(run=_check_config)


def _add_metrics(commands: "Commands[argparse.ArgumentParser]") -> None:
    summary = "list every metric with its type, labels, source and meaning"
    command = commands.add_parser("metrics", help=summary, description=f"{summary}.".capitalize())
    command.add_argument(
        "--format",
        type=TableFormat,
        choices=tuple(TableFormat),
        default=TableFormat.TABLE,
        metavar="|".join(TableFormat),
        help="how the list is written (default: table)",
    )
    command.set_defaults(run=_metrics)
