"""A balloon that is not asked each time is shown as QEMU has it all the same."""

import time
from pathlib import Path

import pytest

from tests.lab.connection import connected
from tests.lab.fixtures import Boot
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import until
from tests.lab.served import serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

NAME = "libvirt_domain_memory_stats"
PERIOD = 2


def test_every_page_has_the_drivers_last_report(
    boot: Boot, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """Report after report: what QEMU had before the scrape is on the page, or what came since."""
    guest = boot(Guest(name="balloon", balloon_period=PERIOD))
    uuid = guest.guest.uuid
    reports = set()
    with connected(hypervisor.uri_readonly, readonly=True) as connection:
        domain = connection.lookupByUUIDString(uuid)
        until(lambda: domain.memoryStats().get("last_update", 0) > 0, 45, "the driver's first report")
        with serving(hypervisor.uri_readonly, tmp_path) as served:
            for _ in range(4 * PERIOD):
                before, page, after = domain.memoryStats(), served.page(), domain.memoryStats()
                reports.add(page.one(f"{NAME}_last_update_timestamp_seconds", uuid=uuid))
                assert before["last_update"] <= max(reports) <= after["last_update"]
                if before == after:
                    assert page.one(f"{NAME}_unused_bytes", uuid=uuid) == before["unused"] * 1024
                time.sleep(1.1)  # a page is kept for a second
    assert len(reports) > 2
