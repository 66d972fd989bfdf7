"""The signs of life of each guest: what a page's values say, and for how long they have not changed.

A sign that is not known is None. Only what is cheap is looked up for each guest. The counters of vCPUs and
devices are compared only for a guest without a fresh answer of its balloon driver or agent.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from hostcollector.base.definition import Domain
from hostcollector.base.model import Guest, Histogram, Metric
from hostcollector.catalogue import (
    bmc,
    collection,
    cpu,
    guest,
    infiniband,
    interface,
    memory,
    ovs,
    uplinks,
    vf,
)
from hostcollector.catalogue.block import READ_REQUESTS, WRITE_REQUESTS

Labels = tuple[str, ...]
Value = float | Histogram
Families = Mapping[Metric, Mapping[Labels, Value]]

UNREAD = -1
"""libvirt's id of a guest whose definition could not be read at present."""

RUNNING = (1, 2)
"""libvirt's states of a guest whose vCPUs run: running, and blocked on a resource."""

MOST_BETWEEN_SECONDS = 300.0
"""A longer time between two pages is a gap or a step of the clock: what happened in it is not known."""

IO_ERROR_SECONDS = 60.0
"""How long an I/O error that QEMU reported is a sign."""

OVERDUE_PERIODS = 3
"""After so many periods without a report, the answer of the balloon driver is overdue."""

LEAST_OVERDUE_SECONDS = 30.0

STILL_CPU_SECONDS = 0.001
"""vCPUs that used less have not run: QEMU wakes their threads now and then."""

_FREE_MONITOR = (0, 1)
_ACTIVE_PORT = (4, 5)
_CRITICAL = 2
# The position of the UUID in the labels of a guest's series, and of the first label of its own.
_UUID, _OWN = 2, 3


class Counters(NamedTuple):
    """What the counters of vCPUs and devices say beside those of earlier pages. Times are in seconds."""

    vcpus_still: float | None = None
    """For how long no vCPU has run, as far as was looked."""
    vcpus_busy: float = 0.0
    """How many vCPUs were busy on average while the devices were silent."""
    devices_still: float | None = None
    """For how long the guest has made no disk request and sent no packet, as far as was looked."""
    devices_moved: bool = False
    """Whether the guest has made a request or sent a packet lately."""


class Signs(NamedTuple):
    """What is known about one guest in one collection. Times are in seconds."""

    state: int | None = None
    """libvirt's state, as a number."""
    reason: str = ""
    """libvirt's reason of a state in which the vCPUs do not run."""
    monitor_silent: float | None = None
    """For how long QEMU has not answered its monitor; 0 for one that answers."""
    io_error: bool = False
    """Whether QEMU reported an I/O error in the last minute."""
    gpu_critical: bool = False
    port_down: bool = False
    agent_lost: float | None = None
    """For how long the agent has been gone that was connected since the boot; 0 for one that is connected."""
    balloon_age: float | None = None
    """How old the last report of a balloon driver is that has reported since the boot."""
    balloon_overdue: bool = False
    counters: Counters = Counters()
    """Looked at only for a running guest whose balloon driver has not just answered."""


@dataclass(slots=True)
class _Mark:
    """A value, since when it has been the same, and the vCPU time at that moment."""

    value: float
    since: float
    vcpu_time: float = 0.0


@dataclass(slots=True)
class _Record:
    """What is remembered of a guest's run. `stay` is libvirt's id: each start has another."""

    stay: int
    reboots: float | None = None
    booted_at: float = float("-inf")
    answered: bool = False
    agent_seen_at: float | None = None
    io_errors: float | None = None
    io_error_at: float = float("-inf")
    moved_at: float = float("-inf")
    marks: dict[str, _Mark] = field(default_factory=dict)

    def boot(self, now: float) -> None:
        """Forget what was known before the guest's reboot."""
        self.booted_at, self.answered, self.agent_seen_at = now, False, None
        self.marks.clear()

    def resume(self, now: float) -> None:
        """Forget what was seen before a gap: how long ago that was is not known."""
        self.moved_at = self.io_error_at = float("-inf")
        self.agent_seen_at = None if self.agent_seen_at is None else now
        self.marks.clear()


