"""Follows the BMC in the background: the metric reports in each round, ports and GPU resources less often.

The session at the BMC lasts from round to round and is ended at `close`.
"""

import os
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Metric
from hostcollector.base.wording import counted, duration
from hostcollector.config.services import RedfishSettings
from hostcollector.protocols.redfish.chassis import ChassisResource, discover_chassis, values_of
from hostcollector.protocols.redfish.discovery import discover, identified
from hostcollector.protocols.redfish.links import Resource, resource
from hostcollector.protocols.redfish.readings import Readings
from hostcollector.protocols.redfish.resource_map import (
    ResourceMap,
    link_resources,
    quick_resources,
    slow_resources,
)
from hostcollector.protocols.redfish.session import Session, SessionToken, gathered, noted
from hostcollector.protocols.redfish.values import (
    PORTS,
    REPORTS,
    RESOURCES,
    BmcAnswer,
    ChassisPart,
    Part,
    WalkCounts,
)
from hostcollector.protocols.redfish.walk import Walk
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.poller import Limits, Poller
from hostcollector.protocols.rest.refusals import NoSuchPathError, concealed
from hostcollector.protocols.rest.target import Service, Target

SERVICE = Service(name="BMC", section="redfish")

DEFAULT_LIMITS = Limits(
    request_seconds=10.0,
    visit_seconds=336.0,
    answer_bytes=4 * 1024 * 1024,
    visit_bytes=24 * 1024 * 1024,
    connections=2,
    first_pause=5.0,
    longest_pause=300.0,
    login_pause=300.0,
)
"""A BMC is a small computer: few requests at once, with time to answer. Its largest report has 1 MB."""

# A walk over the resources, the reports, the ports, the GPUs, a walk over the chassis, the chassis, and the
# requests in flight when time is up.
_PARTS_OF_A_ROUND = 7
_MOST_CHASSIS_FACTS = 8
# A part may be shown for this many of its intervals, so that one failed request leaves no gap; at least for
# this many seconds, which a slow BMC needs for a round.
_PATIENCE, _LEAST_SECONDS = 3, 30.0
# By how many seconds a report's values may differ in age: some are sampled rarely.
_LEAST_OLD_SECONDS = 300.0
_MOST_PROBLEMS = 24
# This many answers are in memory at a time; each may be as large as the limit.
_HELD_AT_ONCE = 2


class RedfishClient(Poller[BmcAnswer]):
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
            _Requests(settings, limits, clock),
            limits=limits,
            environment=environment,
            clock=clock,
            source_fails=False,
        )


