"""What the log says of a store that is not verified: the runbook distinguishes these causes."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hostcollector.gateway.errors import StoreUnavailableError
from hostcollector.gateway.store.client import Answer, Store
from hostcollector.gateway.store.receiving import Incoming
from hostcollector.gateway.store.sending import Outgoing
from hostcollector.gateway.store.watchdog import Watchdog
from tests.fakes.site import until

EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
OTHERS = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}'


class _Store(Store):
    """Gives each of `answers` once: a status and a body, or the error that keeps one from coming."""

    def __init__(self, *answers: tuple[int, bytes] | OSError) -> None:
        self._answers = list(answers)

    @asynccontextmanager
    async def ask(self, outgoing: Outgoing, *, packed: bool = False) -> AsyncIterator[Answer]:
        """Give the next answer."""
        match self._answers.pop(0):
            case OSError() as error:
                raise StoreUnavailableError("the store does not answer") from error
            case (status, body):
                yield Answer(Incoming(status=status, headers={}, complaint=""), _pieces(body))


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ConnectionRefusedError(111, "refused"), "the store failed: .*refused"),
        ((502, b""), "the store failed: .*is the store running"),
        ((403, b""), "the store's lock failed: it refuses the query; .*right `read`"),
        ((200, OTHERS), "the store's lock failed: it answers a tenant that does not exist"),
    ],
)
async def test_each_cause_has_a_sentence(
    answer: tuple[int, bytes] | OSError, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is logged when it begins, and its end when the store answers with nothing again."""
    caplog.set_level(logging.INFO)
    watchdog = Watchdog(_Store(answer, (200, EMPTY)))
    await watchdog.look()
    await until(lambda: re.search(said, caplog.text) is not None)
    assert not watchdog.holds
    await watchdog.look()
    await until(lambda: "recovered" in caplog.text)
    assert watchdog.holds
