"""The command line: what is asked for, with which settings, and which exit status it ends with.

Everything that opens libvirt or takes time to import is imported by the command that needs it.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from hostcollector.cli.parser import make_parser
from hostcollector.errors import ConfigError, HostcollectorError
from hostcollector.wording import one_line

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (None: the process's own) name and return the exit status.

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


def _complain(first: str, *rest: str) -> None:
    print(f"hostcollector: {one_line(first)}", *map(one_line, rest), sep="\n", file=sys.stderr)
