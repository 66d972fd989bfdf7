"""libvirtd may die at any time: scrapes go on, the fast lane has no gap, and nothing is left over."""

import os
import time
from pathlib import Path

import pytest

from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import until
from tests.lab.served import Page, Served, serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1500)]

# Set for the long run: rounds of an outage, and how long each one lasts.
ROUNDS = int(os.environ.get("HOSTCOLLECTOR_LAB_ROUNDS", "4"))
OUTAGE_SECONDS = float(os.environ.get("HOSTCOLLECTOR_LAB_OUTAGE", "3"))
BACK_WITHIN_SECONDS = 10.0
FAST_LANE = "libvirt_domain_vcpu_time_seconds_total"
MONITOR_LANE = "libvirt_domain_block_stats_read_bytes_total"


def _scrape_through(served: Served, seconds: float, guests: int) -> Page:
    """Scrape every half second; in each page the fast lane of every guest must be there."""
    end = time.monotonic() + seconds
    while True:
        page = served.page()
        assert len(page.all(FAST_LANE)) == guests
        if time.monotonic() >= end:
            return page
        time.sleep(0.5)


def test_libvirtd_is_killed_again_and_again(own_hypervisor: PrivateHypervisor, tmp_path: Path) -> None:
    """No scrape fails, the fast lane has no gap, all is back soon, and no thread or descriptor is left."""
    guests = 5
    own_hypervisor.boot_all(Guest.idle(f"outage-{number}") for number in range(guests))
    with serving(own_hypervisor.uri_readonly, tmp_path) as served:
        served.page_where(lambda page: len(page.all(MONITOR_LANE)) == guests, "all guests")
        _scrape_through(served, 2, guests)
        sizes = []
        for _ in range(ROUNDS):
            own_hypervisor.kill()
            down = _scrape_through(served, OUTAGE_SECONDS, guests)
            assert down.one("libvirt_up") == 0
            assert not down.all(MONITOR_LANE)
            own_hypervisor.restart()
            served.page_where(
                lambda page: len(page.all(MONITOR_LANE)) == guests and page.one("libvirt_up") == 1,
                "everything after a restart of libvirtd",
                BACK_WITHIN_SECONDS,
            )
            _scrape_through(served, 1, guests)
            sizes.append((served.threads(), served.file_descriptors()))
        print(f"\nthreads and file descriptors after each round: {sizes}")
        # The first rounds may still find connections to be made; from then on nothing grows.
        assert sizes[-1][0] <= max(threads for threads, _ in sizes[:2])
        assert sizes[-1][1] <= max(descriptors for _, descriptors in sizes[:2])


def test_a_stopped_libvirtd_does_not_stop_the_page(own_hypervisor: PrivateHypervisor, tmp_path: Path) -> None:
    """A daemon that takes connections and answers nothing costs what only it knows."""
    guests = 3
    own_hypervisor.boot_all(Guest.idle(f"silent-{number}") for number in range(guests))
    with serving(own_hypervisor.uri_readonly, tmp_path) as served:
        _scrape_through(served, 1, guests)
        own_hypervisor.stop()
        time.sleep(1.5)  # a finished collection answers further scrapes for a second
        first = served.page()
        threads = served.threads()
        for _ in range(4):
            page = served.page()
            assert len(page.all(FAST_LANE)) == guests
            assert page.one("libvirt_up") == 0
        assert first.seconds < 9
        assert served.threads() <= threads + 1
        own_hypervisor.cont()
        until(lambda: len(served.page().all(MONITOR_LANE)) == guests, 10.0, "everything after SIGCONT")
