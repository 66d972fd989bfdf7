"""What the page and the log report about the collection itself: its sources, and the parts that feed it."""

import platform
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hostcollector import __version__
from hostcollector.base.errors import Reason
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.log import Transitions
from hostcollector.base.model import UNASSIGNED, Guest, Report, Sample, SourceState
from hostcollector.catalogue import collection
from hostcollector.devices.baselines import Baselines
from hostcollector.guests.inventory import Inventory
from hostcollector.protocols.libvirt.pool import Workers

LIBVIRT_SOURCE = "libvirt_state"
"""The source that asks libvirt in every collection, also if there are no guests: it decides `libvirt_up`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the program that have figures of their own.

    `maps` are the operator's map files by their label, None for one that is not configured. `started_at` is
    a Unix time in seconds.
    """

    workers: Workers
    inventory: Inventory
    baselines: Baselines
    maps: Mapping[str, FollowedFile[Any] | None]
    libvirt_uri: str
    started_at: float

    def samples(self) -> Iterator[Sample]:
        """Yield the series of the parts; an age or version that is not known is left out."""
        yield Sample(collection.BUILD_INFO, 1.0, (__version__, platform.python_version()))
        yield Sample(collection.LIBVIRT_CONNECTIONS, self.workers.link.connects)
        yield Sample(collection.LIBVIRT_STUCK_CALLS, self.workers.stuck_calls)
        if self.inventory.age is not None:
            yield Sample(collection.INVENTORY_AGE, self.inventory.age)
        versions = self.inventory.versions
        if versions is not None:
            labels = (versions.hypervisor, versions.daemon, versions.library)
            yield Sample(collection.VERSIONS_INFO, 1.0, labels)
        kept = self.baselines.status
        yield Sample(collection.BASELINES_RECORDS, kept.records)
        yield Sample(collection.BASELINES_UNSAVED, float(kept.unsaved))
        yield Sample(collection.BASELINES_ERRORS, kept.read_errors, ("read",))
        yield Sample(collection.BASELINES_ERRORS, kept.write_errors, ("write",))
        for name, followed in self.maps.items():
            if followed is not None:
                yield Sample(collection.MAP_STALE, float(followed.stale), (name,))

    def facts(self) -> Mapping[str, str]:
        """Return versions, URI and start for the status page and `diagnose`; empty text is not known."""
        versions = self.inventory.versions
        return {
            "version": __version__,
            "started_at": str(self.started_at),
            "libvirt_uri": self.libvirt_uri,
            "libvirt_version": versions.daemon if versions else "",
            "hypervisor_version": versions.hypervisor if versions else "",
        }


class About:
    """Counts the sources' errors and successes; gives samples and facts about them and the `parts`.

    The log has one entry when a source fails and one when it succeeds again.
    """

    def __init__(self, parts: Parts | None = None, transitions: Transitions | None = None) -> None:
        self._parts = parts
        self._transitions = transitions
        self._last_success: dict[str, float] = {}
        self._errors: defaultdict[str, Counter[Reason]] = defaultdict(Counter)

    def count(self, report: Report, taken_at: float) -> None:
        """Count and log a source's report of the collection that began at the Unix time `taken_at`."""
        failed = report.state is SourceState.FAILED
        if failed:
            self._errors[report.source][report.reason or Reason.INTERNAL] += 1
        else:
            self._last_success[report.source] = taken_at
        if self._transitions is None:
            return
        subject = f"source {report.source}"
        if failed:
            self._transitions.failed(subject, "; ".join(report.notes), reason=report.reason or "")
        else:
            self._transitions.succeeded(subject)

    def facts(self) -> Mapping[str, str]:
        """Return what the status page and `diagnose` show beside the samples."""
        return self._parts.facts() if self._parts else {}

    def samples(
        self,
        reports: Sequence[Report],
        guests: Mapping[str, Guest],
        duration: float,
        left_out: frozenset[str] = frozenset(),
    ) -> Iterator[Sample]:
        """Yield the series about the parts, and about a collection that has taken `duration` seconds.

        `left_out` are the UUIDs of guests that are not on the page: they count as such, not as unassigned.
        """
        if self._parts is not None:
            yield from self._parts.samples()
        yield Sample(collection.COLLECTION_DURATION, duration)
        unassigned = sum(guest.tenant is UNASSIGNED for uuid, guest in guests.items() if uuid not in left_out)
        yield Sample(collection.DOMAINS_UNASSIGNED, unassigned)
        yield Sample(collection.DOMAINS_LEFT_OUT, len(guests.keys() & left_out))
        for report in reports:
            yield from self._source(report)

    def _source(self, report: Report) -> Iterator[Sample]:
        name, up = report.source, report.state is not SourceState.FAILED
        if name == LIBVIRT_SOURCE:
            yield Sample(collection.LIBVIRT_UP, float(up))
        yield Sample(collection.SOURCE_UP, float(up), (name,))
        yield Sample(collection.SOURCE_PARTIAL, float(report.state is SourceState.PARTIAL), (name,))
        yield Sample(collection.SOURCE_DURATION, report.duration, (name,))
        yield Sample(collection.SOURCE_SAMPLES, report.sample_count, (name,))
        if up:
            yield Sample(collection.SOURCE_MISSING, report.missing, (name,))
        if name in self._last_success:
            yield Sample(collection.SOURCE_LAST_SUCCESS, self._last_success[name], (name,))
        for reason in Reason:
            yield Sample(collection.SOURCE_ERRORS, self._errors[name][reason], (name, reason.value))
