"""What the tenant page costs beside the operator's: one daemon with and without its scrapes, in pairs.

``python -m tests.bench.tenant_page``; BENCH_GUESTS and BENCH_PAIRS change the size. Each half of a pair is a
minute in short: four scrapes of the operator's page, in one half with one of the tenant page after them. The
halves change places in every second pair, so that what else the machine does meets both.
"""

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from hostcollector.outputs.tenant_page import PATH
from tests.bench.cost import PAUSE_SECONDS, cpu_seconds, get
from tests.bench.fleet import Fleet
from tests.lab import laboratory
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.matrix.proxy import proxied
from tests.lab.served import Served, serving

GUESTS = int(os.environ.get("BENCH_GUESTS", "100"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "10"))
LOOKS = 10
SCRAPES = 4
"""Of the operator's page for each of the tenant page: every 15 s and every 60 s."""

TENANTS = "names:\n  - {pattern: 'bench-*', tenant: acme}\n"


@dataclass(frozen=True, slots=True)
class Half:
    """The CPU seconds of daemon and libvirtd."""

    daemon: float
    libvirtd: float


def main() -> int:
    """Boot the guests, measure the pairs, print them and their medians."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    with PrivateHypervisor.start() as hypervisor, tempfile.TemporaryDirectory() as name:
        fleet = Fleet(hypervisor)
        fleet.grow(GUESTS)
        with serving(
            hypervisor.uri_readonly, Path(name), f"--config.file={_configuration(Path(name))}"
        ) as served:
            _half(fleet, served, tenants=True)  # caches are warm for both
            series = get(f"{served.url}{PATH}").count(b"\nvm_")
            print(f"{GUESTS} guests, {series} series on the tenant page, {PAIRS} pairs", flush=True)
            pairs = [_pair(fleet, served, number) for number in range(PAIRS)]
        asked = _requests(fleet, Path(name))
    for what in ("daemon", "libvirtd"):
        ratios = [getattr(both, what) / getattr(alone, what) for alone, both in pairs]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"CPU of the {what}, with the tenant page: {statistics.median(ratios):.3f} times ({spread})")
    for page, requests in asked.items():
        print(f"requests to libvirtd for {LOOKS} pages of {page}: {requests}")
    return 0


def _requests(fleet: Fleet, directory: Path) -> dict[str, int]:
    """Return how many requests a daemon sends to libvirtd for pages of each kind, in turn."""
    path = directory / "proxy"
    uri = f"qemu+unix:///system?socket={path}"
    file = f"--config.file={_configuration(directory)}"
    with (
        proxied(path, fleet.hypervisor.runtime / "libvirt-sock-ro") as proxy,
        serving(uri, directory, file) as served,
    ):
        asked = dict.fromkeys(("/metrics", PATH), 0)
        for _ in range(LOOKS):
            for page in asked:
                if page != PATH:
                    time.sleep(PAUSE_SECONDS)  # the collection that the tenant page is made from is new
                before = proxy.asked
                get(f"{served.url}{page}", timeout=120)
                asked[page] += proxy.asked - before
    return asked


def _configuration(directory: Path) -> Path:
    tenants, file = directory / "tenants.yml", directory / "config.yml"
    tenants.write_text(TENANTS)
    settings = {
        "tenants": {"page": True},
        "tenancy": {"resolvers": ["map"], "map_file": str(tenants)},
        "paths": {"state_directory": str(directory / "state"), "runtime_directory": ""},
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def _pair(fleet: Fleet, served: Served, number: int) -> tuple[Half, Half]:
    turn = (False, True) if number % 2 == 0 else (True, False)
    halves = {tenants: _half(fleet, served, tenants=tenants) for tenants in turn}
    alone, both = halves[False], halves[True]
    print(
        f"{number + 1:4d} daemon {alone.daemon * 1e3:7.1f} {both.daemon * 1e3:7.1f} ms   "
        f"libvirtd {alone.libvirtd * 1e3:7.1f} {both.libvirtd * 1e3:7.1f} ms",
        flush=True,
    )
    return alone, both


def _half(fleet: Fleet, served: Served, *, tenants: bool) -> Half:
    """Scrape, and return what that took of daemon and libvirtd."""
    parts = ([served.child.pid], [fleet.hypervisor.pid])
    before = [cpu_seconds(part) for part in parts]
    for _ in range(SCRAPES):
        time.sleep(PAUSE_SECONDS)
        get(f"{served.url}/metrics", timeout=120)
    if tenants:
        get(f"{served.url}{PATH}", timeout=120)
    return Half(*(cpu_seconds(part) - start for part, start in zip(parts, before, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
