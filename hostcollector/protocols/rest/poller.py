"""Keeps a service's last good answer, in a daemon thread with an event loop of its own.

Readers never wait: what the service said stands until it says something else. How long ago that was is part
of what is shown.
"""

import asyncio
import logging
import os
import random
import threading
import time
import traceback
from collections.abc import Collection, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

from hostcollector.base.errors import Reason, SourceError, SourceTimeoutError
from hostcollector.base.lanes import Backoff, Clock, Lane
from hostcollector.base.log import Transitions
from hostcollector.protocols.rest.complaints import concealed
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.refusals import BusyError, LoginRefusedError
from hostcollector.protocols.rest.target import Endpoint, Service, Target, prepare

logger = logging.getLogger("hostcollector")

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a service is asked and how long is waited; times in seconds.

    `login_pause` is the shortest pause after a refused login: accounts are locked after a few of them.
    `connections` is how many questions of a round may be on their way at once. `farewell_seconds` is for
    giving back at the end what was left with the service.
    """

    request_seconds: float = 30.0
    visit_seconds: float = 300.0
    answer_bytes: int = 8 * 1024 * 1024
    visit_bytes: int = 512 * 1024 * 1024
    connections: int = 1
    first_pause: float = 15.0
    longest_pause: float = 900.0
    login_pause: float = 600.0
    farewell_seconds: float = 3.0


DEFAULT_LIMITS = Limits()


class Questions(Protocol[Answer_co]):
    """What is asked in a round, and what is kept from one round to the next, such as a token."""

    @property
    def secrets(self) -> Collection[str]:
        """What nobody may read in an error, beside the password."""

    async def ask(self, http: Http, target: Target) -> Answer_co:
        """Ask for everything. Raises `SourceError`: half an answer would be a wrong one."""

    def forget(self) -> None:
        """Begin the next round anew: this one failed."""


@runtime_checkable
class Leaving(Protocol):
    """Questions that leave something with the service which is to be given back at the end."""

    async def leave(self, http: Http, target: Target) -> None:
        """Give it back. Raises `SourceError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State(Generic[Answer]):
    """What readers see: the last good answer, when it was asked for, and what went wrong since."""

    answer: Answer | None = None
    asked_at: float = 0.0
    failure: str = ""
    reason: Reason = Reason.UNAVAILABLE

    def error(self) -> SourceError:
        """Return the failure as an error, a new one for each reader: one that is kept would keep frames."""
        error = SourceError(self.failure)
        error.reason = self.reason
        return error


class Poller(Generic[Answer]):
    """Follows one service. Nothing is opened before `start`. `clock` is monotonic, in seconds.

    `source_fails` says whether its source fails while there has been no answer, which is logged as such.
    """

    def __init__(
        self,
        service: Service,
        endpoint: Endpoint,
        questions: Questions[Answer],
        *,
        limits: Limits = DEFAULT_LIMITS,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = time.monotonic,
        source_fails: bool = True,
    ) -> None:
        self._service = service
        self._endpoint = endpoint
        self._questions = questions
        self._limits = limits
        self._environment = environment
        self._clock = clock
        self._source_fails = source_fails
        self._lane = Lane(service.section, clock)
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._secrets: frozenset[str] = frozenset()
        self._transitions = Transitions(logger, clock)
        self._state: _State[Answer] = _State(failure=f"{endpoint.url}: no answer yet")

    def start(self) -> None:
        """Begin to ask; a second call does nothing."""
        with self._lock:
            if self._flight is not None or self._stop.is_set():
                return
            if self._endpoint.insecure_skip_verify:
                logger.warning(
                    "%s.insecure_skip_verify is set: whoever stands between this host and %s can read "
                    "the account's password",
                    self._service.section,
                    self._service.name,
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

    def wait_closed(self, seconds: float) -> None:
        """Wait, after `close`, until all is given back."""
        if self._flight is not None:
            wait([self._flight], timeout=seconds)

    def settle(self, seconds: float) -> None:
        """Wait for the first answer or failure; for somebody who looks once and has no other."""
        self._settled.wait(seconds)

    def current(self) -> tuple[Answer, float, str]:
        """Return the last good answer, how old it may be in seconds and what has failed since, if anything.

        At once. Raises `SourceError` with the reason while there has been no answer.
        """
        state = self._state
        if self._flight is not None and self._flight.done() and not self._stop.is_set():
            ended = f"the thread has ended ({type(self._flight.exception()).__name__})"
            state = replace(state, failure=ended, reason=Reason.INTERNAL)
        if state.answer is None:
            raise state.error()
        return state.answer, self._clock() - state.asked_at, state.failure

    def _keep(self) -> None:
        self._ask_until_closed()
        if isinstance(self._questions, Leaving):
            with suppress(SourceError, TimeoutError):
                asyncio.run(self._leave(self._questions, self._prepared()))

    def _ask_until_closed(self) -> None:
        backoff = Backoff(self._limits.first_pause, self._limits.longest_pause, self._clock)
        while not self._stop.is_set():
            try:
                asyncio.run(self._visit(self._prepared()))
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - no answer ends the thread
                if self._stop.is_set():
                    return
                backoff.failed()
                self._note(_as_ours(error))
                self._questions.forget()
                pause = max(backoff.pause, self._pause_of(error))
            else:
                backoff.succeeded()
                self._transitions.succeeded(self._service.name)
                pause = float(self._endpoint.interval_seconds)
            self._settled.set()
            # Not all hypervisors of a cloud at the same moment.
            self._stop.wait(pause * random.uniform(0.9, 1.1))  # noqa: S311 - nothing secret

    async def _visit(self, target: Target) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._stop.is_set():
            return
        limit = self._limits.visit_seconds
        self._secrets = target.secrets
        asked_at = self._clock()
        try:
            async with asyncio.timeout(limit), self._http(target) as http:
                answer = await self._questions.ask(http, target)
                age = http.age()
        except TimeoutError as error:
            raise SourceTimeoutError(f"not everything was told within {limit:g} s") from error
        self._state = _State(answer=answer, asked_at=asked_at - age)

    async def _leave(self, leaving: Leaving, target: Target) -> None:
        async with asyncio.timeout(self._limits.farewell_seconds), self._http(target) as http:
            await leaving.leave(http, target)

    def _prepared(self) -> Target:
        return prepare(self._service, self._endpoint, self._environment)

    def _http(self, target: Target) -> Http:
        limits = self._limits
        return Http(
            target,
            seconds=limits.request_seconds,
            limit=limits.answer_bytes,
            connections=limits.connections,
            limit_in_all=limits.visit_bytes,
        )

    def _note(self, error: SourceError) -> None:
        """Keep what went wrong beside the last good answer, without what nobody may read."""
        text = f"{self._endpoint.url}: {error}"
        text = concealed(text, self._secrets.union(self._questions.secrets))
        self._state = replace(self._state, failure=text, reason=error.reason)
        if self._state.answer is not None or not self._source_fails:
            self._transitions.failed(self._service.name, text, reason=error.reason)

    def _pause_of(self, error: BaseException) -> float:
        if isinstance(error, LoginRefusedError):
            return self._limits.login_pause
        return error.pause if isinstance(error, BusyError) else 0.0


def _as_ours(error: BaseException) -> SourceError:
    """Return an error as one of ours; of an unforeseen one its place and not its text, which may quote."""
    if isinstance(error, SourceError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return SourceError(f"an answer that was not foreseen ({type(error).__name__}{place}); please report it")
