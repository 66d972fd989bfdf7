"""The `events` source: libvirt's events per guest, how guests ended, and what went wrong with them.

The counts of a guest begin when the collector first knows it, and end with it. What outlives the guest is the
host's.
"""

from collections.abc import Iterator, Mapping

from hostcollector.base.model import Guest, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import block, ends, guest
from hostcollector.config.settings import CollectionSettings
from hostcollector.guests.ends import Ends, Incident
from hostcollector.guests.inventory import EventCounts
from hostcollector.guests.processes import QemuProcesses


class Events(Source):
    """Turns the inventory's counts and the account of the ends into series."""

    name = "events"

    def __init__(
        self, counts: EventCounts, over: Ends, processes: QemuProcesses, settings: CollectionSettings
    ) -> None:
        self._counts = counts
        self._ends = over
        self._processes = processes
        self._settings = settings

    def read(self, request: Request) -> Reading:
        """Return the counts of the guests in the request, the host's counts, and the last ends."""
        self._ends.look(request.guests, self._processes.last, self._processes.is_running)
        return Reading(
            samples=[
                *self._of_guests(request.guests),
                *self._disk_errors(request.guests),
                *self._of_host(),
            ]
        )

    def _of_guests(self, guests: Mapping[str, Guest]) -> Iterator[Sample]:
        for uuid, counts in self._counts.snapshot().items():
            if uuid in guests:
                for event, count in counts.items():
                    yield Sample(guest.EVENTS, count, event, uuid)

    def _disk_errors(self, guests: Mapping[str, Guest]) -> Iterator[Sample]:
        errors = self._counts.disk_errors()
        for uuid, each in guests.items():
            of_guest = errors.get(uuid, {})
            for disk in each.domain.disks:
                if disk.alias:
                    count = of_guest.get(disk.alias, 0)
                    yield Sample(block.IO_ERRORS, count, (disk.target,), uuid)

    def _of_host(self) -> Iterator[Sample]:
        account = self._ends.account(self._settings.ended_guests_seconds, self._settings.ended_guests_limit)
        for reason, count in account.ends.items():
            yield Sample(ends.ENDS, count, (reason.value,))
        for tenant, incidents in account.incidents.items():
            for incident in Incident:
                yield Sample(ends.INCIDENTS, incidents.get(incident, 0), (tenant, incident.value))
        for trace in account.ended:
            yield Sample(ends.ENDED, trace.at, (trace.tenant, trace.name, trace.uuid, trace.what))
        for trace in account.happened:
            labels = (trace.tenant, trace.name, trace.uuid, trace.what, trace.detail)
            yield Sample(ends.INCIDENT, trace.at, labels)