class Watch:
    """Remembers the guests' runs from page to page. Made once for the process."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}
        self._seen_at = self._watched = 0.0

    def look(
        self,
        taken_at: float,
        guests: Mapping[str, Guest],
        identities: Mapping[str, Labels],
        families: Families,
        silent_seconds: float,
    ) -> dict[str, Signs]:
        """Return the signs of each guest, by UUID, and forget the guests that are gone.

        `taken_at` is the page's Unix time. A guest has moved if its devices did in the last `silent_seconds`.
        """
        page, now = _Page(families), self._watched_until(taken_at)
        records = {}
        for uuid, known in guests.items():
            record = self._records.get(uuid)
            stay = known.domain.id
            if record is None or stay not in (record.stay, UNREAD):
                record = _Record(stay)
            records[uuid] = record
        self._records = records
        return {
            uuid: _signs(page, records[uuid], known.domain, identities[uuid], now, silent_seconds)
            for uuid, known in guests.items()
        }

    def _watched_until(self, taken_at: float) -> float:
        """Return for how long guests have been watched, in seconds: without gaps and steps of the clock."""
        elapsed, self._seen_at = taken_at - self._seen_at, taken_at
        if 0 <= elapsed <= MOST_BETWEEN_SECONDS:
            self._watched += elapsed
        else:
            for record in self._records.values():
                record.resume(self._watched)
        return self._watched


class _Page:
    """The values of one page, with those of few guests by UUID."""

    def __init__(self, families: Families) -> None:
        self.families = families
        self.state = _numbers(families, guest.STATE_CODE)
        self.monitor = _numbers(families, collection.MONITOR_STATE)
        self.blocked = _numbers(families, collection.MONITOR_BLOCKED)
        self.age = _numbers(families, memory.AGE)
        self._taps = _numbers(families, interface.TRANSMIT_PACKETS)
        self._ports = _numbers(families, ovs.TRANSMIT_PACKETS)
        self.reasons = {labels[_UUID]: labels[_OWN + 1] for labels in _numbers(families, guest.STATE_REASON)}
        self.has_events = guest.EVENTS in families
        self.reboots: dict[str, float] = {}
        self.io_errors: dict[str, float] = {}
        counted = {"reboot": self.reboots, "io_error": self.io_errors}
        for labels, value in _numbers(families, guest.EVENTS).items():
            if (counts := counted.get(labels[_OWN])) is not None:
                counts[labels[_UUID]] = counts.get(labels[_UUID], 0.0) + value
        health = _numbers(families, bmc.HEALTH.guest)
        self.critical_gpus = {labels[_UUID] for labels, value in health.items() if value == _CRITICAL}
        self.failed_ports = {
            *(labels[_UUID] for labels, value in _numbers(families, ovs.PORT_FAILED).items() if value),
            *_without_fabric(families),
            *_without_uplink(families),
        }

    @cached_property
    def vcpu_times(self) -> "_Totals":
        """The CPU time of all vCPUs of a guest."""
        return _Totals(_numbers(self.families, cpu.VCPU_TIME))

    @cached_property
    def requests(self) -> "_Totals":
        """The requests of all disks of a guest."""
        return _Totals(*(_numbers(self.families, row) for row in (READ_REQUESTS, WRITE_REQUESTS)))

    @cached_property
    def virtual_functions(self) -> Mapping[str, Mapping[str, float]]:
        """The packets that a guest sent through its virtual functions, by UUID and PCI address."""
        found: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for labels, value in _numbers(self.families, vf.TRANSMITTED_PACKETS.guest).items():
            found[labels[_UUID]][labels[-1]] = value
        return found

    def packets(self, domain: Domain, identity: Labels) -> float | None:
        """Return the packets that the guest has sent; None if those of one interface are not known."""
        taps, ports = self._taps, self._ports
        virtual = self.virtual_functions.get(identity[_UUID], {})
        total = 0.0
        for nic in domain.nics:
            key = (*identity, nic.target)
            sent = taps.get(key, ports.get(key)) if nic.target else virtual.get(nic.pci_address)
            if sent is None:
                return None
            total += sent
        return total + sum(virtual.values())


class _Totals:
    """The sum of some families' values for each guest, and how many series those are, by UUID."""

    def __init__(self, *families: Mapping[Labels, float]) -> None:
        self.sums: defaultdict[str, float] = defaultdict(float)
        self.counts: defaultdict[str, int] = defaultdict(int)
        for family in families:
            for labels, value in family.items():
                uuid = labels[_UUID]
                self.sums[uuid] += value
                self.counts[uuid] += 1

    def of(self, uuid: str, least: int) -> float | None:
        """Return the sum of a guest with at least so many series."""
        return self.sums.get(uuid, 0.0) if self.counts.get(uuid, 0) >= least else None


