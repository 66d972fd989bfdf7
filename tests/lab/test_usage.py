"""Usage records over real guests: their sums are what the guests themselves have counted."""

import signal
import time
from pathlib import Path

import pytest

from tests.lab.fixtures import Boot
from tests.lab.guest import MIB, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import own_tenant
from tests.lab.metered import metering, show, total
from tests.lab.process import slowness
from tests.lab.wall_clock import WallClock
from tests.lab.workload import SECTOR, Workload

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


def test_a_guest_is_recorded_to_the_byte_across_the_hour(
    boot: Boot, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """The daemon is killed while the guest works, and the hour ends: no byte and no packet is missing."""
    work = Workload(
        read_bytes=3 * MIB, write_bytes=2 * MIB, packets=300, packet_bytes=400, packets_per_second=100
    )
    clock = WallClock(tmp_path)
    with metering(hypervisor.uri_readonly, tmp_path / "host", clock.within) as first:
        for _ in range(2):
            first.scrape()
        hour = clock.set_before_the_hour(20 * slowness())  # for the boot and the work
        first.scrape()
        began = time.time()
        guest = boot(Guest(name="usage-truth", metadata=own_tenant("acme"), workload=work))
        booted = time.time()
        first.scrape()
        guest.account("ready")
        first.scrape()
        first.served.child.send_signal(signal.SIGKILL)
        first.served.child.wait()
    account = guest.account()
    with metering(hypervisor.uri_readonly, tmp_path / "host", clock.within) as second:
        second.scrape()
        clock.wait_until(hour + 0.5)
        second.scrape()
        guest.destroy()
        ended = time.time()
        records = second.ended(guest.guest.uuid)
    show(records)
    disk, nic = account.disks["vda"], account.nics["eth0"]
    assert len({record.hour for record in records}) == 2
    assert len({record.life for record in records}) == 1
    assert {record.tenant for record in records} == {"acme"}
    # The firmware reads the boot sector before the guest's kernel counts.
    assert total(records, "disk_read_bytes") == disk.read_bytes + SECTOR
    assert total(records, "disk_reads") == disk.reads + 1
    assert total(records, "disk_written_bytes") == disk.written_bytes == 2 * MIB
    assert total(records, "disk_writes") == disk.writes
    assert total(records, "network_transmitted_packets") == nic.tx_packets == 300
    assert total(records, "network_transmitted_bytes") == nic.tx_bytes == 300 * 400
    assert ended - booted - 1 <= total(records, "running_seconds") <= ended - began + 1
    assert total(records, "memory_allocated_byte_seconds") == 128 * MIB * total(records, "running_seconds")
