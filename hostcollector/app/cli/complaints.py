"""How the command line says what went wrong, and with which exit status."""

import sys

from hostcollector.base.wording import one_line

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130


def complain(first: str, *rest: str) -> None:
    """Write a sentence and its details to standard error."""
    print(f"hostcollector: {one_line(first)}", *map(one_line, rest), sep="\n", file=sys.stderr, flush=True)
