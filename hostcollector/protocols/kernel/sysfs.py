"""Small files, directories and links of sysfs, where "there is none" is an ordinary answer.

A collection reads thousands of them, so no `Path` is built for each.
"""

import errno
import os

_LONGEST = 4096  # sysfs gives a page at most
_MOST_DIGITS = 20
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.EOPNOTSUPP})


def text(path: str) -> str:
    """Return a file without its line break; empty where there is none, or where it cannot be read."""
    try:
        return _read(path)
    except OSError:
        return ""


def device_text(path: str) -> str:
    """Return a file as `text` does; empty where there is none, or where the device does not have it.

    Drivers refuse that with EOPNOTSUPP or EINVAL. Raises `OSError` for a device that does not answer (EIO).
    """
    try:
        return _read(path)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return ""
        raise


def _read(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST).decode(errors="replace").strip()
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
