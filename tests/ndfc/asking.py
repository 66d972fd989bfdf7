"""Runs a client for as long as a test looks at it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hostcollector.config import NdfcSettings
from hostcollector.errors import SourceError
from hostcollector.ndfc import Answer, Client, Limits

LIMITS = Limits(request_seconds=20, first_pause=0.05, longest_pause=0.1, login_pause=0.1)
PATIENCE = 20


@contextmanager
def asking(settings: NdfcSettings, limits: Limits = LIMITS) -> Iterator[Client]:
    """Start a client, wait for what its first round gave, and end it."""
    client = Client(settings, limits=limits, environment={})
    client.start()
    try:
        client.settle(PATIENCE)
        yield client
    finally:
        client.close()
        assert client._flight is not None
        client._flight.result(PATIENCE)


def answer_of(settings: NdfcSettings) -> Answer:
    """Return the answer of one client's first round."""
    with asking(settings) as client:
        return client.current()[0]


def failure_of(settings: NdfcSettings, limits: Limits = LIMITS) -> SourceError:
    """Return why one client's first round failed."""
    with asking(settings, limits) as client, pytest.raises(SourceError) as caught:
        client.current()
    return caught.value


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a client's next rounds to make `condition` true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
