"""Headers of every reply, the reply without a page, and the log of refused clients."""

import logging
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256

from aiohttp import web

from hostcollector.base.errors import LaneBusyError, LaneClosedError
from hostcollector.base.lanes import Lane

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 60.0
"""Pause between two log lines with the same reason."""


def content_policy(style: str = "") -> str:
    """Return the Content-Security-Policy of a page that loads nothing; `style` is its inline style sheet."""
    sheet = f" style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}';" if style else ""
    return f"default-src 'none';{sheet} base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": content_policy(),
    "Referrer-Policy": "no-referrer",
    "Server": "hostcollector",
    "X-Content-Type-Options": "nosniff",
}


def unavailable(sentence: str) -> web.HTTPServiceUnavailable:
    """Return the 503 with its cause; Prometheus shows it in its list of targets."""
    return web.HTTPServiceUnavailable(text=f"{sentence}\n", headers={"Retry-After": "1"})


class Refusals:
    """Logs refused requests by reason: enough to notice them, too little to fill a disk.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lane = Lane("refusals")
        self._silent_until: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def note(self, reason: str, client: str, error: BaseException | None = None) -> None:
        """Note a refusal; only the address of the `client` is logged. Never blocks.

        `error` is an unforeseen one, whose traceback is logged.
        """
        self._unlogged[reason] = self._unlogged.get(reason, 0) + 1
        now = self._clock()
        if now < self._silent_until.get(reason, now):
            return
        context = {"client": client, "requests": self._unlogged[reason]}
        level = logging.WARNING if error is None else logging.ERROR
        # A client decides when this is written: it must not be able to hold up the loop with it.
        with suppress(LaneBusyError, LaneClosedError):
            self._lane.submit(lambda: logger.log(level, "refused: %s", reason, extra=context, exc_info=error))
            self._silent_until[reason] = now + SILENCE_SECONDS
            del self._unlogged[reason]

    def close(self) -> None:
        """Let the thread end."""
        self._lane.close()
