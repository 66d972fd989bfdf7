"""A socket to the kernel's routing netlink: one request at a time, each with its own answers."""

import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple, Protocol

from hostcollector.base.errors import SourceDeniedError, SourceTimeoutError, SourceUnavailableError
from hostcollector.base.lanes import Clock
from hostcollector.protocols.netlink.messages import (
    ATTRIBUTE,
    IFLA_EXT_MASK,
    IFLA_STATS_LINK_64,
    LINK,
    MESSAGE,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    RTEXT_FILTER_SKIP_STATS,
    RTM_GETLINK,
    RTM_GETSTATS,
    RTM_NEWLINK,
    RTM_NEWSTATS,
    STATISTICS,
    LinkCounters,
    LinkDescription,
    LinkState,
    aligned,
    link_counters,
    link_description,
    link_state,
)
from hostcollector.protocols.netlink.traffic_control import (
    RTM_GETQDISC,
    RTM_GETTCLASS,
    RTM_GETTFILTER,
    RTM_NEWQDISC,
    RTM_NEWTCLASS,
    RTM_NEWTFILTER,
    TRAFFIC,
    HtbClass,
    Policer,
    Qdisc,
    htb_class,
    policers,
    qdisc,
)

_ERROR = slice(MESSAGE.size, MESSAGE.size + 4)
# How often a dump is requested while links come and go.
_DUMPS = 3
# struct ifreq with an index in it: 16 bytes of name, then a union of 24 bytes.
_IFNAMSIZ, _SIOCGIFINDEX = 16, 0x8933
_IFREQ = Struct(f"={_IFNAMSIZ}si20x")


