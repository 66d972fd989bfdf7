"""Two pages of a real guest at work, some seconds apart: the pattern of every simulated page."""

import tempfile
import time
from pathlib import Path

from tests.bench.simulator.captured import Capture
from tests.bench.simulator.pattern import Token
from tests.lab.guest import AGENT_CHANNEL, MIB, Disk, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.metadata import nova
from tests.lab.process import until
from tests.lab.served import Served, serving
from tests.lab.workload import Workload

VCPUS = 4
_APART_SECONDS = 5.0
# A scrape takes long where much else runs.
_PATIENCE_SECONDS = 60.0
_LIMITS = {"total_bytes_sec": 1 << 30, "total_iops_sec": 100_000}
_WORK = Workload(
    read_bytes=MIB,
    write_bytes=MIB,
    flushes=2,
    cpu_seconds=0.1,
    memory_bytes=8 * MIB,
    packets=20,
    period_seconds=1,
)


def captured() -> Capture:
    """Boot a guest of Nova's kind on a private hypervisor, and scrape its collector twice."""
    with (
        tempfile.TemporaryDirectory(prefix="hostcollector-simulator-") as directory,
        PrivateHypervisor.start() as host,
    ):
        guest = host.boot_all([_guest()], GuestImage.build())[0]
        try:
            with serving(host.uri_readonly, Path(directory)) as served:
                return _scraped_twice(served)
        finally:
            guest.destroy()


def _guest() -> Guest:
    """Return the guest. Tokens name what differs from guest to guest, and are replaced on each page."""
    return Guest(
        name=Token.DOMAIN,
        uuid=Token.UUID,
        vcpus=VCPUS,
        disks=(Disk(iotune=_LIMITS),),
        devices=AGENT_CHANNEL,
        metadata=nova(
            project_id=Token.TENANT,
            project_name=Token.PROJECT,
            instance_name=Token.SERVER,
        ),
        workload=_WORK,
    )


def _scraped_twice(served: Served) -> Capture:
    """Return two pages on which every source has answered, the guest's balloon too."""

    def complete() -> bool:
        return "libvirt_domain_memory_stats_usable_bytes{" in served.text(_PATIENCE_SECONDS)

    until(complete, 60.0, "a page with the balloon's figures")
    before, began = served.text(_PATIENCE_SECONDS), time.time()
    time.sleep(_APART_SECONDS)
    after, at = served.text(_PATIENCE_SECONDS), time.time()
    return Capture(before, after, at - began, at)
