"""What is known of the usage records, for the page, `diagnose` and the log."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from hostcollector.base.wording import counted, one_line
from hostcollector.catalogue.usage import hour_text
from hostcollector.outputs.usage import PATH
from hostcollector.outputs.usage.books import Figures
from hostcollector.outputs.usage.keeper import Keeper
from hostcollector.outputs.usage.reading import HOUR, SECOND, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of the records. `open_hour` is a Unix time in seconds, None before the books are open.

    `clock` is the host's clock.

    `overdue` are the seconds since the end of the first hour that is not closed, 0 while it goes on.
    """

    figures: Figures
    open_hour: int | None
    overdue: float
    clock: float
    lives: int
    waiting: int
    last: int
    size: int
    errors: int
    bad_lines: int
    problem: str

    @classmethod
    def of(cls, keeper: Keeper, now: Moment) -> Self:
        """Return the state of a keeper's records."""
        books, ledger = keeper.books, keeper.ledger
        account = None if books is None else books.account
        return cls(
            figures=Figures() if books is None else books.figures,
            open_hour=None if account is None else account.hour // SECOND,
            overdue=0.0 if account is None else max(0, now.wall - account.hour - HOUR) / SECOND,
            clock=now.wall / SECOND,
            lives=0 if account is None else len(account.lives),
            waiting=0 if account is None else len(account.lines),
            last=ledger.last,
            size=ledger.size,
            errors=keeper.errors,
            bad_lines=ledger.bad_lines,
            problem=keeper.problem,
        )

    def lines(self) -> Iterator[str]:
        """Yield the lines of `diagnose`."""
        yield (
            f"Usage records {PATH}: {counted(self.last, 'line')} in the ledger, "
            f"{counted(self.lives, 'VM')} counted now"
        )
        if self.open_hour is not None:
            yield f"  the hour {hour_text(self.open_hour)} is open"
        if self.overdue > 600:
            yield f"  it ended {self.overdue / 60:.0f} min ago and is not closed"
        if self.waiting:
            yield f"  {counted(self.waiting, 'line')} wait in memory for the disk"
        if self.bad_lines:
            yield f"  {counted(self.bad_lines, 'damaged line')} in the ledger: they are not served"
        if self.problem:
            yield f"  {one_line(self.problem)}"
