"""The table's rows and columns: one row per guest, made from two pages."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hostcollector.base.model import Metric, Scope
from hostcollector.catalogue import block, collection, cpu, guest, interface, memory
from hostcollector.outputs.overview import BLOCKED_SECONDS
from hostcollector.outputs.top.page import Labels, Page, Series

Identity = tuple[str, ...]
ByGuest = Mapping[Identity, Mapping[Metric, Series]]

ABSENT = "-"
_STEP = 1024
_SUFFIXES = ("", "K", "M", "G", "T", "P")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRow:
    """One guest between two pages. What is not on the pages is None, never 0.

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

    The times of the answers are used where the pages have them: several readers may share one page.
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
        """Return the rate of a row's series together, None if one was reset or none is known."""
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
    """Return the sum of the known values, None if there are none."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def decimal(value: float) -> str:
    """Return a number with one decimal."""
    return f"{value:.1f}"


def binary(value: float) -> str:
    """Return bytes in three digits or less and a binary suffix: ``512``, ``1.5K``, ``23G``."""
    exponent = 0
    while value >= 999.5 and exponent < len(_SUFFIXES) - 1:
        value, exponent = value / _STEP, exponent + 1
    return f"{value:.{int(exponent > 0 and value < 9.95)}f}{_SUFFIXES[exponent]}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers; `summed` has a total, `wide` is shown on wide terminals only."""

    name: str
    title: str
    value: Callable[[GuestRow], float | None]
    text: Callable[[float], str] = decimal
    summed: bool = True
    wide: bool = False

    def cell(self, row: GuestRow) -> str:
        """Return the row's value as text."""
        return self.show(self.value(row))

    def foot(self, rows: Iterable[GuestRow]) -> str:
        """Return the total as text."""
        return self.show(total(map(self.value, rows))) if self.summed else ""

    def show(self, value: float | None) -> str:
        """Return a value as text; `ABSENT` for None."""
        return ABSENT if value is None else self.text(value)


NUMBERS = (
    Column("cpu", "cpu\n%", lambda row: row.cpu),
    Column("share", "of all\nvcpus %", lambda row: row.share, summed=False, wide=True),
    Column("delay", "delay\nms/s", lambda row: row.delay),
    Column("memory", "mem\nB", lambda row: row.memory, binary),
    Column("used", "used\n%", lambda row: row.used, summed=False, wide=True),
    Column("read", "read\nB/s", lambda row: row.read, binary),
    Column("write", "write\nB/s", lambda row: row.write, binary),
    Column("reads", "reads\n/s", lambda row: row.reads, wide=True),
    Column("writes", "writes\n/s", lambda row: row.writes, wide=True),
    Column("receive", "rx\nB/s", lambda row: row.receive, binary),
    Column("transmit", "tx\nB/s", lambda row: row.transmit, binary),
)

_TEXTS: dict[str, Callable[[GuestRow], str]] = {
    "tenant": lambda row: row.tenant,
    "guest": lambda row: row.guest,
    "state": lambda row: row.state,
}
_VALUES: dict[str, Callable[[GuestRow], float | None]] = {
    **{column.name: column.value for column in NUMBERS},
    "blocked": lambda row: row.blocked_seconds,
}
SORTS = (*_TEXTS, *_VALUES)
"""The names of the columns for `--sort`."""


def ordered(rows: Iterable[GuestRow], sort: str) -> list[GuestRow]:
    """Return rows by a column, text ascending, numbers with the largest first and the unknown last.

    Raises `KeyError` for a name that is not in `SORTS`.
    """
    rows = sorted(rows, key=lambda row: (row.tenant, row.guest, row.uuid))
    if sort in _TEXTS:
        return sorted(rows, key=_TEXTS[sort])
    value = _VALUES[sort]

    def rank(row: GuestRow) -> tuple[bool, float]:
        number = value(row)
        return number is None, -(number or 0.0)

    return sorted(rows, key=rank)
