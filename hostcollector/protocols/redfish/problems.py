"""What one question meets without the others meeting it too, and what ends them all."""

from collections.abc import Iterator
from contextlib import contextmanager

from hostcollector.base.errors import SourceDeniedError, SourceError
from hostcollector.base.gaps import Gaps
from hostcollector.protocols.rest.refusals import BusyError, NotAllowedError

# What taking apart a document raises that is not what it claims to be.
_UNEXPECTED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@contextmanager
def noted(gaps: Gaps, path: str) -> Iterator[None]:
    """Record that the resource at `path` could not be read, whatever it was, and go on after it.

    A `BusyError` is raised still: it is the whole BMC that wants its peace. So is a login that is refused.
    """
    try:
        yield
    except BusyError:
        raise
    except SourceError as error:
        if isinstance(error, SourceDeniedError) and not isinstance(error, NotAllowedError):
            raise
        gaps.unread(path, str(error).removeprefix(path).lstrip(": "))
    except _UNEXPECTED as error:
        gaps.unread(path, error)
