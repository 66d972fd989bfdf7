"""Draws the README's picture of the status page: that of the simulated host with eight GPUs, in Chromium.

``python -m tests.simulated.screenshot FILE``; ``make screenshot``. Needs Chromium (Debian: chromium), which
nothing else here needs. The sources nvml, redfish and vfio read the simulated host; what libvirt reports of
its guests is written here.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from hostcollector import __version__
from hostcollector.base.model import Family, Report, Snapshot, SourceState
from hostcollector.catalogue import collection, guest
from hostcollector.outputs.status_page import DaemonFacts, render
from tests.simulated.gpu_host import GUESTS, gpu_host
from tests.simulated.gpus import work

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (900, 1210)
"""Pixels; the height ends below the last guest."""

PAUSED = "desk-2"


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
        page.write_text(render(_snapshot(directory / "host"), daemon))
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
        return _with_libvirt(host.snapshot())


def _with_libvirt(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with what libvirt reports: versions and states; one guest's disk is full."""
    states: dict[tuple[str, ...], float] = {}
    for member in GUESTS:
        identity = (member.tenant.id, member.domain.name, member.domain.uuid)
        full = member.domain.name == PAUSED
        states[(*identity, *(("paused", "ioerror") if full else ("running", "booted")))] = 1.0
    families = (
        Family(collection.LIBVIRT_UP, {(): 1.0}),
        Family(collection.VERSIONS_INFO, {("10.0.2", "11.3.0", "11.3.0"): 1.0}),
        Family(guest.STATE_REASON, states),
    )
    report = Report(source="libvirt_state", state=SourceState.OK, sample_count=len(states), duration=0.004)
    return replace(
        snapshot,
        families=(*families, *snapshot.families),
        reports=(report, *snapshot.reports),
        facts={"libvirt_uri": "qemu:///system"},
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