def _signs(
    page: _Page, record: _Record, domain: Domain, identity: Labels, now: float, silent_seconds: float
) -> Signs:
    uuid = domain.uuid
    if page.has_events or record.reboots is None:
        _take_events(record, page.reboots.get(uuid, 0.0), page.io_errors.get(uuid, 0.0), now)
    silent = page.blocked.get(identity) or None
    if silent is None and page.monitor.get(identity) in _FREE_MONITOR:
        silent = 0.0
    age = page.age.get(identity) if domain.balloon_period_seconds else None
    overdue = False
    if age is not None:
        due = OVERDUE_PERIODS * (domain.balloon_period_seconds or 0)
        overdue = age > max(due, LEAST_OVERDUE_SECONDS)
        record.answered |= not overdue and now - age > record.booted_at
    if domain.agent_connected:
        record.agent_seen_at = now
    state = page.state.get(identity)
    counters = Counters()
    if state is not None:  # else the source has not answered yet
        answers = silent == 0.0 and age is not None and record.answered and not overdue
        if answers or state not in RUNNING:
            record.marks.clear()
        else:
            counters = _counters(page, record, domain, identity, now, silent_seconds)
    return Signs(
        state=None if state is None else int(state),
        reason=page.reasons.get(uuid, ""),
        monitor_silent=silent,
        io_error=now - record.io_error_at < IO_ERROR_SECONDS,
        gpu_critical=uuid in page.critical_gpus,
        port_down=uuid in page.failed_ports,
        agent_lost=None if record.agent_seen_at is None else max(0.0, now - record.agent_seen_at),
        balloon_age=age if record.answered else None,
        balloon_overdue=overdue,
        counters=counters,
    )


def _take_events(record: _Record, reboots: float, io_errors: float, now: float) -> None:
    """Note a reboot or an I/O error since the last page with events."""
    if record.reboots not in (None, reboots):
        record.boot(now)
    if record.io_errors is not None and io_errors > record.io_errors:
        record.io_error_at = now
    record.reboots, record.io_errors = reboots, io_errors


def _counters(
    page: _Page, record: _Record, domain: Domain, identity: Labels, now: float, silent_seconds: float
) -> Counters:
    """Compare the guest's counters with those of earlier pages, and note when they changed."""
    uuid = domain.uuid
    used = page.vcpu_times.of(uuid, domain.vcpus or 1)
    vcpus = _mark(record, "vcpus", used, now, slack=STILL_CPU_SECONDS)
    requests, packets = page.requests.of(uuid, 1 if domain.disks else 0), page.packets(domain, identity)
    for name, value in (("disks", requests), ("network", packets)):
        before = record.marks.get(name)
        mark = _mark(record, name, value, now, used or 0.0)
        if before is not None and mark is not None and mark.since == now and mark.value != before.value:
            record.moved_at = now
    still = [record.marks[name] for name in ("disks", "network") if name in record.marks]
    known = requests is not None and packets is not None
    last = max(still, key=lambda mark: mark.since, default=None) if known else None
    elapsed = 0.0 if last is None else now - last.since
    busy = (used - last.vcpu_time) / elapsed if last and used is not None and elapsed > 0 else 0.0
    return Counters(
        vcpus_still=None if vcpus is None or used is None else now - vcpus.since,
        vcpus_busy=busy,
        devices_still=None if last is None else elapsed,
        devices_moved=now - record.moved_at < silent_seconds,
    )


def _mark(
    record: _Record, name: str, value: float | None, now: float, vcpu_time: float = 0.0, slack: float = 0.0
) -> _Mark | None:
    """Return the mark of a counter, set anew if the counter has changed; the old one for a missing value."""
    mark = record.marks.get(name)
    if value is not None and (mark is None or abs(value - mark.value) > slack):
        mark = record.marks[name] = _Mark(value, now, vcpu_time)
    return mark


def _without_fabric(families: Families) -> Iterator[str]:
    """Yield the guests with a VF of a card whose InfiniBand ports are all down."""
    up: dict[str, bool] = {}
    for labels, value in _numbers(families, infiniband.STATE).items():
        up[labels[0]] = up.get(labels[0], False) or value in _ACTIVE_PORT
    down = {device for device, active in up.items() if not active}
    if down:
        cards = {labels[0] for labels in _numbers(families, vf.PF_INFO) if labels[-1] in down}
        for labels in _numbers(families, vf.INFO.guest):
            if labels[_OWN] in cards:
                yield labels[_UUID]


def _without_uplink(families: Families) -> Iterator[str]:
    """Yield the guests with an interface whose uplinks are all down: links by which it leaves the host."""
    down = {labels[0] for labels, up in _numbers(families, uplinks.UP).items() if not up}
    if not down:
        return
    is_down: dict[Labels, bool] = {}
    for labels in _numbers(families, uplinks.UPLINK_INFO):
        nic, uplink = labels[:-1], labels[-1]
        is_down[nic] = is_down.get(nic, True) and uplink in down
    yield from (nic[_UUID] for nic, every in is_down.items() if every)


def _numbers(families: Families, metric: Metric) -> Mapping[Labels, float]:
    return families.get(metric, {})  # type: ignore[return-value]  # no histograms among these rows
