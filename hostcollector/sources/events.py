"""The `events` source: libvirt's events per guest, counted since the collector has known the guest."""

from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import guest
from hostcollector.guests.inventory import EventCounts


class Events(Source):
    """Turns the inventory's event counts into series; those of a stopped guest go with it."""

    name = "events"

    def __init__(self, counts: EventCounts) -> None:
        self._counts = counts

    def read(self, request: Request) -> Reading:
        """Return the counts of the guests in the request."""
        return Reading(
            samples=[
                Sample(guest.EVENTS, count, event, uuid)
                for uuid, counts in self._counts.snapshot().items()
                if uuid in request.guests
                for event, count in counts.items()
            ]
        )
