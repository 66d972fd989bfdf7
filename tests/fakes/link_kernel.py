"""The other end of an rtnetlink socket: a thread that reads real requests and sends hand-made answers."""

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.fakes.link_messages import NLM_F_MULTI, done_message, error_message

NLM_F_DUMP, IFLA_EXT_MASK, SKIP_STATS = 0x300, 29, 8
ENODEV, EMSGSIZE = 19, 90


@dataclass(frozen=True, slots=True)
class Question:
    """A request as it arrived: the link's index (0 in a dump), the mask, whether it is a dump."""

    index: int
    mask: int
    dump: bool
    sequence: int

    @property
    def statistics(self) -> bool:
        """Whether counters are wanted."""
        return not self.mask & SKIP_STATS

    @property
    def flags(self) -> int:
        """The flags of the answer's messages."""
        return NLM_F_MULTI if self.dump else 0


Answer = Callable[[Question], bytes]


class LinkKernel:
    """Answers with `links`: by index, what makes the message for a question. Use as a context."""

    def __init__(self, links: Mapping[int, Answer]) -> None:
        self.links = dict(links)
        self.questions: list[Question] = []
        self.too_long: set[tuple[int, bool]] = set()
        """Index and whether counters are wanted: single questions that do not fit (index 0: dumps)."""
        self.before: list[bytes] = []
        """Datagrams sent before the next answer, such as the late answer to an older question."""
        self._ours, self.socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A list of 1,000 VFs is longer than a socket takes by default.
        for each in (self._ours, self.socket):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        self._thread.join(5)
        self._ours.close()

    def connect(self) -> socket.socket:
        """Return the collector's end."""
        return self.socket

    def _serve(self) -> None:
        while request := self._ours.recv(4096):
            question = _question(request)
            self.questions.append(question)
            for datagram in [*self.before, *self._answers(question)]:
                self._ours.send(datagram)
            self.before.clear()

    def _answers(self, question: Question) -> list[bytes]:
        index, sequence = question.index, question.sequence
        if (index, question.statistics) in self.too_long:
            return [error_message(EMSGSIZE, sequence=sequence)]
        if question.dump:
            return [*(answer(question) for answer in self.links.values()), done_message(sequence=sequence)]
        if index not in self.links:
            return [error_message(ENODEV, sequence=sequence)]
        return [self.links[index](question)]


def _question(request: bytes) -> Question:
    _, kind, flags, sequence, _ = struct.unpack_from("=IHHII", request)
    assert kind == 18, "not an RTM_GETLINK"
    (index,) = struct.unpack_from("=4xi", request, 16)
    length, attribute, mask = struct.unpack_from("=HHI", request, 32)
    assert (length, attribute) == (8, IFLA_EXT_MASK)
    return Question(index, mask, flags & NLM_F_DUMP == NLM_F_DUMP, sequence)
