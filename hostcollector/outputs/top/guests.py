"""What two pages say about each guest: a pure function from pages to rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hostcollector.base.model import Metric, Scope
from hostcollector.catalogue import block, collection, cpu, guest, interface, memory
from hostcollector.outputs.overview import BLOCKED_SECONDS
from hostcollector.outputs.top.page import Labels, Page, Series

Identity = tuple[str, ...]
ByGuest = Mapping[Identity, Mapping[Metric, Series]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRow:
    """One guest between two pages. None is what the pages do not say, and never 0.

    `cpu` is in percent of one processor, `delay` in milliseconds that the vCPUs waited for a processor per
    second; `memory` in bytes on the host, `used` in percent of what the guest sees; `read`, `write`,
    `receive` and `transmit` in bytes per second, `reads` and `writes` in requests per second.
    """

    tenant: str
    guest: str
    uuid: str
    state: str = ""
    reason: str = ""
    vcpus: int = 0
    cpu: float | None = None
    delay: float | None = None
    memory: float | None = None
    used: float | None = None
    read: float | None = None
    write: float | None = None
    reads: float | None = None
    writes: float | None = None
    receive: float | None = None
    transmit: float | None = None
    blocked_seconds: float | None = None
    timed_out: bool = False

    @property
    def share(self) -> float | None:
        """CPU time in percent of what the guest's vCPUs could use."""
        return None if self.cpu is None else self.cpu / self.vcpus

    @property
    def blocked(self) -> bool:
        """Whether the guest's QEMU does not answer its monitor."""
        return self.timed_out or (self.blocked_seconds or 0.0) >= BLOCKED_SECONDS


def rows(previous: Page | None, current: Page) -> tuple[GuestRow, ...]:
    """Return the guests of `current` by tenant and name; rates are those since `previous`."""
    now = _by_guest(current)
    before = _by_guest(previous) if previous is not None else {}
    return tuple(
        _row(identity, _Difference(previous, current, before.get(identity, {}), series))
        for identity, series in sorted(now.items())
    )


def elapsed(previous: Page, current: Page, source: str) -> float:
    """Return the seconds between a source's two answers.

    A page may be shared by several readers, so when it was read says less than when it was taken.
    """
    start, end = previous.source_time(source), current.source_time(source)
    return current.at - previous.at if start is None or end is None else end - start


@dataclass(frozen=True, slots=True)
class _Difference:
    """One guest's series in two pages."""

    previous: Page | None
    current: Page
    before: Mapping[Metric, Series]
    now: Mapping[Metric, Series]

    def rate(self, metric: Metric, factor: float = 1.0) -> float | None:
        """Return how fast a row's series grew together, or None if one was reset or nothing is known."""
        before, now = self.before.get(metric, {}), self.now.get(metric, {})
        grown = [value - before[labels] for labels, value in now.items() if labels in before]
        seconds = elapsed(self.previous, self.current, metric.source) if self.previous is not None else 0.0
        if not grown or min(grown) < 0 or seconds <= 0:
            return None
        return sum(grown) / seconds * factor

    def value(self, metric: Metric) -> float | None:
        """Return the number of a row that has one series per guest."""
        return next(iter(self.now.get(metric, {}).values()), None)


def _row(identity: Identity, difference: _Difference) -> GuestRow:
    tenant, name, uuid = identity
    states = difference.now.get(guest.STATE_REASON, {})
    state, reason = next((labels[3:5] for labels, value in states.items() if value == 1), ("", ""))
    return GuestRow(
        tenant=tenant,
        guest=name,
        uuid=uuid,
        state=state,
        reason=reason,
        vcpus=len(difference.now.get(cpu.VCPU_TIME, {})),
        cpu=difference.rate(cpu.VCPU_TIME, 100),
        delay=difference.rate(cpu.VCPU_DELAY, 1000),
        memory=difference.value(memory.RSS),
        used=difference.value(memory.USED_PERCENT),
        read=difference.rate(block.READ_BYTES),
        write=difference.rate(block.WRITE_BYTES),
        reads=difference.rate(block.READ_REQUESTS),
        writes=difference.rate(block.WRITE_REQUESTS),
        receive=difference.rate(interface.RECEIVE_BYTES),
        transmit=difference.rate(interface.TRANSMIT_BYTES),
        blocked_seconds=difference.value(collection.MONITOR_BLOCKED),
        timed_out=difference.value(collection.TIMED_OUT) == 1,
    )


def _by_guest(page: Page) -> ByGuest:
    guests: dict[Identity, dict[Metric, dict[Labels, float]]] = defaultdict(lambda: defaultdict(dict))
    for metric, series in page.series.items():
        if metric.scope is Scope.DOMAIN:
            for labels, value in series.items():
                guests[labels[:3]][metric][labels] = value
    return guests


def total(values: Iterable[float | None]) -> float | None:
    """Return the sum of what is known, or None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
