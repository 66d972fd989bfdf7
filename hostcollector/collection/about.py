"""What the page and the log report about the collection itself: its sources, and the parts that feed it."""

import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hostcollector import __version__
from hostcollector.base.errors import Reason
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.log import Transitions
from hostcollector.base.model import UNASSIGNED, Guest, Report, Sample, SourceState
from hostcollector.catalogue import collection
from hostcollector.config.certificates import Expiries
from hostcollector.devices.baselines import Baselines
from hostcollector.guests.inventory import Inventory
from hostcollector.outputs.tenant_page.page import TenantPage
from hostcollector.outputs.usage.status import Status
from hostcollector.protocols.libvirt.pool import Workers

LIBVIRT_SOURCE = "libvirt_state"
"""The source that asks libvirt in every collection, also if there are no guests: it decides `libvirt_up`."""


@dataclass(slots=True, kw_only=True)
class Loaded:
    """The configuration in use, as the daemon's last reload left it.

    `sha256` is the digest of its file in hexadecimal, empty without a file; `at` is the Unix time in seconds
    at which it was read. `refused` is whether a later one could not be used.
    """

    sha256: str = ""
    at: float
    refused: bool = False

    def take(self, sha256: str, at: float) -> None:
        """Note a configuration that is in use from the Unix time `at` on."""
        self.sha256, self.at, self.refused = sha256, at, False

    def samples(self) -> Iterator[Sample]:
        """Yield the series about the configuration."""
        if self.sha256:
            yield Sample(collection.CONFIG_INFO, 1.0, (self.sha256,))
        yield Sample(collection.CONFIG_RELOADED, float(not self.refused))
        yield Sample(collection.CONFIG_LOADED, self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the program that have figures of their own.

    `maps` are the operator's map files by their label, None for one that is not configured. `started_at` is
    a Unix time in seconds.
    """

    workers: Workers
    inventory: Inventory
    baselines: Baselines
    loaded: Loaded
    expiries: Expiries
    maps: Mapping[str, FollowedFile[Any] | None]
    tenant_page: TenantPage
    usage: Callable[[], Status | None] = lambda: None
    libvirt_uri: str
    started_at: float

    def samples(self) -> Iterator[Sample]:
        """Yield the series of the parts; an age or version that is not known is left out."""
        yield Sample(collection.BUILD_INFO, 1.0, (__version__, platform.python_version()))
        yield from self.loaded.samples()
        for setting, expiry in self.expiries.known().items():
            yield Sample(collection.CERTIFICATE_EXPIRY, expiry, (setting,))
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
        if self.tenant_page.vms is not None:
            yield Sample(collection.TENANT_PAGE_VMS, self.tenant_page.vms)
        for reason, count in self.tenant_page.left_out.items():
            yield Sample(collection.TENANT_PAGE_LEFT_OUT, count, (reason,))
        if (records := self.usage()) is not None:
            yield from _usage_samples(records)
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


def _usage_samples(records: Status) -> Iterator[Sample]:
    """Yield the series about the usage records."""
    yield Sample(collection.USAGE_RECORDS, records.figures.records)
    yield Sample(collection.USAGE_HOURS, records.figures.hours)
    yield Sample(collection.USAGE_UNSEEN, records.figures.unseen_seconds)
    yield Sample(collection.USAGE_CLOCK_STEPS, records.figures.clock_steps)
    yield Sample(collection.USAGE_CLOCK, records.clock)
    yield Sample(collection.USAGE_ERRORS, records.errors)
    yield Sample(collection.USAGE_WAITING, records.waiting)
    yield Sample(collection.USAGE_OVERDUE, records.overdue)
    yield Sample(collection.USAGE_DAMAGED, records.bad_lines)
    yield Sample(collection.USAGE_BYTES, records.size)


@dataclass(slots=True)
class History:
    """What became of the sources since the start, by name. Made once for the process: it outlives reloads.

    `successes` are Unix times in seconds, `reasons` those of the last errors.
    """

    errors: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Reason] = field(default_factory=dict)
    successes: dict[str, float] = field(default_factory=dict)


class About:
    """Counts the sources' errors and successes; gives samples and facts about them and the `parts`.

    The log has one entry when a source fails and one when it succeeds again.
    """

    def __init__(
        self,
        parts: Parts | None = None,
        transitions: Transitions | None = None,
        history: History | None = None,
    ) -> None:
        self._parts = parts
        self._transitions = transitions
        self._history = history or History()

    def count(self, report: Report, taken_at: float) -> None:
        """Count and log a source's report of the collection that began at the Unix time `taken_at`."""
        failed = report.state is SourceState.FAILED
        if failed:
            self._history.errors[report.source] += 1
            self._history.reasons[report.source] = report.reason or Reason.INTERNAL
        else:
            self._history.successes[report.source] = taken_at
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
        name, up, history = report.source, report.state is not SourceState.FAILED, self._history
        if report.state is SourceState.OFF:
            yield Sample(collection.SOURCE_OFF, 1.0, (name,))
            return
        if name == LIBVIRT_SOURCE:
            yield Sample(collection.LIBVIRT_UP, float(up))
        yield Sample(collection.SOURCE_UP, float(up), (name,))
        yield Sample(collection.SOURCE_PARTIAL, float(report.state is SourceState.PARTIAL), (name,))
        yield Sample(collection.SOURCE_DURATION, report.duration, (name,))
        yield Sample(collection.SOURCE_SAMPLES, report.sample_count, (name,))
        if up:
            yield Sample(collection.SOURCE_MISSING, report.missing, (name,))
        if name in history.successes:
            yield Sample(collection.SOURCE_LAST_SUCCESS, history.successes[name], (name,))
        yield Sample(collection.SOURCE_ERRORS, history.errors[name], (name,))
        if name in history.reasons:
            yield Sample(collection.SOURCE_ERROR_INFO, 1.0, (name, history.reasons[name].value))
