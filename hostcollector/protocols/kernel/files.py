"""One file in a few system calls: a collection reads thousands of them."""

import errno
import os

# What reading says of a process that ended, before or after its file was opened.
GONE = (FileNotFoundError, ProcessLookupError)
# What it says when this process, or the machine, has no file descriptor left.
NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})

_RECORD = 8192
_FLAGS = os.O_RDONLY | os.O_CLOEXEC


def read(path: str) -> bytes:
    """Return the whole file. Raises `OSError`, which is one of `GONE` for a process that has ended."""
    descriptor = os.open(path, _FLAGS)
    try:
        content = os.read(descriptor, _RECORD)
        # The kernel may give less than was asked for before the end: only nothing is the end.
        while more := os.read(descriptor, _RECORD):
            content += more
    finally:
        os.close(descriptor)
    return content


def read_record(path: str) -> bytes:
    """Return a file that the kernel writes in one piece, as it does all of a thread's and a group's.

    One system call less than `read`. Raises `OSError` as that does.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        return os.read(descriptor, _RECORD)
    finally:
        os.close(descriptor)


def names(directory: str) -> list[str]:
    """Return what is in a directory. Raises `OSError` as `read` does."""
    return os.listdir(directory)  # noqa: PTH208 - a `Path` for each entry takes longer than the listing
