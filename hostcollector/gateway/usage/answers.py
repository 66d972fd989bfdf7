"""What a host answers: lines of its ledger, read strictly and without trust."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hostcollector.base.errors import SourceMalformedError
from hostcollector.catalogue.usage import HourClosed, UsageLineError, UsageRecord, parse_line
from hostcollector.gateway.usage.plausible import implausible

MOST_LINES = 5000
"""Lines of one answer."""

MOST_BYTES = 32 * 1024 * 1024
"""Bytes of one answer."""

KEPT_BYTES = 4000
"""What is kept of a line that is not taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a ledger is read: up to and with the sequence number `cursor`."""

    ledger: str
    cursor: int = 0


class Refused(StrEnum):
    """Why a line is not taken."""

    MALFORMED = "malformed"
    IMPLAUSIBLE = "implausible"
    FOREIGN = "foreign"
    """It names another ledger than the answer."""
    OLD = "old"
    CONFLICT = "conflict"
    """Its id is taken, with another body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLine:
    """A line that is not taken; `sequence` is 0 where the line does not say it."""

    sequence: int
    reason: Refused
    text: str


Line = UsageRecord | HourClosed | RefusedLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Lines that the host `target` gave for its ledger, in their sequence. `after` is what was asked for.

    `rewound` says that the ledger has fewer lines than before, such as one that was restored from a backup.
    """

    target: str
    ledger: str
    after: int
    lines: Sequence[Line]
    rewound: bool = False

    @property
    def last(self) -> int:
        """The sequence number up to which the ledger is read now."""
        return max((line.sequence for line in self.lines), default=0)

    @property
    def lost(self) -> int:
        """Lines between those read before and these, which the host does not have any more."""
        first = next((line.sequence for line in self.lines if line.sequence), 0)
        return max(0, first - self.after - 1) if self.after else 0


def read_answer(target: str, place: Place, content: bytes, *, rewound: bool = False) -> Answer:
    """Return what an answer says. A last line without an end was cut off, and is read next time.

    Raises `SourceMalformedError` for more lines than were asked for, and for lines that are not in sequence.
    """
    found = content.split(b"\n")[:-1]
    if len(found) > MOST_LINES:
        raise SourceMalformedError(f"more than {MOST_LINES} lines")
    lines = [_line(place.ledger, raw) for raw in found]
    numbers = [place.cursor, *(line.sequence for line in lines if line.sequence)]
    if numbers != sorted(set(numbers)):
        raise SourceMalformedError("lines are not in sequence")
    return Answer(target=target, ledger=place.ledger, after=place.cursor, lines=lines, rewound=rewound)


def _line(ledger: str, raw: bytes) -> Line:
    try:
        line = parse_line(raw)
    except UsageLineError:
        return _refused(raw, _sequence_of(raw), Refused.MALFORMED)
    if line.ledger != ledger:
        return _refused(raw, line.sequence, Refused.FOREIGN)
    if isinstance(line, UsageRecord) and implausible(line):
        return _refused(raw, line.sequence, Refused.IMPLAUSIBLE)
    return line


def _refused(raw: bytes, sequence: int, reason: Refused) -> RefusedLine:
    text = raw[:KEPT_BYTES].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return RefusedLine(sequence=sequence, reason=reason, text=text)


def _sequence_of(raw: bytes) -> int:
    """Return the sequence number of a faulty line, so that it does not block those after it."""
    try:
        found = json.loads(raw)["sequence"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
    return found if type(found) is int and 0 < found < 2**62 else 0
