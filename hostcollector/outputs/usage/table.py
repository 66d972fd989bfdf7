"""Usage records as a table for a terminal: what `hostcollector usage` prints."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from hostcollector.base.errors import StateError
from hostcollector.base.wording import one_line
from hostcollector.catalogue.usage import HourClosed, UsageLineError, UsageRecord, hour_text, parse_line
from hostcollector.outputs.usage.ledger import Ledger

PIECE = 1000
"""Lines that are read at once."""

_COLUMNS: tuple[tuple[str, Callable[[UsageRecord], str]], ...] = (
    ("SEQUENCE", lambda record: str(record.sequence)),
    ("HOUR", lambda record: hour_text(record.hour)[:-4]),
    ("TENANT", lambda record: record.tenant or "-"),
    ("VM", lambda record: record.vm),
    ("RUNNING", lambda record: _amount(record, "running_seconds")),
    ("CPU s", lambda record: _amount(record, "vcpu_used_seconds")),
    ("READ B", lambda record: _amount(record, "disk_read_bytes")),
    ("WRITTEN B", lambda record: _amount(record, "disk_written_bytes")),
    ("RECEIVED B", lambda record: _amount(record, "network_received_bytes")),
    ("SENT B", lambda record: _amount(record, "network_transmitted_bytes")),
    ("GAPS", lambda record: " ".join(dict.fromkeys(gap.reason for gap in record.gaps)) or "-"),
    ("ENDED", lambda record: record.ended or "-"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records are shown; None for all."""

    after: int = 0
    tenant: str | None = None
    vm: str | None = None

    def has(self, record: UsageRecord) -> bool:
        """Whether the record is shown."""
        return self.tenant in (None, record.tenant) and self.vm in (None, record.vm)


def records(ledger: Ledger, wanted: Wanted) -> Iterator[UsageRecord]:
    """Yield the wanted records of an open ledger. Raises `StateError` where it cannot be read."""
    after = min(wanted.after, ledger.last)
    while lines := ledger.read(after, PIECE):
        for line in lines:
            found = _parsed(line)
            after = found.sequence
            if isinstance(found, UsageRecord) and wanted.has(found):
                yield found


def table(found: Iterable[UsageRecord]) -> Iterator[str]:
    """Yield the lines of a table: amounts in base units, ``-`` for what is not known."""
    rows = [[title for title, _ in _COLUMNS]]
    rows += [[one_line(cell(record)) for _, cell in _COLUMNS] for record in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _parsed(line: bytes) -> UsageRecord | HourClosed:
    try:
        return parse_line(line)
    except UsageLineError as error:
        raise StateError(f"a line of the ledger is of another version: {error}") from error


def _amount(record: UsageRecord, meter: str) -> str:
    return str(record.meters.get(meter, "-"))
