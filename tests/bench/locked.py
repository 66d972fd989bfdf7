"""A collector that starts while libvirt holds the lock of one guest: how soon it shows the others.

The guest's QEMU is frozen, which simulates uninterruptible sleep, and then destroyed: libvirt waits for its
end with the lock held, for longer than a minute.
"""

import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.lab.frozen import frozen
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import end, spawn
from tests.lab.running import RunningGuest
from tests.lab.served import starting
from tests.lab.trees import inside

LOCKED_SECONDS = 2.0
LOOKS = (1, 2, 5, 10, 20, 40, 60)
"""At how many seconds after the start there is a look."""


def show(hypervisor: PrivateHypervisor, guests: Sequence[RunningGuest]) -> None:
    """Lock the last guest, which does not survive it, start a collector, and print what it shows when."""
    locked, others = guests[-1], guests[:-1]
    wanted = {guest.guest.uuid for guest in others}
    with tempfile.TemporaryDirectory() as name, frozen(locked):
        directory = Path(name)
        configuration = directory / "config.yml"
        configuration.write_text(f"paths: {{state_directory: {directory / 'state'}}}\n")
        flag = f"--config.file={configuration}"
        order = ["virsh", "-c", hypervisor.uri, "destroy", locked.guest.name]
        destroying = spawn(order, directory / "virsh.log")
        try:
            time.sleep(LOCKED_SECONDS)
            with starting(hypervisor.uri_readonly, directory, flag, within=inside()) as served:
                began = time.monotonic()
                for at in LOOKS:
                    time.sleep(max(0.0, at - (time.monotonic() - began)))
                    seen = "no page"
                    with suppress(OSError):
                        page = served.page()
                        uuids = {value for _, labels in page.series for key, value in labels if key == "uuid"}
                        seen = f"{len(uuids & wanted)} of {len(wanted)} others"
                    waits = "locked" if destroying.poll() is None else "no longer locked"
                    print(f"one guest {waits}, {at} s after the collector's start: {seen}", flush=True)
        finally:
            end(destroying)
