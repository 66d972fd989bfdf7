"""The thread of the OVSDB client and of the REST poller: its conversations, pauses and end."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from hostcollector.protocols.follower import Follower, Pauses

PATIENCE = 20.0


class Counting(Follower[int]):
    """Numbers its conversations; `converse` says what happens in each."""

    def __init__(self, converse: Callable[[int], None]) -> None:
        super().__init__(
            "test-follower", Pauses(first=0.001, longest=0.004, jitter=(1.0, 1.0)), time.monotonic
        )
        self.number = 0
        self.said_farewell = False
        self.failures = 0
        self.ended = threading.Event()
        self._what_happens = converse

    @property
    def ended_by(self) -> BaseException | None:
        """The error that has ended the thread."""
        return self._ended_by

    def _prepare(self) -> int:
        self.number += 1
        return self.number

    async def _converse(self, prepared: int) -> None:
        self._what_happens(prepared)
        await asyncio.sleep(PATIENCE)

    def _succeeded(self) -> float:
        return 0.0

    def _failed(self, error: BaseException) -> float:
        self.failures += 1
        if isinstance(error, KeyError):
            self.ended.set()
            raise error
        return 0.0

    def _farewell(self) -> None:
        self.said_farewell = True


def fail_until(last: int) -> Callable[[int], None]:
    """Return conversations that fail, until the one with the number `last` goes on."""

    def converse(number: int) -> None:
        if number < last:
            raise ConnectionError

    return converse


def test_a_failed_conversation_is_followed_by_another() -> None:
    """A conversation that goes on ends with `close`; the farewell comes after it."""
    arrived = threading.Event()

    def converse(number: int) -> None:
        fail_until(4)(number)
        arrived.set()

    follower = Counting(converse)
    follower.start()
    assert arrived.wait(PATIENCE)
    follower.close()
    follower.wait_closed(PATIENCE)
    assert (follower.number, follower.failures) == (4, 3)
    assert follower.said_farewell
    assert follower.ended_by is None


def test_an_error_that_is_raised_again_ends_the_thread() -> None:
    """The subclass decides which errors it handles; for another one readers can see what ended the thread."""

    def converse(_: int) -> None:
        raise KeyError("unforeseen")

    follower = Counting(converse)
    follower.start()
    assert follower.ended.wait(PATIENCE)
    follower.wait_closed(PATIENCE)
    assert isinstance(follower.ended_by, KeyError)
    follower.close()
    assert follower.ended_by is None


def test_a_second_start_does_nothing() -> None:
    """One follower has one thread, and none after `close`."""
    follower = Counting(fail_until(1))
    follower.start()
    follower.start()
    follower.close()
    follower.close()
    follower.wait_closed(PATIENCE)
    number = follower.number
    follower.start()
    assert follower.number == number


@pytest.mark.parametrize("failing", [True, False])
def test_settling_ends_with_the_first_failure_or_with_close(*, failing: bool) -> None:
    """A reader that looks once does not wait longer than for the first result."""
    follower = Counting(fail_until(2 if failing else 1))
    follower.start()
    if not failing:
        threading.Timer(0.05, follower.close).start()
    started = threading.Thread(target=follower.settle, args=(PATIENCE,))
    started.start()
    started.join(PATIENCE / 2)
    assert not started.is_alive()
    follower.close()
    follower.wait_closed(PATIENCE)
