"""Rounds of questions: the metric reports in each, ports and the GPUs themselves now and then."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hostcollector.errors import SourceUnavailableError
from hostcollector.lanes import Clock
from hostcollector.redfish.atlas import Atlas
from hostcollector.redfish.conversation import Conversation
from hostcollector.redfish.discovery import discover, identified
from hostcollector.redfish.problems import noted
from hostcollector.redfish.tally import Tally
from hostcollector.redfish.together import together
from hostcollector.redfish.values import PORTS, REPORTS, RESOURCES, Answer, Part
from hostcollector.rest import NoSuchPathError

# A part stands for so many of its intervals, so that a question which fails once leaves no gap, and at least
# for so many seconds, as a slow BMC takes for a round.
_PATIENCE, _LEAST_SECONDS = 3, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between rounds, between looks at the ports and GPUs, and between discoveries."""

    reports: float
    ports: float
    discovery: float = 3600.0


class Rounds:
    """Remembers what was found, so that most rounds are a few questions. `clock` is monotonic."""

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self._pace = pace
        self._clock = clock
        self._atlas: Atlas | None = None
        self._discovered_at = 0.0
        self._something_moved = False
        self._slow: tuple[Part, ...] = ()
        self._slow_at: float | None = None

    async def next(self, asked: Conversation) -> Answer:
        """Ask what is due. Raises `SourceError` if no report came, or the BMC wants its peace."""
        atlas = await self._explored(asked)
        problems: list[str] = []
        reports = await self._part(REPORTS, atlas, asked, atlas.reports, problems)
        if len(problems) == len(atlas.reports):
            raise SourceUnavailableError("; ".join(problems))
        problems.extend(atlas.skipped)
        if self._slow_at is None or self._clock() - self._slow_at >= self._pace.ports:
            self._slow_at = self._clock()
            self._slow = (
                await self._part(PORTS, atlas, asked, atlas.port_reports, problems),
                await self._resources(atlas, asked, problems),
            )
        return Answer(
            product=atlas.product,
            version=atlas.version,
            gpus=dict(atlas.gpus),
            parts=(reports, *self._slow),
            problems=tuple(problems),
        )

    async def _explored(self, asked: Conversation) -> Atlas:
        # Not at once when something is missing: a discovery is a hundred questions.
        pace = self._pace.ports if self._something_moved else self._pace.discovery
        if self._atlas is None or self._clock() - self._discovered_at >= pace:
            self._atlas = await discover(asked.get, await asked.root())
            self._discovered_at = self._clock()
            self._something_moved = bool(self._atlas.skipped)
            self._slow, self._slow_at = (), None
        return self._atlas

    async def _part(
        self, name: str, atlas: Atlas, asked: Conversation, paths: Iterable[str], problems: list[str]
    ) -> Part:
        """Ask for metric reports; what was found elsewhere before leads to a new discovery."""
        started, tally = self._clock(), Tally(atlas)

        async def add(path: str) -> None:
            tally.add_report(await asked.get(path))

        await self._all(add, paths, problems)
        every = self._pace.reports if name == REPORTS else self._pace.ports
        return Part(name=name, asked_at=started, good_for=_good_for(every), readings=tally.readings())

    async def _resources(self, atlas: Atlas, asked: Conversation, problems: list[str]) -> Part:
        """Ask for the GPUs and their environments."""
        started, tally = self._clock(), Tally(atlas)

        async def add(path: str) -> None:
            document = await asked.get(path)
            tally.add_resource(path, document)
            self._identify(atlas, path, document)

        await self._all(add, (*atlas.gpus, *atlas.environments.values()), problems)
        return Part(
            name=RESOURCES,
            asked_at=started,
            good_for=_good_for(self._pace.ports),
            readings=tally.readings(),
        )

    def _identify(self, atlas: Atlas, path: str, document: Any) -> None:
        gpu = atlas.gpus.get(path)
        if gpu is not None:
            atlas.gpus[path] = identified(gpu, document)

    async def _all(
        self, add: Callable[[str], Awaitable[None]], paths: Iterable[str], problems: list[str]
    ) -> None:
        async def one(path: str) -> None:
            with noted(problems):
                try:
                    await add(path)
                except NoSuchPathError:
                    self._something_moved = True
                    raise

        await together(one(path) for path in paths)


def _good_for(interval: float) -> float:
    return max(_PATIENCE * interval, _LEAST_SECONDS)
