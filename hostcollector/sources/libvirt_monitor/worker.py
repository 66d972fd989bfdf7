"""Workers that make the monitor lane's blocking calls, each with a thread and a connection of its own."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import libvirt

from hostcollector.errors import SourceUnavailableError
from hostcollector.lanes import Clock, Lane
from hostcollector.libvirt_link import Connection, Link, Slot
from hostcollector.stopwatch import Stage, unmeasured

Record = dict[str, Any]
Records = dict[str, Record]

# virDomainControlState
CONTROL_OK, CONTROL_JOB, CONTROL_OCCUPIED, CONTROL_ERROR = range(4)

_FLAGS = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT


@dataclass(frozen=True, slots=True)
class Probe:
    """What virDomainGetControlInfo says of a guest, and its background job if one was asked for.

    `seconds` is how long the present command or job has been running. `job` holds virDomainJobInfo's numbers.
    """

    state: int
    seconds: float
    job: Sequence[int] | None = None


FREE = Probe(state=CONTROL_OK, seconds=0.0)
"""A monitor that has just answered."""


@dataclass(slots=True)
class Probing:
    """A probing call as it goes on, so that whoever waits can see how far it got.

    `begun` turns True once the connection stands; `found` grows guest by guest, None for one that is gone.
    """

    begun: bool = False
    found: dict[str, Probe | None] = field(default_factory=dict)


class Worker:
    """One lane, one connection, and the handles of the guests on it. All calls run in the lane's thread."""

    def __init__(
        self, link: Link, name: str, clock: Clock = time.monotonic, stage: Stage = unmeasured
    ) -> None:
        self.lane = Lane(name, clock)
        self._slot = Slot(link, clock)
        self._stage = stage
        self._connection: Connection | None = None
        self._handles: dict[str, Any] = {}

    def submit_stats(self, uuids: Sequence[str], groups: int) -> Future[Records]:
        """Ask for the statistics of the guests; those that are gone are missing from the answer."""
        return self.lane.submit(lambda: self._stats(uuids, groups))

    def submit_probes(self, uuids: Sequence[str], probing: Probing, *, jobs: bool) -> Future[None]:
        """Probe the guests one after the other into `probing`."""
        return self.lane.submit(lambda: self._probe(uuids, probing, jobs=jobs))

    def drop_lost_connection(self) -> None:
        """Give back a connection that libvirt has closed; only while no call is in flight."""
        if self._connection is not None and not self._connection.alive:
            self._connection = None
            self._forget()

    def close(self) -> None:
        """End the thread and close the connection once no call is in flight."""
        self.lane.close(self._forget)

    def _forget(self) -> None:
        self._handles.clear()
        self._slot.drop()

    def _stats(self, uuids: Sequence[str], groups: int) -> Records:
        connection, handles = self._find(uuids)
        if not handles:
            return {}
        try:
            with self._stage("libvirt_monitor: calls"):
                answer = connection.raw.domainListGetStats(list(handles.values()), groups, _FLAGS)
        except libvirt.libvirtError as error:
            raise SourceUnavailableError(f"libvirt gives no statistics: {error}") from error
        return {handle.UUIDString(): record for handle, record in answer}

    def _probe(self, uuids: Sequence[str], probing: Probing, *, jobs: bool) -> None:
        connection, handles = self._find(uuids)
        probing.begun = True
        for uuid in uuids:
            handle = handles.get(uuid)
            probing.found[uuid] = _probe(handle, jobs=jobs) if handle is not None else None
            if not connection.alive:
                raise SourceUnavailableError("the connection to libvirt was lost")

    def _find(self, uuids: Iterable[str]) -> tuple[Connection, dict[str, Any]]:
        """Return the connection and the handles on it; one listing when a guest is not known yet."""
        connection = self._slot.get()
        if connection is not self._connection:
            self._connection, self._handles = connection, {}
        if any(uuid not in self._handles for uuid in uuids):
            try:
                listed = connection.raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
            except libvirt.libvirtError as error:
                raise SourceUnavailableError(f"libvirt cannot list its domains: {error}") from error
            self._handles = {handle.UUIDString(): handle for handle in listed}
        return connection, {uuid: self._handles[uuid] for uuid in uuids if uuid in self._handles}


def _probe(handle: Any, *, jobs: bool) -> Probe | None:
    try:
        state, _details, milliseconds = handle.controlInfo(0)
    except libvirt.libvirtError:
        return None
    job = None
    if jobs and state == CONTROL_OK:
        try:
            job = handle.jobInfo()
        except libvirt.libvirtError:
            job = None  # an incoming migration refuses the question
    return Probe(state=state, seconds=milliseconds / 1000, job=job)
