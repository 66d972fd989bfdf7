"""TCP ports of the loopback address for the servers that tests start."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """Give a free port to one server for the block; the server must set SO_REUSEADDR, as daemons do.

    A bound socket that never listens holds the port, so that Linux gives it to no other test of this machine
    that leaves the choice to the kernel. Until the server listens, connections are refused.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])
