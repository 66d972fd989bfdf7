"""What is said in the log about clients that are not let in: enough to notice, too little to fill a disk."""

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 60.0
"""After a line about a reason the next one of the same reason comes so much later."""


class Refusals:
    """Counts refused requests by reason. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def note(self, reason: str, client: str) -> None:
        """Note a refusal; `client` is the address, the one thing that the log says of a client."""
        self._unsaid[reason] = self._unsaid.get(reason, 0) + 1
        now = self._clock()
        if now < self._silent_until.get(reason, now):
            return
        self._silent_until[reason] = now + SILENCE_SECONDS
        count = self._unsaid.pop(reason)
        logger.warning("refused: %s", reason, extra={"client": client, "requests": count})
