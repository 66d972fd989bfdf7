"""Questions to the kernel's netlink: one each, answered in full, refused with a reason, never mixed up."""

import errno
import socket
import time
from contextlib import closing

import pytest

from hostcollector.base.errors import SourceDeniedError, SourceTimeoutError, SourceUnavailableError
from hostcollector.protocols.netlink.messages import LinkDescription, link_description
from hostcollector.protocols.netlink.route_socket import LinkGoneError, MessageTooLongError, RouteSocket
from hostcollector.protocols.netlink.vf_list import parse
from tests.fakes.link_kernel import LinkKernel, Question
from tests.fakes.link_messages import Vf, error_message, link_message

WITH_STATISTICS, WITHOUT = 1, 9
NLM_F_DUMP_INTR = 0x10


def _soon() -> float:
    return time.monotonic() + 10


def _link(question: Question, count: int = 1, index: int = 2) -> bytes:
    vfs = [Vf(number=number) for number in range(count)]
    return link_message(vfs, index=index, sequence=question.sequence, flags=question.flags)


def test_the_real_kernel_answers() -> None:
    """The request is one that Linux understands: the answer has the loopback, which has no VFs."""
    route = RouteSocket()
    index = socket.if_nametoindex("lo")
    message = route.link(index, WITH_STATISTICS, _soon())
    listed = parse(message)
    assert b"lo\0" in message
    assert (listed.listed, listed.vfs) == (False, {})
    assert index in route.links(WITH_STATISTICS, _soon())
    with pytest.raises(LinkGoneError):
        route.link(2**31 - 1, WITH_STATISTICS, _soon())
    route.close()


def test_a_message_of_any_length_arrives_whole() -> None:
    """1,000 VFs are 300 kB in one datagram."""
    with LinkKernel({2: lambda question: _link(question, count=1000)}) as kernel:
        route = RouteSocket(kernel.connect)
        assert len(parse(route.link(2, WITH_STATISTICS, _soon())).vfs) == 1000


def test_a_dump_is_read_to_its_end() -> None:
    """All links come by their index, and the next question gets its own answer."""
    links = {index: lambda question, index=index: _link(question, index=index) for index in (2, 3, 4)}
    with LinkKernel(links) as kernel:
        route = RouteSocket(kernel.connect)
        assert sorted(route.links(WITH_STATISTICS, _soon())) == [2, 3, 4]
        assert parse(route.link(3, WITHOUT, _soon())).total == 1
    assert [(question.dump, question.mask) for question in kernel.questions] == [(True, 1), (False, 9)]


@pytest.mark.parametrize(("interruptions", "asked"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_an_interrupted_dump_is_asked_for_again(interruptions: int, asked: int) -> None:
    """It may lack links. What one of the dumps had is kept; links that never rest are not waited for."""
    dumps: list[int] = []

    def second(question: Question) -> bytes:
        dumps.append(question.sequence)
        flags = question.flags | (NLM_F_DUMP_INTR if len(dumps) <= interruptions else 0)
        # It is left out of the first dump: the kernel has gone past its place.
        index = 2 if len(dumps) == 1 and interruptions else 3
        return link_message([], index=index, sequence=question.sequence, flags=flags)

    with LinkKernel({2: _link, 3: second}) as kernel:
        found = RouteSocket(kernel.connect).links(WITHOUT, _soon())
    assert sorted(found) == [2, 3]
    assert len(kernel.questions) == asked


def test_the_kernel_says_what_a_link_is() -> None:
    """Name, kind and address; a link whose message lacks them has none."""
    with LinkKernel({2: _link}) as kernel:
        route = RouteSocket(kernel.connect)
        described = route.description(2, _soon())
        assert described == LinkDescription(
            name="enp1s0", kind="mlx5", mac="00:00:00:00:00:00", ethernet=True
        )
    bare = link_message(None, hardware_type=65534)
    for cut in range(32, len(bare)):
        assert not link_description(bare[:cut]).ethernet
    with closing(RouteSocket()) as real:
        loopback = real.description(socket.if_nametoindex("lo"), _soon())
    assert (loopback.name, loopback.kind, loopback.ethernet) == ("lo", "", False)


def test_the_late_answer_to_an_older_question_is_not_taken() -> None:
    """Answers are distinguished by their sequence numbers, errors included."""
    with LinkKernel({2: lambda question: _link(question, count=5)}) as kernel:
        kernel.before = [link_message([Vf(number=0)], sequence=4711), error_message(19, sequence=4711)]
        assert parse(RouteSocket(kernel.connect).link(2, WITH_STATISTICS, _soon())).total == 5


def test_refusals_are_distinguished() -> None:
    """Too long, gone and forbidden are different errors, each with its fix."""
    with LinkKernel({}) as kernel:
        kernel.too_long = {(2, True)}
        with pytest.raises(MessageTooLongError):
            RouteSocket(kernel.connect).link(2, WITH_STATISTICS, _soon())

    def refuse() -> socket.socket:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with pytest.raises(SourceDeniedError, match="AF_NETLINK"):
        RouteSocket(refuse).link(2, WITH_STATISTICS, _soon())


def test_a_kernel_that_does_not_answer_is_given_up_at_the_deadline() -> None:
    """The wait ends with the collection, and the next question goes to a new socket."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    opened = iter(pairs)
    route = RouteSocket(lambda: next(opened)[0])
    for _ in range(2):
        with pytest.raises(SourceTimeoutError):
            route.link(2, WITH_STATISTICS, time.monotonic() + 0.01)
    assert all(ours.fileno() == -1 for ours, _ in pairs)
    for _, theirs in pairs:
        theirs.close()


def test_a_deadline_that_has_passed_asks_nothing() -> None:
    """No question is put if no reader waits for its answer."""
    with LinkKernel({2: _link}) as kernel:
        with pytest.raises(SourceTimeoutError):
            RouteSocket(kernel.connect).link(2, WITH_STATISTICS, time.monotonic() - 1)
        assert kernel.questions == []


def test_a_closed_socket_is_an_error_of_the_source() -> None:
    """The other end going away is reported, not passed off as a card without VFs."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with pytest.raises(SourceUnavailableError):
        RouteSocket(lambda: ours).link(2, WITH_STATISTICS, _soon())
