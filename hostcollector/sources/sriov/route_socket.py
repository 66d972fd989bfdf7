"""An rtnetlink socket of our own, for the raw bytes of link messages.

pyroute2 serves everywhere else. Here it cannot: past 221 VFs the 16-bit length of the VF list wraps, a
decoder that believes it gives one VF of 222 without an error, and only the raw message holds the rest.
"""

import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from hostcollector.errors import SourceDeniedError, SourceTimeoutError, SourceUnavailableError
from hostcollector.lanes import Clock
from hostcollector.sources.sriov.attributes import (
    ATTRIBUTE,
    IFLA_EXT_MASK,
    LINK,
    MESSAGE,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    RTM_GETLINK,
    RTM_NEWLINK,
    aligned,
)

_ERROR = slice(MESSAGE.size, MESSAGE.size + 4)


class SocketLike(Protocol):
    """The part of `socket.socket` that is used: message boundaries, and peeking at a message's length."""

    def send(self, data: bytes, /) -> int:
        """Send one message."""

    def recv_into(self, buffer: bytearray, nbytes: int = 0, flags: int = 0, /) -> int:
        """Receive one message."""

    def settimeout(self, value: float, /) -> None:
        """Set the seconds that a call may block."""

    def close(self) -> None:
        """Close the socket."""


def open_route_socket() -> socket.socket:
    """Return a new socket to the kernel's routing netlink. Raises `OSError`."""
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    route.bind((0, 0))
    return route


class MessageTooLongError(SourceUnavailableError):
    """The kernel could not fit its answer into one message (EMSGSIZE)."""


class LinkGoneError(SourceUnavailableError):
    """No link has this index any more (ENODEV)."""


class RouteSocket:
    """Asks for links, one question at a time; opened at the first, and again after a failure of its own."""

    def __init__(
        self, connect: Callable[[], SocketLike] = open_route_socket, clock: Clock = time.monotonic
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._socket: SocketLike | None = None
        self._sequence = 0
        self._probe = bytearray(1)

    def link(self, index: int, mask: int, deadline: float) -> bytes:
        """Return the message about the link with this index; `mask` is IFLA_EXT_MASK.

        Raises `MessageTooLongError`, `LinkGoneError`, or another `SourceError`. `deadline` is on the clock.
        """
        for message in self._ask(index, mask, 0, deadline):
            return message
        raise SourceUnavailableError(f"the kernel says nothing about the link with index {index}")

    def links(self, mask: int, deadline: float) -> dict[int, bytes]:
        """Return the messages about all links by index. Raises like `link`."""
        messages = self._ask(0, mask, NLM_F_DUMP, deadline)
        return {LINK.unpack_from(message, MESSAGE.size)[2]: message for message in messages}

    def close(self) -> None:
        """Close the socket; the next question opens another one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, index: int, mask: int, flags: int, deadline: float) -> Iterator[bytes]:
        try:
            self._send(index, mask, flags, deadline)
            yield from self._answers(many=bool(flags), deadline=deadline)
        except TimeoutError as error:
            self.close()
            raise SourceTimeoutError("the kernel did not answer a link request in time") from error
        except OSError as error:
            self.close()
            raise _typed(error) from error

    def _send(self, index: int, mask: int, flags: int, deadline: float) -> None:
        if self._socket is None:
            self._socket = self._connect()
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        self._socket.settimeout(self._time_left(deadline))
        length = MESSAGE.size + LINK.size + ATTRIBUTE.size + 4
        self._socket.send(
            MESSAGE.pack(length, RTM_GETLINK, NLM_F_REQUEST | flags, self._sequence, 0)
            + LINK.pack(0, 0, index, 0, 0)
            + ATTRIBUTE.pack(ATTRIBUTE.size + 4, IFLA_EXT_MASK)
            + mask.to_bytes(4, sys.byteorder)
        )

    def _answers(self, *, many: bool, deadline: float) -> Iterator[bytes]:
        """Yield link messages until the kernel is done. Raises `SourceError` for its error messages.

        Raises `OSError` when the socket itself fails.
        """
        while True:
            for kind, sequence, message in _messages(self._receive(deadline)):
                if sequence != self._sequence:
                    continue  # the late answer to a question that was given up
                if kind == NLMSG_ERROR or (kind == NLMSG_DONE and any(message[_ERROR])):
                    raise _typed(_kernel_error(message))
                if kind == NLMSG_DONE:
                    return
                if kind == RTM_NEWLINK and len(message) >= MESSAGE.size + LINK.size:
                    yield message
                    if not many:
                        return

    def _receive(self, deadline: float) -> bytearray:
        """Return one datagram, whatever its length."""
        assert self._socket is not None
        self._socket.settimeout(self._time_left(deadline))
        size = self._socket.recv_into(self._probe, 1, socket.MSG_PEEK | socket.MSG_TRUNC)
        buffer = bytearray(size)
        if not size or self._socket.recv_into(buffer) != size:
            raise ConnectionResetError(errno.ECONNRESET, "the netlink socket was closed")
        return buffer

    def _time_left(self, deadline: float) -> float:
        left = deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        return left


def _messages(datagram: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, sequence number and bytes of each message; one that is cut short has what there is."""
    position = 0
    while position + MESSAGE.size <= len(datagram):
        length, kind, _, sequence, _ = MESSAGE.unpack_from(datagram, position)
        if length < MESSAGE.size:
            return
        yield kind, sequence, bytes(datagram[position : position + length])
        position += aligned(length)


def _kernel_error(message: bytes) -> OSError:
    code = -int.from_bytes(message[_ERROR], sys.byteorder, signed=True)
    return OSError(code, os.strerror(code))


def _typed(error: OSError) -> SourceUnavailableError | SourceDeniedError:
    if error.errno == errno.EMSGSIZE:
        return MessageTooLongError("the kernel's answer does not fit into one message")
    if error.errno == errno.ENODEV:
        return LinkGoneError("the link has gone")
    if error.errno in (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT):
        return SourceDeniedError(
            f"netlink is refused ({error.strerror}): add AF_NETLINK to RestrictAddressFamilies"
        )
    return SourceUnavailableError(f"netlink does not answer: {error.strerror or error}")
