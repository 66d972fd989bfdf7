"""The command line: commands, flags and exit statuses.

Everything that opens libvirt or takes time to import is imported by the command that needs it.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from hostcollector.app.cli.commands import FAILED, INTERRUPTED, WRONG_USE, complain
from hostcollector.app.cli.parser import make_parser
from hostcollector.base.errors import ConfigError, HostcollectorError

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
        complain(f"{error.origin} cannot be used:", *(f"  {problem}" for problem in error.problems))
        return WRONG_USE
    except HostcollectorError as error:
        complain(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. Python would report it once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
