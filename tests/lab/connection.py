"""Short-lived libvirt connections of the laboratory itself; nothing here is part of the collector."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import libvirt


@contextmanager
def connected(uri: str, *, readonly: bool = False) -> Iterator[Any]:
    """Give a connection for the block, closed afterwards; libvirt's own lines on stderr are kept away."""
    libvirt.registerErrorHandler(_ignore, None)
    connection = libvirt.openReadOnly(uri) if readonly else libvirt.open(uri)
    try:
        yield connection
    finally:
        connection.close()


def _ignore(_context: object, _error: object) -> None:
    """Leave the exception as the only report of an error."""
