"""Workers that make blocking calls to libvirt, each with a thread and a connection of its own."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import libvirt

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.lanes import Clock, Lane
from hostcollector.base.stopwatch import Stage, unmeasured
from hostcollector.protocols.libvirt.connection import Connection, Link, Slot

T = TypeVar("T")
Record = dict[str, Any]
Records = dict[str, Record]
JobStats = Mapping[str, Any]
BlockJob = Mapping[str, int]

# The statistics of the last finished job, which libvirt forgets after they are read unless KEEP is set.
_FINISHED = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED

# virDomainControlState
CONTROL_OK, CONTROL_JOB, CONTROL_OCCUPIED, CONTROL_ERROR = range(4)

_FLAGS = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT


@dataclass(frozen=True, slots=True)
class Probe:
    """A guest's virDomainGetControlInfo, and its jobs if those were asked for.

    `seconds` is how long the present command or job has been running. `job` has the parameters of
    virDomainGetJobStats, `arrival` those of the migration by which the guest came here, `block_jobs` the
    virDomainBlockJobInfo of disks by their targets, empty for a disk without a job.
    """

    state: int
    seconds: float
    job: JobStats | None = None
    arrival: JobStats | None = None
    block_jobs: Mapping[str, BlockJob] = field(default_factory=dict)


FREE = Probe(state=CONTROL_OK, seconds=0.0)
"""A monitor that has just answered."""


@dataclass(slots=True)
class Progress(Generic[T]):
    """How far a call has got that asks one guest after the other, for the thread that waits for it.

    `begun` is True once the connection is open; `found` grows guest by guest, None for one that is gone.
    """

    begun: bool = False
    found: dict[str, T | None] = field(default_factory=dict)


class Look(NamedTuple):
    """What to ask a guest about its jobs: the job, `arrival` by migration, block jobs of the `disks`."""

    arrival: bool = False
    disks: Sequence[str] = ()


class Definition(NamedTuple):
    """An active guest's name and live XML; if the XML is empty, `why` is the reason."""

    name: str
    xml: str
    why: str = ""


class Everything(NamedTuple):
    """The records of all active guests by UUID, and how many guests are shut off."""

    records: Records
    inactive: int


