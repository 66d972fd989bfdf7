"""A chain of records: each line has the hash of the line before it, so that a change or a gap shows.

A chain alone shows neither that its tail was cut off nor that it was written anew: the head and the count go
to the log each minute, and `verify` takes them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

FIRST = "0" * 64
"""What the first line has in place of a hash."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the number of its lines, and the hash of the last one."""

    count: int = 0
    hash: str = FIRST

    def line(self, record: Mapping[str, object]) -> tuple[bytes, "Head"]:
        """Return the next line for a record, and the head that follows."""
        number = self.count + 1
        text = json.dumps({"seq": number, "prev": self.hash, **record}, separators=(",", ":"))
        return text.encode() + b"\n", Head(number, _hash(text.encode()))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: the head of the good part, and the first fault, empty for none."""

    head: Head
    fault: str = ""


def verify(lines: Iterable[bytes], head: Head | None = None) -> Verdict:  # noqa: PLR0911 - one fault each
    """Check a chain from its first line. `head` is one from the log, which the chain must contain."""
    now, seen = Head(), head is None or head.count == 0
    for raw in lines:
        number = now.count + 1
        try:
            line = json.loads(raw)
            sequence, before = line["seq"], line["prev"]
        except (ValueError, KeyError, TypeError):
            return Verdict(now, f"line {number} is not a record: it was changed or torn")
        if sequence != number:
            return Verdict(now, f"line {number} has the number {sequence}: a line was removed or added")
        if before != now.hash:
            return Verdict(now, f"line {number - 1} or {number} was changed: the hash does not fit")
        if not raw.endswith(b"\n"):
            return Verdict(now, f"line {number} has no end: it is torn")
        now = Head(number, _hash(raw.rstrip(b"\n")))
        if head is not None and head.count == number:
            if head.hash != now.hash:
                return Verdict(
                    now, f"line {number} is another one than the log's head: the chain was rewritten"
                )
            seen = True
    if not seen:
        assert head is not None
        return Verdict(now, f"{now.count} lines, the log's head has {head.count}: the tail was cut off")
    return Verdict(now)


def lines_of(directory: Path, worker: str) -> Iterable[bytes]:
    """Yield the lines of a worker's files, the oldest first."""
    for file in files_of(directory, worker):
        with file.open("rb") as opened:
            yield from opened


def files_of(directory: Path, worker: str) -> list[Path]:
    """Return a worker's files, the oldest first."""
    return sorted(directory.glob(f"{worker}.*.jsonl"))


def head_of(line: bytes) -> Head:
    """Return the head that a line is; the first one for an empty line. Raises `ValueError`."""
    if not line:
        return Head()
    try:
        return Head(int(json.loads(line)["seq"]), _hash(line))
    except (KeyError, TypeError) as error:
        raise ValueError("not a record") from error


def workers_in(directory: Path) -> set[str]:
    """Return the workers that have a chain there."""
    return {file.name.partition(".")[0] for file in directory.glob("*.jsonl")}


def _hash(line: bytes) -> str:
    return sha256(line).hexdigest()
