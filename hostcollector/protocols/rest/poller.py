"""Keeps a service's last good answer, in the background; readers never wait.

An answer stays until the next good one. Its age is part of what is shown.
"""

import asyncio
import logging
import os
import time
import traceback
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

from hostcollector.base.errors import Reason, SourceError, SourceTimeoutError
from hostcollector.base.lanes import Clock
from hostcollector.base.log import Transitions
from hostcollector.config.services import ServiceSettings
from hostcollector.protocols.follower import Follower, Pauses
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.refusals import BusyError, LoginRefusedError, concealed
from hostcollector.protocols.rest.target import Service, Target, prepare

logger = logging.getLogger("hostcollector")

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on requests and pauses; times in seconds.

    `request_seconds` and `answer_bytes` bound one request, `visit_seconds` and `visit_bytes` a whole round.
    `connections` is how many requests of a round may be in flight at once. `login_pause` is the shortest
    pause after a refused login: accounts are locked after a few. `farewell_seconds` bounds the end of the
    session at `close`.
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
_JITTER = (0.9, 1.1)


class Questions(Protocol[Answer_co]):
    """The requests of a round, and what is kept from one round to the next, such as a token."""

    @property
    def secrets(self) -> Collection[str]:
        """What errors must not quote, beside the password."""

    async def ask(self, http: Http, target: Target) -> Answer_co:
        """Request everything. Raises `SourceError`: half an answer would be a wrong one."""

    def forget(self) -> None:
        """Drop what is kept between rounds: this round failed."""


@runtime_checkable
class HasSession(Protocol):
    """Questions that open a session at the service, which has to be ended at `close`."""

    async def end_session(self, http: Http, target: Target) -> None:
        """End the session. Raises `SourceError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State(Generic[Answer]):
    """What readers see: the last good answer, when it was requested, and what has failed since."""

    answer: Answer | None = None
    asked_at: float = 0.0
    failure: str = ""
    reason: Reason = Reason.UNAVAILABLE

    def error(self) -> SourceError:
        """Return the failure as an error, a new one for each reader: a kept one would keep frames alive."""
        error = SourceError(self.failure)
        error.reason = self.reason
        return error


class Poller(Follower[Target], Generic[Answer]):
    """Follows one service. Nothing is opened before `start`. `clock` is monotonic, in seconds.

    `source_fails` is whether the service's source fails while there has been no answer; the source logs that.
    """

    def __init__(
        self,
        service: Service,
        endpoint: ServiceSettings,
        questions: Questions[Answer],
        *,
        limits: Limits = DEFAULT_LIMITS,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = time.monotonic,
        source_fails: bool = True,
    ) -> None:
        super().__init__(service.section, Pauses(limits.first_pause, limits.longest_pause, _JITTER), clock)
        self._service = service
        self._endpoint = endpoint
        self._questions = questions
        self._limits = limits
        self._environment = environment
        self._source_fails = source_fails
        self._secrets: frozenset[str] = frozenset()
        self._transitions = Transitions(logger, clock)
        self._state: _State[Answer] = _State(failure=f"{endpoint.url}: no answer yet")

    def current(self) -> tuple[Answer, float, str]:
        """Return the last good answer, its age in seconds at most, and what has failed since, if anything.

        Does not wait. Raises `SourceError` with the reason while there has been no answer.
        """
        state = self._state
        if (ended_by := self._ended_by) is not None:
            ended = f"the thread has ended ({type(ended_by).__name__})"
            state = replace(state, failure=ended, reason=Reason.INTERNAL)
        if state.answer is None:
            raise state.error()
        return state.answer, self._clock() - state.asked_at, state.failure

    def _starting(self) -> None:
        if self._endpoint.insecure_skip_verify:
            logger.warning(
                "%s.insecure_skip_verify is set: an attacker between this host and %s can read "
                "the account's password",
                self._service.section,
                self._service.name,
            )

    def _prepare(self) -> Target:
        return prepare(self._service, self._endpoint, self._environment)

    async def _converse(self, target: Target) -> None:
        limit = self._limits.visit_seconds
        self._secrets = target.secrets
        asked_at = self._clock()
        try:
            async with asyncio.timeout(limit), self._http(target) as http:
                answer = await self._questions.ask(http, target)
                age = http.age()
        except TimeoutError as error:
            raise SourceTimeoutError(f"the round took more than {limit:g} s") from error
        self._state = _State(answer=answer, asked_at=asked_at - age)

    def _succeeded(self) -> float:
        self._transitions.succeeded(self._service.name)
        return float(self._endpoint.interval_seconds)

    def _failed(self, error: BaseException) -> float:
        """Keep the failure beside the last good answer, without secrets. No answer ends the thread."""
        failure = _as_ours(error)
        text = f"{self._endpoint.url}: {failure}"
        text = concealed(text, self._secrets.union(self._questions.secrets))
        self._state = replace(self._state, failure=text, reason=failure.reason)
        if self._state.answer is not None or not self._source_fails:
            self._transitions.failed(self._service.name, text, reason=failure.reason)
        self._questions.forget()
        if isinstance(error, LoginRefusedError):
            return self._limits.login_pause
        return error.pause if isinstance(error, BusyError) else 0.0

    def _farewell(self) -> None:
        if isinstance(self._questions, HasSession):
            with suppress(SourceError, TimeoutError):
                asyncio.run(self._end_session(self._questions, self._prepare()))

    async def _end_session(self, questions: HasSession, target: Target) -> None:
        async with asyncio.timeout(self._limits.farewell_seconds), self._http(target) as http:
            await questions.end_session(http, target)

    def _http(self, target: Target) -> Http:
        limits = self._limits
        return Http(
            target,
            seconds=limits.request_seconds,
            limit=limits.answer_bytes,
            connections=limits.connections,
            limit_in_all=limits.visit_bytes,
        )


def _as_ours(error: BaseException) -> SourceError:
    """Return an error as a `SourceError`. An unforeseen one gives its place; its text may quote secrets."""
    if isinstance(error, SourceError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return SourceError(f"an answer that was not foreseen ({type(error).__name__}{place}); please report it")
