"""The table's columns: by which name one sorts, what stands above, how a value is written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hostcollector.outputs.top.guests import GuestRow, total

ABSENT = "-"
_STEP = 1024
_SUFFIXES = ("", "K", "M", "G", "T", "P")


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
    """A column of numbers: `summed` if its total means something, `wide` if only wide terminals have room."""

    name: str
    title: str
    value: Callable[[GuestRow], float | None]
    text: Callable[[float], str] = decimal
    summed: bool = True
    wide: bool = False

    def cell(self, row: GuestRow) -> str:
        """Return the row's value as it is shown."""
        return self.show(self.value(row))

    def foot(self, rows: Iterable[GuestRow]) -> str:
        """Return the total as it is shown."""
        return self.show(total(map(self.value, rows))) if self.summed else ""

    def show(self, value: float | None) -> str:
        """Return a value, or the sign for what is not known."""
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
"""The names of the columns that one can sort by."""


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
