"""The table of the fault matrix, as Markdown."""

from collections.abc import Iterable
from dataclasses import dataclass

HEADINGS = (
    "| row | rounds | scrapes | worst scrape | slowest recovery | slow guests | wrong values | leaks |",
    "|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a row came to: how often it was scraped, and how much of it was wrong or leaked.

    `slow` counts gaps that the page explains: a guest without a fault whose QEMU took too long to answer, or
    which libvirt kept locked too long while it was started or ended, on a busy machine.
    """

    row: str
    rounds: int
    scrapes: int
    worst_seconds: float
    recovery_seconds: float
    slow: int
    wrong: int
    leaks: int

    def line(self) -> str:
        """Return the row of the table."""
        return (
            f"| {self.row} | {self.rounds} | {self.scrapes} | {self.worst_seconds:.2f} s "
            f"| {self.recovery_seconds:.1f} s | {self.slow} | {self.wrong} | {self.leaks} |"
        )


def markdown(results: Iterable[Result]) -> str:
    """Return the whole table."""
    return "\n".join((*HEADINGS, *(result.line() for result in results)))
