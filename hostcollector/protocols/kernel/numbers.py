"""Numbers and lists of CPUs as the kernel writes them."""

from hostcollector.base.errors import SourceMalformedError

_LARGEST = 2**64 - 1
# More than any kernel is built for (CONFIG_NR_CPUS).
_MOST_CPUS = 2**20


def integer(text: bytes) -> int:
    """Return an unsigned number of at most 64 bits. Raises `SourceMalformedError` for anything else."""
    try:
        number = int(text)
    except ValueError as error:
        raise SourceMalformedError(f"not a number: {text[:40]!r}") from error
    if not 0 <= number <= _LARGEST:
        raise SourceMalformedError(f"not an unsigned 64-bit number: {text[:40]!r}")
    return number


def cpu_count(text: bytes) -> int:
    """Return how many CPUs a list such as ``0-3,8`` names. Raises `SourceMalformedError`.

    The kernel ends an empty list with a line break too: a file without any is not written by it.
    """
    if not text:
        raise SourceMalformedError("not a list of CPUs: the file is empty")
    return sum(map(len, _ranges(text)))


def members(text: bytes) -> set[int]:
    """Return the numbers that a list such as ``0-3,8`` names. Raises `SourceMalformedError`."""
    return {number for numbers in _ranges(text) for number in numbers}


def _ranges(text: bytes) -> list[range]:
    ranges = []
    for part in text.strip().split(b",") if text.strip() else ():
        first, dash, last = part.partition(b"-")
        low = integer(first)
        high = integer(last) if dash else low
        if not low <= high < _MOST_CPUS:
            raise SourceMalformedError(f"not a list of CPUs or nodes: {text[:40]!r}")
        ranges.append(range(low, high + 1))
    return ranges