class SocketLike(Protocol):
    """The part of `socket.socket` that is used: message boundaries, and peeking at a message's length."""

    def send(self, data: bytes, /) -> int:
        """Send one message."""

    def recv_into(self, buffer: bytearray, nbytes: int = 0, flags: int = 0, /) -> int:
        """Receive one message."""

    def fileno(self) -> int:
        """Return the file descriptor."""

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
    """Requests links, one request at a time. Opened at the first one, and again after the socket fails."""

    def __init__(
        self, connect: Callable[[], SocketLike] = open_route_socket, clock: Clock = time.monotonic
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._socket: SocketLike | None = None
        self._sequence = 0
        self._interrupted = False
        self._probe = bytearray(1)

    def link(self, index: int, mask: int, deadline: float) -> bytes:
        """Return the message about the link with this index; `mask` is IFLA_EXT_MASK.

        Raises `MessageTooLongError`, `LinkGoneError`, or another `SourceError`. `deadline` is on the clock.
        """
        for message in self._ask(_link_question(index, mask), deadline):
            return message
        raise SourceUnavailableError(f"the kernel says nothing about the link with index {index}")

    def description(self, index: int, deadline: float) -> LinkDescription:
        """Return the description of the link with this index. Raises like `link`."""
        return link_description(self.link(index, RTEXT_FILTER_SKIP_STATS, deadline))

    def links(self, mask: int, deadline: float) -> dict[int, bytes]:
        """Return the messages about all links by index. Raises like `link`."""
        messages = self._dump(_link_question(0, mask), deadline)
        return {LINK.unpack_from(message, MESSAGE.size)[2]: message for message in messages}

    def state(self, index: int, deadline: float) -> LinkState:
        """Return the state of the link with this index. Raises like `link`."""
        return link_state(self.link(index, RTEXT_FILTER_SKIP_STATS, deadline))

    def states(self, deadline: float) -> dict[int, LinkState]:
        """Return the states of all links by index. Raises like `link`."""
        messages = self.links(RTEXT_FILTER_SKIP_STATS, deadline)
        return {index: link_state(message) for index, message in messages.items()}

    def counters(self, deadline: float) -> dict[int, LinkCounters]:
        """Return the counters of all links by index. Raises like `link`."""
        return dict(filter(None, map(link_counters, self.statistics(deadline))))

    def statistics(self, deadline: float) -> Iterator[bytes]:
        """Yield the statistics of all links (Linux 4.7 and later), of some twice. Raises like `link`."""
        question = _Question(RTM_GETSTATS, RTM_NEWSTATS, STATISTICS.pack(0, 0, _bit(IFLA_STATS_LINK_64)))
        return self._dump(question, deadline)

    def qdiscs(self, deadline: float) -> dict[tuple[int, int], Qdisc]:
        """Return the qdiscs that limit a link, by the link's index and the parent. Raises like `link`."""
        messages = self._dump(_traffic_question(RTM_GETQDISC, RTM_NEWQDISC), deadline)
        return {(found.link, found.parent): found for found in filter(None, map(qdisc, messages))}

    def classes(self, index: int, deadline: float) -> dict[int, HtbClass]:
        """Return the HTB's classes of a link by handle; none for a link that has gone. Raises like `link`."""
        messages = self._dump(_traffic_question(RTM_GETTCLASS, RTM_NEWTCLASS, index), deadline)
        return {found.handle: found for found in filter(None, map(htb_class, messages))}

    def policers(self, index: int, parent: int, deadline: float) -> dict[int, Policer]:
        """Return the policers of a link by their number; filters may share one. Raises like `link`.

        `parent` is `ON_ARRIVAL` or `ON_DEPARTURE`.
        """
        messages = self._dump(_traffic_question(RTM_GETTFILTER, RTM_NEWTFILTER, index, parent), deadline)
        return {found.number: found for message in messages for found in policers(message)}

    def index(self, name: str) -> int | None:
        """Return the index of the link with this name; None when there is none, or can be none.

        Over the socket that is open already (SIOCGIFINDEX, netdevice(7)): if_nametoindex(3) opens one for
        each name, and reports a missing link where no file descriptor is free. Raises
        `SourceError`.
        """
        encoded = name.encode(errors="surrogatepass")
        if not 0 < len(encoded) < _IFNAMSIZ or b"\0" in encoded:
            return None
        try:
            answer = fcntl.ioctl(self._opened().fileno(), _SIOCGIFINDEX, _IFREQ.pack(encoded, 0))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise _typed(error) from error
        return int(_IFREQ.unpack(answer)[1])

    def close(self) -> None:
        """Close the socket; the next request opens another one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _dump(self, question: "_Question", deadline: float) -> Iterator[bytes]:
        """Yield the answers of a whole dump; an interrupted one may lack links and is repeated.

        A link that only an earlier dump has is kept.
        """
        for _ in range(_DUMPS):
            self._interrupted = False
            yield from self._ask(question, deadline, many=True)
            if not self._interrupted:
                return

    def _ask(self, question: "_Question", deadline: float, *, many: bool = False) -> Iterator[bytes]:
        try:
            self._send(question, NLM_F_DUMP if many else 0, deadline)
            yield from self._answers(question, many=many, deadline=deadline)
        except TimeoutError as error:
            self.close()
            raise SourceTimeoutError("the kernel did not answer a question about links in time") from error
        except OSError as error:
            self.close()
            raise _typed(error) from error

    def _send(self, question: "_Question", flags: int, deadline: float) -> None:
        route = self._opened()
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        route.settimeout(self._time_left(deadline))
        length = MESSAGE.size + len(question.body)
        header = MESSAGE.pack(length, question.kind, NLM_F_REQUEST | flags, self._sequence, 0)
        route.send(header + question.body)

    def _opened(self) -> SocketLike:
        if self._socket is None:
            self._socket = self._connect()
        return self._socket

    def _answers(self, question: "_Question", *, many: bool, deadline: float) -> Iterator[bytes]:
        """Yield the question's answers until the kernel is done. Raises `SourceError` for its error messages.

        Raises `OSError` when the socket itself fails.
        """
        while True:
            for kind, flags, sequence, message in _messages(self._receive(deadline)):
                if sequence != self._sequence:
                    continue  # the late answer to a question that was given up
                self._interrupted = self._interrupted or bool(flags & NLM_F_DUMP_INTR)
                if kind == NLMSG_ERROR or (kind == NLMSG_DONE and any(message[_ERROR])):
                    raise _typed(_kernel_error(message))
                if kind == NLMSG_DONE:
                    return
                if kind == question.answer and len(message) >= MESSAGE.size + LINK.size:
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


class _Question(NamedTuple):
    """What is asked, by message types and the request's body; its answers are at least as long as a LINK."""

    kind: int
    answer: int
    body: bytes


def _link_question(index: int, mask: int) -> _Question:
    body = (
        LINK.pack(0, 0, index, 0, 0)
        + ATTRIBUTE.pack(ATTRIBUTE.size + 4, IFLA_EXT_MASK)
        + mask.to_bytes(4, sys.byteorder)
    )
    return _Question(RTM_GETLINK, RTM_NEWLINK, body)


def _traffic_question(kind: int, answer: int, index: int = 0, parent: int = 0) -> _Question:
    return _Question(kind, answer, TRAFFIC.pack(0, index, 0, parent, 0))


def _bit(attribute: int) -> int:
    """Return the filter bit of a statistics attribute, IFLA_STATS_FILTER_BIT()."""
    return 1 << attribute - 1


def _messages(datagram: bytearray) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, sequence number and bytes of each message; one cut short has what there is."""
    position = 0
    while position + MESSAGE.size <= len(datagram):
        length, kind, flags, sequence, _ = MESSAGE.unpack_from(datagram, position)
        if length < MESSAGE.size:
            return
        yield kind, flags, sequence, bytes(datagram[position : position + length])
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
