"""A collector that starts while libvirt holds the lock of one guest shows the others."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.fixtures import BootAll
from tests.lab.frozen import frozen
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import end, spawn
from tests.lab.served import Page, serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

GUESTS = 5
# libvirt waits about so long for the end of a QEMU before it holds on to the guest for good.
LOCKED_SECONDS = 2.0
READ_BYTES = "libvirt_domain_block_stats_read_bytes_total"
STATE = "libvirt_domain_info_state"


def _shown(page: Page, name: str) -> set[str]:
    return {dict(labels)["uuid"] for labels in page.all(name)}


def test_a_start_beside_a_locked_guest_shows_all_others(
    boot_all: BootAll, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """Libvirt's own list waits for the guest that it ends; the others are found one by one, and are whole."""
    guests = boot_all(Guest.idle(f"locked-{number}") for number in range(GUESTS))
    locked, others = guests[0], {guest.guest.uuid for guest in guests[1:]}
    with frozen(locked), ExitStack() as ending:
        destroying = spawn(
            ["virsh", "-c", hypervisor.uri, "destroy", locked.guest.name], tmp_path / "virsh.log"
        )
        ending.callback(end, destroying)
        time.sleep(LOCKED_SECONDS)

        def whole(page: Page) -> bool:
            return others <= (_shown(page, STATE) & _shown(page, READ_BYTES))

        with serving(hypervisor.uri_readonly, tmp_path) as served:
            served.page_where(whole, "all others, whole", 40)
            assert destroying.poll() is None, "libvirt has let go of the guest"
