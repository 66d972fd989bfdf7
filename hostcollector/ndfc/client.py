"""Keeps the controller's last good answer, in a daemon thread with an event loop of its own.

Readers never wait: networks change over days, and what the controller said stands until it says something
else. How long ago that was is part of what is shown.
"""

import asyncio
import logging
import os
import random
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace

from hostcollector.config import NdfcSettings
from hostcollector.errors import Reason, SourceError, SourceTimeoutError
from hostcollector.lanes import Backoff, Clock, Lane
from hostcollector.log import Transitions
from hostcollector.ndfc.http import BusyError, Http
from hostcollector.ndfc.target import Target, prepare
from hostcollector.ndfc.values import Answer
from hostcollector.ndfc.visit import Access, LoginRefusedError, Visit

logger = logging.getLogger("hostcollector")

SUBJECT = "NDFC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the controller is asked and how long is waited; times in seconds.

    `login_pause` is the shortest pause after a refused login: accounts are locked after a few of them.
    """

    request_seconds: float = 30.0
    visit_seconds: float = 300.0
    answer_bytes: int = 8 * 1024 * 1024
    first_pause: float = 15.0
    longest_pause: float = 900.0
    login_pause: float = 600.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What readers see: the last good answer with its time, and what went wrong since."""

    answer: Answer | None = None
    taken_at: float = 0.0
    failure: str = ""
    reason: Reason = Reason.UNAVAILABLE

    def error(self) -> SourceError:
        """Return the failure as an error, a new one for each reader: one that is kept would keep frames."""
        error = SourceError(self.failure)
        error.reason = self.reason
        return error


class Client:
    """Follows one controller. Nothing is opened before `start`. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        settings: NdfcSettings,
        *,
        limits: Limits = DEFAULT_LIMITS,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = time.monotonic,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._environment = environment
        self._clock = clock
        self._lane = Lane("ndfc", clock)
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._access: Access | None = None
        self._secrets: frozenset[str] = frozenset()
        self._transitions = Transitions(logger, clock)
        self._state = _State(failure=f"{settings.url}: no answer yet")

    def start(self) -> None:
        """Begin to ask; a second call does nothing."""
        with self._lock:
            if self._flight is not None or self._stop.is_set():
                return
            if self._settings.insecure_skip_verify:
                logger.warning(
                    "ndfc.insecure_skip_verify is set: whoever stands between this host and NDFC can read "
                    "the account's password"
                )
            self._flight = self._lane.submit(self._keep)

    def close(self) -> None:
        """End the connection and the thread; does not wait for them. May be called twice."""
        self._stop.set()
        self._settled.set()
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(task.cancel)
        self._lane.close()

    def settle(self, seconds: float) -> None:
        """Wait for the first answer or failure; for somebody who looks once and has no other."""
        self._settled.wait(seconds)

    def current(self) -> tuple[Answer, float, str]:
        """Return the last good answer, its age in seconds and what has failed since (empty for nothing).

        At once. Raises `SourceError` with the reason while there has been no answer.
        """
        state = self._state
        if self._flight is not None and self._flight.done() and not self._stop.is_set():
            ended = f"the thread has ended ({type(self._flight.exception()).__name__})"
            state = replace(state, failure=ended, reason=Reason.INTERNAL)
        if state.answer is None:
            raise state.error()
        return state.answer, self._clock() - state.taken_at, state.failure

    def _keep(self) -> None:
        """Ask again and again until `close`."""
        backoff = Backoff(self._limits.first_pause, self._limits.longest_pause, self._clock)
        while not self._stop.is_set():
            try:
                asyncio.run(self._visit(prepare(self._settings, self._environment)))
            except asyncio.CancelledError:
                return
            except SourceError as error:
                backoff.failed()
                self._note(error)
                self._access = None  # the next round finds out anew with what it speaks
                pause = max(backoff.pause, self._pause_of(error))
            else:
                backoff.succeeded()
                self._transitions.succeeded(SUBJECT)
                pause = float(self._settings.interval_seconds)
            self._settled.set()
            # Not all hypervisors of a cloud at the same moment.
            self._stop.wait(pause * random.uniform(0.9, 1.1))  # noqa: S311 - nothing secret

    async def _visit(self, target: Target) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._stop.is_set():
            return
        limits = self._limits
        self._secrets = _secrets(target)
        http = Http(target, seconds=limits.request_seconds, limit=limits.answer_bytes)
        visit = Visit(http, target, self._settings, self._access)
        try:
            async with asyncio.timeout(limits.visit_seconds), http:
                answer = await visit.answer()
        except TimeoutError as error:
            raise SourceTimeoutError(f"not everything was told within {limits.visit_seconds:g} s") from error
        finally:
            self._access = visit.access
        self._state = _State(answer=answer, taken_at=self._clock())

    def _note(self, error: SourceError) -> None:
        """Keep what went wrong beside the last good answer, without what nobody may read."""
        text = self._hidden(f"{self._settings.url}: {error}")
        self._state = replace(self._state, failure=text, reason=error.reason)
        if self._state.answer is not None:  # without one the source fails, which is logged as such
            self._transitions.failed(SUBJECT, text, reason=error.reason)

    def _hidden(self, text: str) -> str:
        token = {self._access.token} if self._access else set()
        for secret in self._secrets | token:
            text = text.replace(secret, "***")
        return text

    def _pause_of(self, error: SourceError) -> float:
        if isinstance(error, LoginRefusedError):
            return self._limits.login_pause
        return error.pause if isinstance(error, BusyError) else 0.0


def _secrets(target: Target) -> frozenset[str]:
    """Return the password in every form in which it goes over the wire."""
    basic = b64encode(f"{target.user}:{target.password}".encode()).decode()
    return frozenset({target.password, basic})
