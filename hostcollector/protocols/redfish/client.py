"""Follows the BMC in the background. Its session lasts from round to round and is given back at the end."""

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from hostcollector.base.lanes import Clock
from hostcollector.config.settings import RedfishSettings
from hostcollector.protocols.redfish.conversation import Access, Conversation
from hostcollector.protocols.redfish.rounds import Pace, Rounds
from hostcollector.protocols.redfish.values import Answer
from hostcollector.protocols.rest.complaints import concealed
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.poller import Limits, Poller
from hostcollector.protocols.rest.target import Service, Target

SERVICE = Service(name="BMC", section="redfish")

DEFAULT_LIMITS = Limits(
    request_seconds=10.0,
    visit_seconds=240.0,
    answer_bytes=4 * 1024 * 1024,
    visit_bytes=24 * 1024 * 1024,
    connections=2,
    first_pause=5.0,
    longest_pause=300.0,
    login_pause=300.0,
)
"""A BMC is a small computer: few questions at once, and time to answer them. Its largest report has 1 MB."""


# A walk over the resources, the reports, the ports, the GPUs, and what is on its way when time is up.
_PARTS_OF_A_VISIT = 5


class Client(Poller[Answer]):
    """Follows one BMC. Nothing is opened before `start`. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        settings: RedfishSettings,
        *,
        limits: Limits = DEFAULT_LIMITS,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(
            SERVICE,
            settings,
            _Talks(settings, limits, clock),
            limits=limits,
            environment=environment,
            clock=clock,
            source_fails=False,
        )


class _Talks:
    """One talk a round; what was found and the session serve for as many of them as they hold."""

    def __init__(self, settings: RedfishSettings, limits: Limits, clock: Clock) -> None:
        self._connections = limits.connections
        self._access: Access | None = None
        pace = Pace(
            reports=settings.interval_seconds,
            ports=settings.ports_interval_seconds,
            patience=limits.visit_seconds / _PARTS_OF_A_VISIT,
        )
        self._rounds = Rounds(pace, clock)

    @property
    def secrets(self) -> Collection[str]:
        """The session's token."""
        return {self._access.token} if self._access and self._access.token else ()

    async def ask(self, http: Http, target: Target) -> Answer:
        """Ask what is due. Raises `SourceError`."""
        asked = self._conversation(http, target)
        try:
            answer = await self._rounds.next(asked)
        finally:
            self._access = asked.access
        # Also what a BMC puts into the names of its resources may be what it was sent.
        secrets = target.secrets.union(self.secrets)
        return replace(
            answer,
            problems=tuple(concealed(problem, secrets) for problem in answer.problems),
            facts=tuple(concealed(fact, secrets) for fact in answer.facts),
        )

    def forget(self) -> None:
        """Forget nothing: another session would take another one of the BMC's few places."""

    async def end_session(self, http: Http, target: Target) -> None:
        """Give the session back."""
        asked = self._conversation(http, target)
        self._access = None
        await asked.end()

    def _conversation(self, http: Http, target: Target) -> Conversation:
        return Conversation(http, target, self._access, connections=self._connections)
