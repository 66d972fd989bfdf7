"""What the log says of clients that are not let in: enough to notice, too little to fill a disk."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from hostcollector.base.errors import LaneBusyError, LaneClosedError
from hostcollector.base.lanes import Lane

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 60.0
"""After a line about a reason the next one of the same reason comes so much later."""


class Refusals:
    """Counts refused requests by reason. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lane = Lane("refusals")
        self._silent_until: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def note(self, reason: str, client: str, error: BaseException | None = None) -> None:
        """Note a refusal; `client` is the address, the one thing that is said of a client. Never blocks.

        `error` is an unforeseen one, whose traceback is logged.
        """
        self._unsaid[reason] = self._unsaid.get(reason, 0) + 1
        now = self._clock()
        if now < self._silent_until.get(reason, now):
            return
        context = {"client": client, "requests": self._unsaid[reason]}
        level = logging.WARNING if error is None else logging.ERROR
        # A client decides when this is written: it must not be able to hold up the loop with it.
        with suppress(LaneBusyError, LaneClosedError):
            self._lane.submit(lambda: logger.log(level, "refused: %s", reason, extra=context, exc_info=error))
            self._silent_until[reason] = now + SILENCE_SECONDS
            del self._unsaid[reason]

    def close(self) -> None:
        """Let the thread end."""
        self._lane.close()
