"""TCP ports of the loopback address for the servers that tests start."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


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


@contextmanager
def reserved_ports(count: int) -> Iterator[int]:
    """Give the first of free ports that follow one another, as `reserved_port` gives one."""
    while True:
        with ExitStack() as holders:
            first = holders.enter_context(reserved_port())
            try:
                for port in range(first + 1, first + count):
                    holder = holders.enter_context(socket.socket())
                    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    holder.bind(("127.0.0.1", port))
            except (OSError, OverflowError):  # another one has it, or there is none so high
                continue
            yield first
            return
