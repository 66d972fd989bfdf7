"""Small files, directories and links of sysfs, where "there is none" is an ordinary answer.

A collection reads thousands of them, so no `Path` is built for each.
"""

import os

_LONGEST = 4096  # sysfs gives a page at most
_MOST_DIGITS = 20


def text(path: str) -> str:
    """Return a file without its line break; empty where there is none, or where reading it is refused.

    Drivers refuse with EOPNOTSUPP or EINVAL what their device does not have.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _LONGEST).decode(errors="replace").strip()
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def number(path: str) -> int | None:
    """Return a file that holds an unsigned number; None where it holds none (``N/A`` ...)."""
    return number_in(text(path))


def number_in(value: str) -> int | None:
    """Return an unsigned number of at most 64 bits; None for any other text."""
    if not (value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS):
        return None
    found = int(value)
    return found if found < 2**64 else None


def entries(directory: str) -> list[str]:
    """Return the names in a directory, in the kernel's order; none where it does not exist."""
    try:
        return os.listdir(directory)  # noqa: PTH208 - see above
    except OSError:
        return []


def target(link: str) -> str:
    """Return the last part of what a link points to, such as a driver's name; empty where there is none."""
    try:
        return os.readlink(link).rpartition("/")[2]  # noqa: PTH115 - see above
    except OSError:
        return ""
