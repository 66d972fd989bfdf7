"""Watches the store's lock: a tenant that cannot exist must get nothing, or PromQL stops.

A store that does not know the lock, or gets it under another name, answers with everything and 200.
"""

import json
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from hostcollector.base.errors import LaneBusyError
from hostcollector.base.lanes import Lane
from hostcollector.base.log import Transitions
from hostcollector.gateway.errors import RequestRefusedError, StoreUnavailableError
from hostcollector.gateway.store.client import Store
from hostcollector.gateway.store.receiving import GOOD
from hostcollector.gateway.store.sending import STEPS, Endpoint, Outgoing, Step, prepared

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
"""Between two looks."""

RETRY_SECONDS = 5.0
"""Between two looks while the lock is not verified."""

TRUSTED_SECONDS = 3 * INTERVAL_SECONDS
"""How long a good look holds, where later ones get no answer."""

EVERYTHING = 'count(last_over_time({__name__!=""}[1d]))'
"""The query that any series of the last day answers, if the lock does not keep it out.

Without the day a store to which nothing is written for five minutes would seem to be locked.
"""

_LONGEST_ANSWER = 64 * 1024

_OPEN = "it answers a tenant that does not exist; PromQL is stopped: is it VictoriaMetrics?"
_REFUSED = "it refuses the query; PromQL is stopped: has the gateway's certificate the right `read`?"


class Watchdog:
    """Knows whether the store keeps tenants apart. `clock` is monotonic, in seconds."""

    def __init__(
        self, store: Store, steps: Sequence[Step] = STEPS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._steps = steps
        self._clock = clock
        self._transitions = Transitions(logger)
        self._lane = Lane("watchdog")
        self._good_until = float("-inf")

    @property
    def holds(self) -> bool:
        """Whether the lock held at the last look that got an answer, and that look is not too old."""
        return self._clock() < self._good_until

    def check(self) -> None:
        """Raise `StoreUnavailableError` while the store is not known to keep tenants apart."""
        if not self.holds:
            raise StoreUnavailableError(
                "the store is not verified to keep tenants apart; the operator is notified"
            )

    async def look(self) -> None:
        """Query as a tenant that cannot exist. A store without an answer is logged, and changes nothing."""
        # 128 random bits: no tenant has that id, and no cache its answer.
        tenant = f"watchdog-{secrets.token_hex(16)}"
        outgoing = Outgoing(tenant=tenant, endpoint=Endpoint.QUERY, form=(("query", EVERYTHING),))
        try:
            async with self._store.ask(prepared(outgoing, self._steps)) as answer:
                content = b""
                async for chunk in answer.body:
                    content += chunk
                    if len(content) > _LONGEST_ANSWER:
                        break
                self._judge(answer.incoming.status, content)
        except RequestRefusedError as error:
            self._report(partial(self._transitions.failed, "the store", str(error.__cause__ or error)))

    def _judge(self, status: int, content: bytes) -> None:
        if status >= 500:
            cause = "the store or its front does not serve: is the store running?"
            self._report(partial(self._transitions.failed, "the store", cause, status=status))
            return
        answered = partial(self._transitions.succeeded, "the store")
        if status == GOOD and _is_empty(content):
            self._good_until = self._clock() + TRUSTED_SECONDS
            self._report(answered, partial(self._transitions.succeeded, "the store's lock"))
        else:
            self._good_until = float("-inf")
            cause = _OPEN if status == GOOD else _REFUSED
            self._report(
                answered, partial(self._transitions.failed, "the store's lock", cause, status=status)
            )

    def _report(self, *logs: Callable[[], None]) -> None:
        """Log in the lane: writing a line can block."""

        def write() -> None:
            for log in logs:
                log()

        with suppress(LaneBusyError):
            self._lane.submit(write)


def _is_empty(content: bytes) -> bool:
    """Whether the content is Prometheus' success without a single series."""
    try:
        document = json.loads(content)
        return bool(document["status"] == "success" and document["data"]["result"] == [])
    except (ValueError, KeyError, TypeError):
        return False
