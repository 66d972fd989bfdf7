"""Guests that come and go in waves leave nothing behind, on the page or in the collector."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.guest import Guest
from tests.lab.matrix.harm import NO_HARM
from tests.lab.matrix.reading import gone
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import Scene
from tests.lab.running import RunningGuest
from tests.lab.served import Page

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(3000)]

CHURN = int(os.environ.get("LAB_CHURN", "10"))
"""How many guests come and go in all; 1,000 for the table."""

WAVE = 10


def test_guests_come_and_go_in_waves(on_stage: Scene, begin: Begin) -> None:
    """No page but the one that was being made shows a guest that has ended, and memory stays flat."""
    with begin(f"churn of {CHURN} guests", on_stage.watched) as row:
        for wave in row.each_round(CHURN // WAVE):
            with row.fault(NO_HARM):
                wanted = [Guest.idle(f"wave{wave}-{number}") for number in range(WAVE)]
                visitors = on_stage.hypervisor.boot_all(wanted)
                uuids = {guest.uuid for guest in wanted}

                def all_there(page: Page, uuids: set[str] = uuids) -> bool:
                    shown = page.all("libvirt_domain_block_stats_read_requests_total")
                    return uuids <= {dict(labels)["uuid"] for labels in shown}

                row.see(all_there, "the whole wave is read")

                def end(visitor: RunningGuest) -> None:
                    visitor.destroy()
                    row.bury(visitor)

                with ThreadPoolExecutor(max_workers=4) as pool:
                    list(pool.map(end, visitors))
                row.see(gone(*visitors), "the wave is gone")
