"""The collector inside the emulated hypervisor, where everything takes some twenty times as long."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import spawn, until
from tests.lab.served import Page, Served

COMMAND = (sys.executable, "-m", "hostcollector")
PATIENCE = 600.0
"""Seconds for the start, with all that is imported."""
SCOPES = ("libvirt_domain", "hostcollector_host")
"""How the names of a guest's series and of the host's begin. The host's come when all guests are read."""


@dataclass(frozen=True, slots=True)
class Collector:
    """A running `hostcollector serve`, and `hostcollector diagnose` beside it."""

    served: Served
    uri: str
    outbox: Path

    @classmethod
    def start(cls, uri: str, outbox: Path) -> "Collector":
        """Start `hostcollector serve`; it is not ready yet."""
        log = outbox / "hostcollector.log"
        child = spawn([*COMMAND, "serve", f"--libvirt.uri={uri}"], log)
        return cls(Served(child, "http://127.0.0.1:10177", log), uri, outbox)

    @property
    def diagnosis(self) -> Path:
        """Where `diagnose` writes."""
        return self.outbox / "diagnose.log"

    def diagnose(self) -> subprocess.Popen[bytes]:
        """Start `hostcollector diagnose`."""
        return spawn([*COMMAND, "diagnose", f"--libvirt.uri={self.uri}"], self.diagnosis)

    def diagnosed(self, running: subprocess.Popen[bytes], *devices: str) -> str:
        """Return what `diagnose` says; it is started once more if it had no time to read all the devices."""
        running.wait()
        if not all(device in self.diagnosis.read_text() for device in devices):
            self.diagnose().wait()
        return self.diagnosis.read_text()

    def page_with_owner(self, vf: str, uuid: str, vfs: int) -> Page:
        """Return the first page with all VFs and the GPU, on which the VF is the guest's.

        Without a `uuid` it is no guest's. After a while it is the page that there is: what is wrong with it
        is for the tests to say.
        """
        until(self.is_ready, PATIENCE, f"the collector, see {self.served.log}")
        wanted = {uuid} if uuid else set()

        def shown(page: Page) -> bool:
            gpus = sum(len(page.all(f"{scope}_gpu_info")) for scope in SCOPES)
            found = sum(len(page.all(f"{scope}_vf_info")) for scope in SCOPES)
            return _owners(page, vf) == wanted and (found, gpus) == (vfs, 1)

        deadline = time.monotonic() + PATIENCE / 2
        page = self.served.page(PATIENCE)
        while not shown(page) and time.monotonic() < deadline:
            time.sleep(0.2)
            page = self.served.page(PATIENCE)
        return page

    def is_ready(self) -> bool:
        """Whether the collector has read its guests."""
        try:
            return self.served.ready()
        except TimeoutError:  # it is there, and busy
            return False


def _owners(page: Page, vf: str) -> set[str]:
    return {dict(labels)["uuid"] for labels in page.all("libvirt_domain_vf_info", vf=vf)}
