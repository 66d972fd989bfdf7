"""Draws the pictures of docs/tenant-store.md anew, from a run: ``make pictures``.

``python -m tests.tenant_store.pictures docs`` runs it, writes the pictures there and prints what it
found. It takes seven minutes.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.lab import laboratory
from tests.lab.image import GuestImage
from tests.tenant_store.drawing import Chart, Line, Rows, Sheet, Span
from tests.tenant_store.story import BACK, CUT, WINDOW, Story, perform
from tests.tenant_store.two_hosts import INTERVAL, two_hosts

STORE = "VictoriaMetrics"
WORDS = ("tenant acme", "tenant globex")
AROUND_SECONDS = 45.0
"""What the picture of the gap shows before and after it."""


def main(folder: str) -> int:
    """Run, draw, and print the figures."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as directory,
        two_hosts(GuestImage.build(), Path(directory)) as scene,
    ):
        story = perform(scene)
    for name, picture in drawn(story).items():
        (Path(folder) / name).write_text(picture)
    _report(story)
    return 0


def drawn(story: Story) -> dict[str, str]:
    """Return the pictures by the names of their files."""
    cut = story.event(CUT)
    start, end = max(cut.start - AROUND_SECONDS, story.event(BACK).end), cut.end + AROUND_SECONDS
    return {
        "tenant-migration.svg": _picture(
            story, "Two live migrations and a change of tenant in the store", story.start, cut.start - 1
        ),
        "tenant-gap.svg": _picture(
            story, "A host that vmagent cannot reach is a gap in the store", start, min(end, story.end)
        ),
    }


def _picture(story: Story, title: str, start: float, end: float) -> str:
    kept = story.kept[STORE]
    spans = [
        Span(event.what, event.start, event.end)
        for event in sorted(story.events, key=lambda event: event.start)
        if event.end > start and event.start < end
    ]
    sheet = Sheet(title, start, end, spans, WORDS)
    marks = {
        f"host {number}": [
            (at, f"tenant {tenant}" if tenant else "") for at, tenant in scrapes if start <= at <= end
        ]
        for number, scrapes in enumerate(story.carried, 1)
    }
    sheet.rows(Rows("Scrapes of each host's tenant page; filled where the VM is on it", marks))
    samples, rate = (_named(lines, start, end) for lines in (kept.samples, kept.rate))
    sheet.chart(Chart("vm_cpu_seconds_total as stored, seconds", samples, 1.9 * INTERVAL, dots=True))
    true = [(at, _rate(story, at)) for at in _seconds(start, end) if at - WINDOW > story.start]
    title = f"rate(vm_cpu_seconds_total[{WINDOW:g}s]); dashed: what the kernel counted for the VM"
    sheet.chart(Chart(title, rate, 2.0, behind=true))
    return sheet.svg()


def _named(lines: Mapping[str, Line], start: float, end: float) -> dict[str, Line]:
    return {
        f"tenant {tenant}": [point for point in line if start <= point[0] <= end]
        for tenant, line in lines.items()
    }


def _seconds(start: float, end: float) -> list[float]:
    return [start + second for second in range(int(end - start))]


def _rate(story: Story, at: float) -> float:
    return (story.truth.at(at) - story.truth.at(at - WINDOW)) / WINDOW


def _report(story: Story) -> None:
    """Print what the texts beside the pictures say."""
    cut = story.event(CUT)
    for event in story.events:
        print(f"{event.start - story.start:6.1f} to {event.end - story.start:6.1f} s: {event.what}")
    for name, kept in story.kept.items():
        absent = [at for at in kept.absent if at < cut.start]
        count = sum(len(line) for line in kept.samples.values())
        print(f"{name}: {count} samples; absent at {len(absent)} moments before a host was cut off")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("into which folder? make pictures")
    sys.exit(main(sys.argv[1]))
