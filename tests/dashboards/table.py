"""Prints which query of which panel has data, and where from: `python -m tests.dashboards.table`, as root."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.dashboards.coverage import Line, hardware, lines
from tests.dashboards.live import live
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage


def main() -> int:
    """Boot guests, record pages, ask everything, and print a line for each query; 1 if one has no reason."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hostcollector-boards-")))
        hypervisor = stack.enter_context(PrivateHypervisor.start())
        parts = [directory / "live", directory / "recorded"]
        for part in parts:
            part.mkdir()
        recorded_url = stack.enter_context(hardware(parts[1]))
        recorded_at = time.time()
        live_url = stack.enter_context(live(hypervisor, GuestImage.build(), parts[0]))
        found = list(lines(live_url, recorded_url, recorded_at))
    for text in written(found):
        print(text)
    return 1 if any(line.errors or not line.where for line in found) else 0


def written(found: list[Line]) -> Iterator[str]:
    """Yield the table, a line for each query, and what it adds up to."""
    for line in found:
        question = line.live.question
        where = line.errors or line.where or "NOTHING, AND NO REASON"
        series = f"{line.live.series:4} {line.recorded.series:4}"
        yield f"{question.board:<11} {question.panel:<58.58} {question.target} {series}  {where}"
    live = sum(1 for line in found if line.live.series)
    pages = sum(1 for line in found if line.recorded.series and not line.live.series)
    none = len(found) - live - pages
    yield f"{len(found)} queries: {live} with live data, {pages} from recorded pages, {none} without"


if __name__ == "__main__":
    sys.exit(main())
