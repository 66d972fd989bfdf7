"""Draws the README's picture of the status page: that of the simulated host with eight GPUs, in Chromium.

``python -m tests.simulated.screenshot FILE``; ``make screenshot``. Needs Chromium (Debian: chromium), which
nothing else here needs. The sources nvml, redfish and vfio read the simulated host; what libvirt reports of
its guests is written here.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hostcollector import __version__
from hostcollector.base.model import Family, Metric, Report, Snapshot, SourceState
from hostcollector.catalogue import block, collection, cpu, guest, interface, memory
from hostcollector.outputs.status_page import DaemonFacts, render
from hostcollector.outputs.top.page import page_of
from tests.simulated.gpu_host import GUESTS, gpu_host
from tests.simulated.gpus import work

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1280, 1310)
"""Pixels; the height ends below the last guest."""

PAUSED = "desk-2"
OFF = tuple(
    Report(source=name, state=SourceState.OFF, off=f"{name}.url is not set") for name in ("ndfc", "ufm")
)
TAKEN_AT = 1_790_000_000.0
"""When the first of the two collections was made, as a Unix time."""


def main(file: Path) -> int:
    """Write the picture; 1 where there is no browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"none of {', '.join(BROWSERS)} is installed", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="hostcollector-screenshot-") as name:
        directory = Path(name)
        page = directory / "page.html"
        daemon = DaemonFacts(version=__version__, uptime=3 * 86400 + 4 * 3600, telemetry_path="/metrics")
        snapshot = _snapshot(directory / "host")
        before, now = (_with_guests(snapshot, at) for at in (0.0, 15.0))
        page.write_text(render(now, daemon, page_of(before)))
        picture = directory / "page.png"
        flags = (
            # As root Chromium has no sandbox; the page is ours and has no script.
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *(f"--window-size={SIZE[0]},{SIZE[1]}", f"--user-data-dir={directory / 'profile'}"),
        )
        subprocess.run(
            [browser, *flags, f"--screenshot={picture}", page.as_uri()],
            check=True,
            timeout=60,
            stderr=subprocess.DEVNULL,
        )
        shutil.copyfile(picture, file)
    return 0


def _snapshot(directory: Path) -> Snapshot:
    directory.mkdir()
    with gpu_host(directory) as host:
        host.settled()
        work(host)
        host.heard()
        return host.snapshot()


def _with_guests(snapshot: Snapshot, at: float) -> Snapshot:
    """Return the snapshot with what libvirt and the kernel report of guests that worked for `at` seconds.

    One guest's disk is full.
    """
    series: dict[Metric, dict[tuple[str, ...], float]] = {
        collection.LIBVIRT_UP: {(): 1.0},
        collection.VERSIONS_INFO: {("10.0.2", "11.3.0", "11.3.0"): 1.0},
    }
    for number, member in enumerate(GUESTS):
        identity = (member.tenant.id, member.domain.name, member.domain.uuid)
        full = member.domain.name == PAUSED
        state = ("paused", "ioerror") if full else ("running", "booted")
        series.setdefault(guest.STATE_REASON, {})[(*identity, *state)] = 1.0
        for row, labels, value in _work(0.0 if full else at, number):
            series.setdefault(row, {})[(*identity, *labels)] = value
    report = Report(source="libvirt_state", state=SourceState.OK, sample_count=len(GUESTS), duration=0.004)
    written = tuple(Family(row, values) for row, values in series.items())
    return replace(
        snapshot,
        taken_at=TAKEN_AT + at,
        families=(*written, *(family for family in snapshot.families if family.metric not in series)),
        reports=(report, *snapshot.reports, *OFF),
        facts={"libvirt_uri": "qemu:///system"},
    )


def _work(seconds: float, number: int) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
    """Yield what a guest with four vCPUs has done; each does a little more than the one before."""
    share = (number + 1) / (len(GUESTS) + 1)
    for vcpu in "0123":
        yield cpu.VCPU_TIME, (vcpu,), seconds * share
        yield cpu.VCPU_DELAY, (vcpu,), seconds * share / 400
    yield memory.RSS, (), 2**34 * (number + 1)
    yield memory.USED_PERCENT, (), 40.0 + 50 * share
    for row, rate in (
        (block.READ_BYTES, 48e6),
        (block.WRITE_BYTES, 23e6),
        (block.READ_REQUESTS, 420),
        (block.WRITE_REQUESTS, 310),
    ):
        yield row, ("vda",), seconds * share * rate
    yield interface.RECEIVE_BYTES, ("tap0",), seconds * share * 110e6
    yield interface.TRANSMIT_BYTES, ("tap0",), seconds * share * 64e6


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
