"""Orders to a libvirtd by `virsh`, which has a few seconds for each."""

import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.lab.guest import Guest, domain_xml, make_disks
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.running import RunningGuest

PATIENCE_SECONDS = 6.0


class Virsh:
    """Creates guests and describes them; what it created ends with it."""

    def __init__(self, hypervisor: PrivateHypervisor, directory: Path) -> None:
        self._hypervisor = hypervisor
        self._directory = directory
        self._created: list[Guest] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for guest in self._created:
            with suppress(OSError, ValueError):  # it never came to be
                self._hypervisor.running(guest).destroy()

    def orders(self, healthy: RunningGuest) -> tuple[str, str]:
        """Return how long it took to create a guest and to describe a healthy one."""
        guest = Guest.idle(f"created-{len(self._created)}")
        self._created.append(guest)
        directory = self._directory / guest.name
        directory.mkdir()
        make_disks(guest, directory)
        file = directory / "domain.xml"
        file.write_text(domain_xml(guest, directory, None))
        return self._order("create", str(file)), self._order("dumpxml", healthy.guest.name)

    def _order(self, *words: str) -> str:
        began = time.monotonic()
        command = ["virsh", "-c", self._hypervisor.uri, *words]
        try:
            done = subprocess.run(
                command, check=False, timeout=PATIENCE_SECONDS, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            return "**hangs**"
        return f"{time.monotonic() - began:.2f} s" if done.returncode == 0 else done.stderr.strip()[:60]