class _Requests:
    """One round at a time. The session and the resource map are kept from round to round."""

    def __init__(self, settings: RedfishSettings, limits: Limits, clock: Clock) -> None:
        self._connections = limits.connections
        self._access: SessionToken | None = None
        pace = Pace(
            reports=settings.interval_seconds,
            ports=settings.ports_interval_seconds,
            patience=limits.visit_seconds / _PARTS_OF_A_ROUND,
        )
        self._rounds = Rounds(pace, clock)

    @property
    def secrets(self) -> Collection[str]:
        """The session's token."""
        return {self._access.token} if self._access and self._access.token else ()

    async def ask(self, http: Http, target: Target) -> BmcAnswer:
        """Request what is due. Raises `SourceError`."""
        bmc = self._session(http, target)
        try:
            answer = await self._rounds.next(bmc)
        finally:
            self._access = bmc.access
        # A BMC may put what it was sent into the names of its resources.
        secrets = target.secrets.union(self.secrets)
        return replace(
            answer,
            problems=tuple(concealed(problem, secrets) for problem in answer.problems),
            facts=tuple(concealed(fact, secrets) for fact in answer.facts),
        )

    def forget(self) -> None:
        """Keep the session after a failed round: a BMC allows only a few."""

    async def end_session(self, http: Http, target: Target) -> None:
        """End the session."""
        bmc = self._session(http, target)
        self._access = None
        await bmc.end()

    def _session(self, http: Http, target: Target) -> Session:
        return Session(http, target, self._access, connections=self._connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between rounds (`reports`), between requests for ports and GPUs, and between discoveries.

    `patience` is how long a discovery, or one part of a round, may take.
    """

    reports: float
    ports: float
    discovery: float = 3600.0
    patience: float = 50.0


class Bmc(Protocol):
    """A session with a BMC; each request may fail."""

    async def root(self) -> Resource:
        """Return the service root. Raises `SourceError`."""

    async def get(self, path: str) -> Any:
        """Return what is at a path. Raises `SourceError`."""

    def age(self) -> float:
        """Return the seconds that the oldest answer since the last call had been in a cache."""


class Rounds:
    """Keeps the resource map, so that most rounds are a few requests.

    `clock` is monotonic, `wall` gives seconds since 1970.
    """

    def __init__(self, pace: Pace, clock: Clock, wall: Clock = time.time) -> None:
        self._pace = pace
        self._clock = clock
        self._wall = wall
        self._resource_map: ResourceMap | None = None
        self._resources: Mapping[str, Resource] = {}
        self._discovered_at = 0.0
        self._next_discovery, self._retry = pace.discovery, pace.ports
        self._path_is_gone = False
        self._slow: tuple[Part, ...] = ()
        self._slow_at: float | None = None
        self._slow_gaps = Gaps()
        self._root: Resource = {}
        self._chassis: tuple[ChassisResource, ...] | None = None
        self._chassis_part: ChassisPart | None = None
        self._chassis_facts: tuple[str, ...] = ()
        self._made: dict[str, tuple[float, float]] = {}
        self._malformed: dict[str, dict[str, str]] = {}

    async def next(self, bmc: Bmc) -> BmcAnswer:
        """Request what is due. Raises `SourceError` if no report came, or the BMC is busy."""
        gaps = Gaps()
        resource_map = await self._explored(bmc, gaps)
        paths = (*resource_map.reports, *quick_resources(resource_map))
        reports = await self._part(REPORTS, resource_map, bmc, paths, gaps)
        if self._slow_at is None or self._clock() - self._slow_at >= self._pace.ports:
            self._slow_at, self._slow_gaps = self._clock(), Gaps()
            self._slow = (
                await self._part(
                    PORTS,
                    resource_map,
                    bmc,
                    (*resource_map.port_reports, *link_resources(resource_map)),
                    self._slow_gaps,
                ),
                await self._part(RESOURCES, resource_map, bmc, slow_resources(resource_map), self._slow_gaps),
            )
            self._chassis_part = await self._read_chassis(bmc, resource_map)
        self._note_malformed(gaps)
        return self._answer(resource_map, (reports, *self._slow), gaps)

    def _answer(self, resource_map: ResourceMap, parts: tuple[Part, ...], gaps: Gaps) -> BmcAnswer:
        every = (gaps, resource_map.gaps, self._slow_gaps)
        troubles = [note for one in every for note in one.troubles]
        more = len(troubles) - _MOST_PROBLEMS
        problems = (
            *troubles[:_MOST_PROBLEMS],
            *((f"and {counted(more, 'trouble')} more",) if more > 0 else ()),
        )
        return BmcAnswer(
            product=resource_map.product,
            version=resource_map.version,
            gpus=dict(resource_map.gpus),
            parts=parts,
            chassis=self._chassis_part,
            problems=problems,
            facts=(*(fact for one in every for fact in one.facts), *self._chassis_facts),
            counts=WalkCounts(
                others=dict(Counter(resource_map.others).most_common(8)),
                empty=resource_map.empty,
                unread=sum(one.count for one in every),
                malformed=sum(map(len, self._malformed.values())),
            ),
        )

    async def _explored(self, bmc: Bmc, gaps: Gaps) -> ResourceMap:
        """Return the resource map. The earlier one is kept when a new walk fails."""
        known = self._resource_map
        if known is not None and self._clock() - self._discovered_at < self._until_discovery():
            return known
        self._discovered_at = self._clock()
        if known is None:
            self._resource_map = await self._discovered(bmc)
            return self._resource_map
        with noted(gaps, "another walk over the BMC's resources"):
            found = await self._discovered(bmc)
            found.keep_reports(known)
            known = self._resource_map = found
        return known

    def _until_discovery(self) -> float:
        # Not at once when a resource is missing: a discovery is a hundred requests.
        return self._pace.ports if self._path_is_gone else self._next_discovery

    async def _discovered(self, bmc: Bmc) -> ResourceMap:
        walk = Walk(bmc.get, Gaps(), clock=self._clock, seconds=self._pace.patience, known=self._resources)
        self._root = await bmc.root()
        resource_map = await discover(walk, self._root)
        self._chassis = None
        self._resources = walk.documents
        if resource_map.gaps or resource_map.unfinished:
            # Missing resources are looked for again, each time later: they may never come.
            self._next_discovery, self._retry = self._retry, min(2 * self._retry, self._pace.discovery)
        else:
            self._next_discovery, self._retry = self._pace.discovery, self._pace.ports
        self._path_is_gone = False
        self._slow, self._slow_at = (), None
        return resource_map

    async def _part(
        self, name: str, resource_map: ResourceMap, bmc: Bmc, paths: Iterable[str], gaps: Gaps
    ) -> Part:
        """Request metric reports and resources. Raises `SourceError` if none of the part REPORTS came."""
        every = self._pace.reports if name == REPORTS else self._pace.ports
        good_for = max(_PATIENCE * every, _LEAST_SECONDS)
        started = self._clock()
        collected = Readings(
            resource_map,
            gaps,
            now=self._wall(),
            patience=max(good_for, _LEAST_OLD_SECONDS),
        )
        listed = tuple(dict.fromkeys(paths))
        bmc.age()  # forget the age of earlier answers
        added = 0
        for first in range(0, len(listed), _HELD_AT_ONCE):
            some = listed[first : first + _HELD_AT_ONCE]
            documents = await self._documents(bmc, some, gaps, started)
            # In the order of the paths: where two report the same value, always the same one is used.
            for path in (path for path in some if path in documents):
                with noted(gaps, path):
                    self._add(resource_map, collected, path, documents[path])
                    added += 1
        age = bmc.age()
        if listed and not added and name == REPORTS:
            raise SourceUnavailableError("; ".join(gaps.troubles))
        self._malformed[name] = collected.malformed
        self._note_unchanged(collected.made_at, gaps)
        return Part(name=name, asked_at=started - age, good_for=good_for, readings=collected.readings())

    async def _read_chassis(self, bmc: Bmc, resource_map: ResourceMap) -> ChassisPart:
        """Request the machine around the GPUs. A resource that fails is a fact, and costs only itself."""
        gaps = Gaps()
        if self._chassis is None:
            walk = Walk(bmc.get, gaps, clock=self._clock, seconds=self._pace.patience)
            self._chassis = await discover_chassis(walk, self._root, resource_map.own_chassis())
        started = self._clock()
        values: dict[tuple[Metric, tuple[str, ...]], float] = {}
        bmc.age()

        async def one(wanted: ChassisResource) -> None:
            if self._clock() - started > self._pace.patience:
                gaps.unread(wanted.path, "there was no time left for it: the BMC is slow")
                return
            with noted(gaps, wanted.path):
                values.update(values_of(wanted, resource(await bmc.get(wanted.path), wanted.path)))

        await gathered(one(wanted) for wanted in self._chassis)
        self._chassis_facts = tuple(gaps.troubles[:_MOST_CHASSIS_FACTS])
        good_for = max(_PATIENCE * self._pace.ports, _LEAST_SECONDS)
        return ChassisPart(asked_at=started - bmc.age(), good_for=good_for, values=values)

    def _add(self, resource_map: ResourceMap, collected: Readings, path: str, document: Any) -> None:
        if path in resource_map.reports or path in resource_map.port_reports:
            collected.add_report(path, document)
            return
        found = resource(document, path)
        gpu = resource_map.gpus.get(path)
        if gpu is not None:
            resource_map.gpus[path] = identified(gpu, found)
        collected.add_resource(path, found)

    async def _documents(self, bmc: Bmc, paths: Iterable[str], gaps: Gaps, started: float) -> dict[str, Any]:
        """Return the answers by path; a failed request costs only itself."""
        found = {}

        async def one(path: str) -> None:
            if self._clock() - started > self._pace.patience:
                gaps.unread(path, "there was no time left for it: the BMC is slow")
                return
            with noted(gaps, path):
                try:
                    found[path] = await bmc.get(path)
                except NoSuchPathError:
                    self._path_is_gone = True
                    raise

        await gathered(one(path) for path in paths)
        return found

    def _note_unchanged(self, made_at: Mapping[str, float], gaps: Gaps) -> None:
        """Note reports whose time stamps do not change; such a report may be made on change only."""
        for path, made in made_at.items():
            before, since = self._made.get(path, (0.0, 0.0))
            if made != before:
                self._made[path] = made, self._clock()
            elif made and self._clock() - since > max(_PATIENCE * self._pace.ports, _LEAST_OLD_SECONDS):
                spell = duration(self._clock() - since)
                gaps.fact(f"{path} has had the same time stamps for {spell}: it may be out of date")

    def _note_malformed(self, gaps: Gaps) -> None:
        """Note how many values are malformed, with one of them."""
        values = [item for part in self._malformed.values() for item in part.items()]
        if values:
            where, text = values[0]
            gaps.note(f"{counted(len(values), 'value')} not understood, such as {text!r} of {where}")
