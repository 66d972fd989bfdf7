"""Runs a client for as long as a test looks at it."""

from collections.abc import Iterator
from contextlib import contextmanager

from hostcollector.base.errors import SourceError
from hostcollector.config.services import NdfcSettings
from hostcollector.protocols.ndfc.answers import NdfcAnswer
from hostcollector.protocols.ndfc.client import NdfcClient
from hostcollector.protocols.rest.poller import Limits
from tests.unit.protocols.rest import polling as rest
from tests.unit.protocols.rest.polling import LIMITS, PATIENCE, wait_until

__all__ = ["LIMITS", "PATIENCE", "answer_of", "failure_of", "polling", "wait_until"]


def client_of(settings: NdfcSettings, limits: Limits = LIMITS) -> NdfcClient:
    """Return a client that finds nothing in its environment."""
    return NdfcClient(settings, limits=limits, environment={})


@contextmanager
def polling(settings: NdfcSettings, limits: Limits = LIMITS) -> Iterator[NdfcClient]:
    """Start a client, wait for what its first round gave, and end it."""
    client = client_of(settings, limits)
    with rest.polling(client):
        yield client


def answer_of(settings: NdfcSettings) -> NdfcAnswer:
    """Return the answer of one client's first round."""
    return rest.answer_of(client_of(settings))


def failure_of(settings: NdfcSettings, limits: Limits = LIMITS) -> SourceError:
    """Return why one client's first round failed."""
    return rest.failure_of(client_of(settings, limits))
