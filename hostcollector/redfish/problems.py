"""What one question meets without the others meeting it too, and what ends them all."""

from collections.abc import Iterator
from contextlib import contextmanager

from hostcollector.errors import SourceMalformedError, SourceTimeoutError, SourceUnavailableError
from hostcollector.rest import BusyError


@contextmanager
def noted(problems: list[str]) -> Iterator[None]:
    """Add what goes wrong inside to `problems` and go on after it.

    A `BusyError` is raised still: it is the whole BMC that wants its peace. So is a refused login.
    """
    try:
        yield
    except BusyError:
        raise
    except (SourceUnavailableError, SourceMalformedError, SourceTimeoutError) as error:
        problems.append(str(error))
