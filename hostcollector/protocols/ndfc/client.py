"""Follows the controller in the background: networks change over days, and its last good answer stands."""

import os
import time
from collections.abc import Collection, Mapping

from hostcollector.base.lanes import Clock
from hostcollector.config.settings import NdfcSettings
from hostcollector.protocols.ndfc.values import Answer, Placed
from hostcollector.protocols.ndfc.visit import Access, Visit
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.poller import DEFAULT_LIMITS, Limits, Poller
from hostcollector.protocols.rest.target import Service, Target

SERVICE = Service(name="NDFC", section="ndfc")


class Client(Poller[Answer]):
    """Follows one controller. Nothing is opened before `start`. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        settings: NdfcSettings,
        *,
        limits: Limits = DEFAULT_LIMITS,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(
            SERVICE, settings, _Visits(settings, clock), limits=limits, environment=environment, clock=clock
        )


class _Visits:
    """One visit a round; a login serves for as many of them as its token is taken."""

    def __init__(self, settings: NdfcSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._access: Access | None = None
        self._placed: Mapping[str, Placed] = {}

    @property
    def secrets(self) -> Collection[str]:
        """The token."""
        return {self._access.token} if self._access else ()

    async def ask(self, http: Http, target: Target) -> Answer:
        """Ask for everything. Raises `SourceError`."""
        visit = Visit(http, target, self._settings, self._access, self._placed, self._clock)
        try:
            answer = await visit.answer()
        finally:
            self._access = visit.access
        self._placed = visit.placed
        return answer

    def forget(self) -> None:
        """Find out anew with what it speaks."""
        self._access = None
