"""A guest whose QEMU does not answer costs its own monitor series, and nothing else."""

import re
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.fixtures import BootAll
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.served import Page, serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

GUESTS = 20
BUDGET_SECONDS = 8.5
READ_BYTES = "libvirt_domain_block_stats_read_bytes_total"
BALLOON = "libvirt_domain_memory_stats_current_balloon_bytes"
VCPU_TIME = "libvirt_domain_vcpu_time_seconds_total"
DOMAIN_COUNTER = re.compile("libvirt_domain_.*_total")
BLOCKED = "libvirt_domain_monitor_blocked_seconds"


def _counters(page: Page) -> dict[object, float]:
    return {key: value for key, value in page.series.items() if DOMAIN_COUNTER.fullmatch(key[0])}


@pytest.mark.parametrize("hung", [1, 5])
def test_hung_guests_cost_only_their_own_monitor_series(
    hung: int, boot_all: BootAll, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """In every scrape the others are complete and the hung ones keep their fast lane; all comes back."""
    guests = boot_all(Guest.idle(f"hung{hung}-{number}") for number in range(GUESTS))
    stopped, others = guests[:hung], guests[hung:]
    with serving(hypervisor.uri_readonly, tmp_path) as served:
        before = served.page_where(
            lambda page: len(page.all(READ_BYTES)) == len(page.all(VCPU_TIME)) == GUESTS, "all guests"
        )
        complete = {guest.guest.uuid: before.names(uuid=guest.guest.uuid) for guest in guests}
        for guest in stopped:
            guest.stop()
        during = []
        for _ in range(4):
            time.sleep(2)  # longer than a finished collection answers further scrapes
            during.append(served.page())
        for guest in stopped:
            guest.cont()
        back = served.page_where(
            lambda page: all(page.names(uuid=uuid) == names for uuid, names in complete.items()),
            "all is back",
        )

    print(f"\n{hung} of {GUESTS} hung, scrapes took {[round(page.seconds, 2) for page in during]} s")
    for page in during:
        assert page.seconds < BUDGET_SECONDS
        for guest in others:
            assert page.names(uuid=guest.guest.uuid) == complete[guest.guest.uuid]
        for guest in stopped:
            names = page.names(uuid=guest.guest.uuid)
            assert not {READ_BYTES, BALLOON} & names
            assert VCPU_TIME in names
            assert page.one("libvirt_domain_timed_out", uuid=guest.guest.uuid) == 1
    for guest in stopped:
        assert during[-1].one(BLOCKED, uuid=guest.guest.uuid) > 2
    pages = [before, *during, back]
    for earlier, later in pairwise(pages):
        now = _counters(later)
        assert all(now[key] >= value for key, value in _counters(earlier).items() if key in now)
