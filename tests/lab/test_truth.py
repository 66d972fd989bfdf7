"""The page against the guest's own account: what a guest did is what the page says."""

import time
from pathlib import Path

import pytest

from tests.lab.fixtures import Boot
from tests.lab.guest import MIB, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.served import serving
from tests.lab.workload import SECTOR, Workload

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

BLOCK = "libvirt_domain_block_stats"
NIC = "libvirt_domain_interface_stats"
AVAILABLE = "libvirt_domain_memory_stats_available_bytes"


def test_a_guests_work_is_on_the_page_as_the_guest_counted_it(
    boot: Boot, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """Disk bytes, requests and flushes and network frames are the guest's, plus what the firmware read."""
    work = Workload(read_bytes=8 * MIB, write_bytes=4 * MIB, flushes=8, packets=500, packet_bytes=400)
    guest = boot(Guest(name="truth", vcpus=1, workload=work))
    account = guest.account()
    uuid, disk = guest.guest.uuid, account.disks["vda"]
    with serving(hypervisor.uri_readonly, tmp_path) as served:
        # The balloon's driver reports when it likes, which may be after the work.
        page = served.page_where(
            lambda page: bool(page.all(AVAILABLE, uuid=uuid)), "the driver's first report"
        )
    # The firmware reads the boot sector before the guest's kernel counts.
    assert page.one(f"{BLOCK}_read_bytes_total", uuid=uuid) == disk.read_bytes + SECTOR
    assert page.one(f"{BLOCK}_read_requests_total", uuid=uuid) == disk.reads + 1
    assert page.one(f"{BLOCK}_write_bytes_total", uuid=uuid) == disk.written_bytes == 4 * MIB
    assert page.one(f"{BLOCK}_write_requests_total", uuid=uuid) == disk.writes
    assert page.one(f"{BLOCK}_flush_requests_total", uuid=uuid) == disk.flushes == 8
    nic = account.nics["eth0"]
    assert page.one(f"{NIC}_transmit_packets_total", uuid=uuid) == nic.tx_packets == 500
    assert page.one(f"{NIC}_transmit_bytes_total", uuid=uuid) == nic.tx_bytes == 500 * 400
    assert page.one(AVAILABLE, uuid=uuid) == account.memory.total


def test_vcpu_seconds_are_what_the_guest_burned(
    boot: Boot, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """The vCPU's run time and run delay together are the guest's busy time, within three in a hundred.

    Together, because a guest under software emulation does not see that it waits for a processor.
    """
    seconds = 10.0
    guest = boot(Guest(name="truth-cpu", workload=Workload(cpu_seconds=seconds, delay_seconds=6)))
    uuid = guest.guest.uuid
    with serving(hypervisor.uri_readonly, tmp_path) as served:
        guest.account("ready")
        time.sleep(4)  # the kernel settles during the rest before the work
        before = served.page()
        burned = guest.account("done").done.cpu_seconds[0]
        after = served.page()

    def grown(name: str) -> float:
        return after.one(name, uuid=uuid, vcpu="0") - before.one(name, uuid=uuid, vcpu="0")

    ran, waited = (
        grown("libvirt_domain_vcpu_time_seconds_total"),
        grown("libvirt_domain_vcpu_delay_seconds_total"),
    )
    print(f"\nburned {burned:.3f} s in the guest; on the page it ran {ran:.3f} s and waited {waited:.3f} s")
    assert burned >= seconds
    assert ran + waited == pytest.approx(burned, rel=0.03)


def test_two_interfaces_are_seen_from_inside(
    boot: Boot, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """What the guest sent is transmitted, also though the host's tap counts it as received."""
    guest = boot(Guest(name="truth-nics", nics=2, workload=Workload(packets=40, packet_bytes=100)))
    guest.account()
    used, unused = guest.taps()
    with serving(hypervisor.uri_readonly, tmp_path) as served:
        page = served.page()
    uuid = guest.guest.uuid
    assert page.one(f"{NIC}_transmit_packets_total", uuid=uuid, target_device=used) == 40
    assert page.one(f"{NIC}_transmit_packets_total", uuid=uuid, target_device=unused) == 0
