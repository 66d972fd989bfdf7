"""An export during which the intake writes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine

from hostcollector.gateway.usage.exports import Entry, page_of_all
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.reading import LedgerReader, Reading
from hostcollector.gateway.usage.selecting import Rows, Statement
from tests.unit.gateway.usage.records import answer, clock, closed, usage


@dataclass(frozen=True, slots=True)
class Interrupted(Reading):
    """A reading during which others write: after its first statement."""

    write: list[Callable[[], object]] = field(default_factory=list)

    def of_all(self, statement: Statement) -> Rows:
        """Return the rows, and let the others write."""
        rows = Reading.of_all(self, statement)
        while self.write:
            self.write.pop()()
        return rows


def interrupted_export(engine: Engine) -> list[int]:
    """Return the sequence numbers of an export in two pages; records come in the middle of the first one."""
    ledger = Ledger(engine, lambda: clock(30))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1), closed(2)]))

    def write() -> None:
        ledger.take(answer([usage(3, hour=1), closed(4, hour=1)], after=2))
        ledger.finish_hours(6)

    with LedgerReader(engine).open() as opened:
        reading = Interrupted(opened.connection, opened.isolation, opened.final_until, [write])
        first = page_of_all(reading, 0, 100)
    with LedgerReader(engine).open() as later:
        second = page_of_all(later, first.cursor, 100)
    entries = [*first.entries, *second.entries]
    return [entry.record.sequence for entry in entries if isinstance(entry, Entry)]
