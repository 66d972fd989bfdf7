"""Runs a poller for as long as a test looks at it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from hostcollector.base.errors import SourceError
from hostcollector.protocols.rest.poller import Limits, Poller

Answer = TypeVar("Answer")

LIMITS = Limits(request_seconds=20, first_pause=0.05, longest_pause=0.1, login_pause=0.1)
PATIENCE = 40


@contextmanager
def polling(poller: Poller[Answer]) -> Iterator[Poller[Answer]]:
    """Start a poller, wait for what its first round gave, and end it."""
    poller.start()
    try:
        poller.settle(PATIENCE)
        yield poller
    finally:
        poller.close()
        assert poller._flight is not None
        poller._flight.result(PATIENCE)


def answer_of(poller: Poller[Answer]) -> Answer:
    """Return the answer of a poller's first round."""
    with polling(poller):
        return poller.current()[0]


def failure_of(poller: Poller[Answer]) -> SourceError:
    """Return why a poller's first round failed."""
    with polling(poller), pytest.raises(SourceError) as caught:
        poller.current()
    return caught.value


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a poller's next rounds to make `condition` true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
