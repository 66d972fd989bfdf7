"""Pages of simulated hosts as the database of a Prometheus: a collection a minute, the last one just now."""

import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostcollector.base.model import IDENTITY_LABELS, Snapshot
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from tests.lab.served import Labels, parse

MINUTES = 7
Series = Mapping[tuple[str, Labels], float]


@dataclass(frozen=True, slots=True)
class Recording:
    """The pages of one host, oldest first, under the name that a scrape would give it."""

    instance: str
    pages: tuple[Series, ...]
    job: str = "hostcollector"


def record(instance: str, snapshot: Callable[[], Snapshot], work: Callable[[], None]) -> Recording:
    """Make collections with some work before each, through the real encoder and back."""
    encoder, pages = Encoder(), []
    for _ in range(MINUTES):
        work()
        series = parse(encoder.encode(snapshot(), Format.TEXT).decode()).series
        pages.append({**series, **_of_every_daemon(series)})
    return Recording(instance, tuple(pages))


def _of_every_daemon(series: Series) -> Series:
    """Return what is on the page of every daemon, but not of a simulated host without libvirt."""
    guests = {frozenset(item for item in labels if item[0] in IDENTITY_LABELS) for _, labels in series}
    found = {("up", frozenset[tuple[str, str]]()): 1.0}
    found["hostcollector_build_info", frozenset({("version", "1"), ("python_version", "3")})] = 1.0
    for guest in filter(None, guests):
        found["libvirt_domain_info_virtual_cpus", guest] = 4.0
        found["libvirt_domain_tenant_info", guest | {("tenant_name", ""), ("resolver", "map")}] = 1.0
    return found


def by_another_exporter(recording: Recording) -> Recording:
    """Return the same page as another exporter of libvirt has it: the names without this project's own."""
    pages = tuple(
        {key: value for key, value in page.items() if not key[0].startswith("hostcollector_")}
        for page in recording.pages
    )
    return Recording(f"{recording.instance}:9177", pages, "libvirt")


def write(directory: Path, *recordings: Recording, now: float) -> None:
    """Write the recordings, the last page as of now, as the database of a Prometheus in the directory."""
    text = directory / "pages.txt"
    text.write_text("".join(_lines(recordings, now)))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(directory / "data")]
    subprocess.run(command, check=True, capture_output=True)


def _lines(recordings: tuple[Recording, ...], now: float) -> Iterator[str]:
    """Yield the recordings as OpenMetrics with times: by name, then by series, then by time."""
    found: dict[str, list[str]] = defaultdict(list)
    for recording in recordings:
        scraped = {"job": recording.job, "instance": recording.instance}
        scraped |= {"region": "recorded", "availability_zone": "first"}
        series: dict[tuple[str, Labels], list[str]] = defaultdict(list)
        for age, page in enumerate(reversed(recording.pages)):
            at = now - 60 * age
            for (name, labels), value in page.items():
                series[name, labels].append(f"{value!r} {at:.3f}")
        for (name, labels), points in series.items():
            text = ",".join(
                f'{label}="{_escaped(value)}"' for label, value in {**scraped, **dict(labels)}.items()
            )
            found[name] += [f"{name}{{{text}}} {point}\n" for point in reversed(points)]
    for lines in found.values():
        yield from lines
    yield "# EOF\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