class Worker:
    """One lane, one connection, and the handles of the guests on it. All calls run in the lane's thread.

    `source` is the name of the source that uses it.
    """

    def __init__(
        self,
        link: Link,
        source: str,
        number: int = 0,
        *,
        clock: Clock = time.monotonic,
        stage: Stage = unmeasured,
    ) -> None:
        self.lane = Lane(f"{source}-{number}", clock)
        self._name = f"{source}: calls"
        self._slot = Slot(link, clock)
        self._stage = stage
        self._connection: Connection | None = None
        self._handles: dict[str, Any] = {}

    def submit_everything(self, groups: int) -> Future[Everything]:
        """Ask for the statistics of all active guests, and how many are defined and not active."""
        return self.lane.submit(lambda: self._everything(groups))

    def submit_stats(self, uuids: Sequence[str], groups: int) -> Future[Records]:
        """Ask for the statistics of the guests; those that are gone are missing from the answer."""
        return self.lane.submit(lambda: self._stats(uuids, groups))

    def submit_probes(
        self, uuids: Sequence[str], progress: Progress[Probe], jobs: Mapping[str, Look]
    ) -> Future[None]:
        """Probe the guests one after the other; those in `jobs` also for their jobs."""
        return self.lane.submit(lambda: self._visit(uuids, progress, partial(_probe, jobs=jobs)))

    def submit_each(self, uuids: Sequence[str], progress: Progress[Record], groups: int) -> Future[None]:
        """Ask for the statistics of one guest after the other."""
        return self.lane.submit(lambda: self._visit(uuids, progress, partial(_record, groups=groups)))

    def submit_list(self) -> Future[Sequence[str]]:
        """Ask for the UUIDs of all active guests."""
        return self.lane.submit(self._list)

    def submit_definitions(self, uuids: Sequence[str], progress: Progress[Definition]) -> Future[None]:
        """Ask for the definition of one guest after the other; None for one that is not active."""
        return self.lane.submit(lambda: self._visit(uuids, progress, _definition))

    def submit_greeting(self) -> Future[None]:
        """Ask for libvirt's version, which needs no guest: whether libvirt itself answers."""
        return self.lane.submit(self._greet)

    def tidy(self, guests: Collection[str] = ()) -> None:
        """Drop a connection that libvirt has closed, and handles of all but `guests`; not during a call."""
        for uuid in self._handles.keys() - guests:
            del self._handles[uuid]
        if self._connection is not None and not self._connection.alive:
            self._connection = None
            self._forget()

    def close(self) -> None:
        """End the thread and close the connection once no call is in flight."""
        self.lane.close(self._forget)

    def _forget(self) -> None:
        self._handles.clear()
        self._slot.drop()

    def _everything(self, groups: int) -> Everything:
        connection = self._connected()
        active = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
        try:
            answer = connection.raw.getAllDomainStats(groups, active | _FLAGS)
            inactive = connection.raw.numOfDefinedDomains()
        except libvirt.libvirtError as error:
            raise SourceUnavailableError(f"libvirt gives no statistics: {error}") from error
        return Everything({handle.UUIDString(): record for handle, record in answer}, inactive)

    def _list(self) -> Sequence[str]:
        """List active guests only: a call about a guest that is shut off may open its disk images."""
        connection = self._connected()
        try:
            handles = connection.raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        except libvirt.libvirtError as error:
            raise SourceUnavailableError(f"libvirt cannot list its domains: {error}") from error
        return [handle.UUIDString() for handle in handles]

    def _greet(self) -> None:
        try:
            self._connected().raw.getLibVersion()
        except libvirt.libvirtError as error:
            raise SourceUnavailableError(f"libvirt does not give its version: {error}") from error

    def _stats(self, uuids: Sequence[str], groups: int) -> Records:
        connection, handles = self._find(uuids)
        if not handles:
            return {}
        try:
            with self._stage(self._name):
                answer = connection.raw.domainListGetStats(list(handles.values()), groups, _FLAGS)
        except libvirt.libvirtError as error:
            raise SourceUnavailableError(f"libvirt gives no statistics: {error}") from error
        return {handle.UUIDString(): record for handle, record in answer}

    def _visit(
        self, uuids: Sequence[str], progress: Progress[T], ask: Callable[[Any, Any], T | None]
    ) -> None:
        connection = self._connected()
        progress.begun = True
        for uuid in uuids:
            handle = self._handle(connection, uuid)
            try:
                progress.found[uuid] = None if handle is None else ask(connection.raw, handle)
            except libvirt.libvirtError as error:
                if not connection.is_open():  # the error is not about the guest
                    raise SourceUnavailableError(f"the connection to libvirt was lost: {error}") from error
                progress.found[uuid] = None

    def _find(self, uuids: Sequence[str]) -> tuple[Connection, dict[str, Any]]:
        """Return the connection and the handles of those guests that libvirt knows.

        Each is looked up once. One listing for all would take every guest's lock in turn.
        """
        connection = self._connected()
        found = {uuid: self._handle(connection, uuid) for uuid in uuids}
        return connection, {uuid: handle for uuid, handle in found.items() if handle is not None}

    def _connected(self) -> Connection:
        connection = self._slot.get()
        if connection is not self._connection:
            self._connection, self._handles = connection, {}
        return connection

    def _handle(self, connection: Connection, uuid: str) -> Any | None:
        """Return the guest's handle, looked up at the first use; None for one that is gone, or now hidden.

        Access rules that are changed hide guests that were known before.
        """
        if uuid not in self._handles:
            try:
                handle = connection.raw.lookupByUUIDString(uuid)
            except libvirt.libvirtError as error:
                if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_ACCESS_DENIED):
                    return None
                raise SourceUnavailableError(f"libvirt does not find its domains: {error}") from error
            self._handles[uuid] = handle
        return self._handles[uuid]


def _record(connection: Any, handle: Any, *, groups: int) -> Record | None:
    answer = connection.domainListGetStats([handle], groups, _FLAGS)
    return answer[0][1] if answer else None


def _definition(connection: Any, handle: Any) -> Definition | None:
    """Return the definition. Raises `SourceUnavailableError` when the connection was lost."""
    try:
        if not handle.isActive():
            return None
        return Definition(handle.name(), str(handle.XMLDesc(0)))
    except UnicodeError as error:
        return Definition(handle.name(), "", str(error))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        if not connection.isAlive():
            raise SourceUnavailableError(f"the connection to libvirt was lost: {error}") from error
        return Definition(handle.name(), "", str(error))


def _probe(_connection: Any, handle: Any, *, jobs: Mapping[str, Look]) -> Probe:
    state, _details, milliseconds = handle.controlInfo(0)
    seconds = milliseconds / 1000
    look = jobs.get(handle.UUIDString()) if jobs and state == CONTROL_OK else None
    if look is None:
        return Probe(state=state, seconds=seconds)
    return Probe(
        state=state,
        seconds=seconds,
        job=_answer(handle.jobStats),  # an incoming migration refuses the question
        arrival=_answer(handle.jobStats, _FINISHED) if look.arrival else None,
        block_jobs={disk: _answer(handle.blockJobInfo, disk) or {} for disk in look.disks},
    )


def _answer(ask: Callable[..., Mapping[str, Any]], *arguments: object) -> Mapping[str, Any] | None:
    """Return the answer to one question about a guest; None where libvirt refuses it."""
    try:
        return ask(*arguments)
    except libvirt.libvirtError:
        return None
