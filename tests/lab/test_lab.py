"""The laboratory keeps its word: exact guests, processes that stop and go on, nothing left over."""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lab.connection import connected
from tests.lab.fixtures import Boot, BootAll
from tests.lab.guest import MIB, Disk, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.metadata import nova, own_tenant
from tests.lab.process import Process, end, spawn, until
from tests.lab.workload import SECTOR, Workload

pytestmark = pytest.mark.lab


def names(connection: Any) -> set[str]:
    """Return the names of the domains that run."""
    return {domain.name() for domain in connection.listAllDomains()}


def test_a_guest_does_exactly_the_work_it_was_given(boot: Boot) -> None:
    """Bytes, requests, flushes, frames and memory are equal to the order, and no CPU time is missing."""
    work = Workload(
        read_bytes=3 * MIB,
        write_bytes=2 * MIB,
        flushes=4,
        cpu_seconds=0.5,
        cpu_threads=2,
        memory_bytes=16 * MIB,
        packets=50,
        packet_bytes=200,
    )
    guest = boot(Guest(name="lab-exact", vcpus=2, workload=work))
    before, after = guest.account("ready"), guest.account("done")

    disk, booted = after.disks["vda"], before.disks["vda"]
    assert disk.read_bytes - booted.read_bytes == after.done.read_bytes == 3 * MIB
    assert disk.written_bytes - booted.written_bytes == after.done.written_bytes == 2 * MIB
    assert disk.flushes - booted.flushes == after.done.flushes == 4
    assert (disk.reads - booted.reads, disk.writes - booted.writes) == (48, 32)
    assert after.nics["eth0"].tx_packets == after.done.packets == 50
    assert after.nics["eth0"].tx_bytes == after.done.packet_bytes == 50 * 200
    assert after.done.touched_bytes == 16 * MIB
    # Meanwhile the kernel gives and takes a little for itself.
    assert before.memory.free - after.memory.free == pytest.approx(16 * MIB, rel=0.25)
    # The guest's clock of a thread goes on while its vCPU waits for a processor.
    assert min(after.done.cpu_seconds) >= 0.5
    assert len(after.cpus) == 2


def test_libvirt_sees_what_the_guest_did(boot: Boot, hypervisor: PrivateHypervisor) -> None:
    """QEMU's block counters are the guest's own, and the balloon reports the guest's memory."""
    guest = boot(Guest(name="lab-seen", workload=Workload(write_bytes=MIB, flushes=2)))
    account = guest.account()
    with connected(hypervisor.uri_readonly, readonly=True) as connection:
        domain = connection.lookupByName("lab-seen")
        stats = domain.blockStatsFlags("vda")
        until(lambda: "available" in domain.memoryStats(), 10.0, "the first balloon statistics")
        assert domain.memoryStats()["available"] * 1024 == account.memory.total
    disk = account.disks["vda"]
    # The firmware reads the boot sector, also when a kernel is given.
    assert (stats["rd_bytes"], stats["wr_bytes"]) == (disk.read_bytes + SECTOR, disk.written_bytes)
    assert (stats["rd_operations"], stats["wr_operations"]) == (disk.reads + 1, disk.writes)
    assert stats["flush_operations"] == disk.flushes == 2


def test_a_guest_is_what_its_description_says(boot: Boot) -> None:
    """Name, title, metadata, disks with limits, and one tap per interface are in the live XML."""
    metadata = own_tenant("acme", "Acme & Co") + nova(
        project_id="p1", project_name="Globex", instance_name="web", version="1.0"
    )
    disks = (Disk(serial="root-1"), Disk(size=MIB, iotune={"total_iops_sec": 100}))
    guest = boot(
        Guest(name="lab-described", title="A <title>", metadata=metadata, disks=disks, nics=2, workload=None)
    )
    xml = guest.xml()
    assert 'id="acme" name="Acme &amp; Co"' in xml.replace("'", '"')
    assert "http://openstack.org/xmlns/libvirt/nova/1.0" in xml
    assert "<title>A &lt;title&gt;</title>" in xml
    assert "<serial>root-1</serial>" in xml
    assert "<total_iops_sec>100</total_iops_sec>" in xml
    assert len(guest.taps()) == 2
    assert all(Path("/sys/class/net", tap).exists() for tap in guest.taps())


def test_guests_without_a_kernel_are_idle_and_quick(boot_all: BootAll) -> None:
    """They halt in their boot sector."""
    guests = boot_all([Guest.idle(f"lab-idle{number}") for number in range(4)])
    assert len({guest.qemu.pid for guest in guests}) == 4


def test_a_stopped_qemu_goes_on_and_a_killed_one_is_gone(boot: Boot, hypervisor: PrivateHypervisor) -> None:
    """The monitor answers again after the stop; after the kill libvirt lists the guest no more."""
    guest = boot(Guest.idle("lab-stopped"))
    guest.stop()
    assert guest.qemu.state() == "T"
    guest.cont()
    with connected(hypervisor.uri_readonly, readonly=True) as connection:
        assert connection.lookupByName("lab-stopped").blockStats("vda")
        guest.kill()
        until(lambda: "lab-stopped" not in names(connection), 5.0, "the domain's end")


def test_guests_outlive_a_killed_libvirtd(own_hypervisor: PrivateHypervisor) -> None:
    """The restarted libvirtd has the same guests again, by id."""
    guests = own_hypervisor.boot_all([Guest.idle("lab-a"), Guest.idle("lab-b")])
    own_hypervisor.kill()
    assert all(guest.qemu.alive() for guest in guests)
    own_hypervisor.restart()
    with connected(own_hypervisor.uri_readonly, readonly=True) as connection:
        until(lambda: names(connection) == {"lab-a", "lab-b"}, 10.0, "the guests' return")


def test_a_stopped_libvirtd_answers_no_client_until_it_goes_on(own_hypervisor: PrivateHypervisor) -> None:
    """A client that connects meanwhile waits."""
    own_hypervisor.stop()
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["virsh", "-r", "-c", own_hypervisor.uri_readonly, "list"], timeout=0.5, check=False)
    own_hypervisor.cont()
    subprocess.run(["virsh", "-r", "-c", own_hypervisor.uri_readonly, "list"], timeout=5, check=True)


@pytest.mark.parametrize("trouble", ["none", "libvirtd killed", "libvirtd stopped", "guest stopped"])
def test_nothing_is_left_of_a_closed_hypervisor(trouble: str) -> None:
    """Whatever state it was left in: no process, no directory, no control group."""
    hypervisor = PrivateHypervisor.start()
    guest = hypervisor.boot(Guest.idle(f"lab-left-{secrets.token_hex(3)}"))
    match trouble:
        case "libvirtd killed":
            hypervisor.kill()
        case "libvirtd stopped":
            hypervisor.stop()
        case "guest stopped":
            guest.stop()
    processes = hypervisor.inhabitants()
    assert guest.qemu in processes
    hypervisor.close()
    assert not any(process.alive() for process in processes)
    assert not hypervisor.directory.exists()
    # Other libvirtds' groups come and go meanwhile, which Path.rglob does not forgive.
    groups = (folder for folder, _, _ in os.walk("/sys/fs/cgroup"))
    assert not [group for group in groups if group.endswith(f"{guest.guest.name}.libvirt-qemu")]


def test_a_hypervisor_is_closed_by_a_process_that_finds_its_directory() -> None:
    """The starter was killed: another process that knows the directory ends everything."""
    code = """
import os
from tests.lab.hypervisor import Guest, PrivateHypervisor
hypervisor = PrivateHypervisor.start()
hypervisor.boot(Guest.idle("lab-orphan"))
print(hypervisor.directory, flush=True)
os.abort()"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    found = PrivateHypervisor.adopt(Path(killed.stdout.strip()))
    processes = found.inhabitants()
    assert len(processes) == 2
    found.close()
    assert not any(process.alive() for process in processes)
    assert not found.directory.exists()


def test_the_image_is_built_once(guest_image: GuestImage) -> None:
    """A second build returns the same files untouched."""
    stamp = guest_image.initramfs.stat().st_mtime_ns
    assert GuestImage.build() == guest_image
    assert guest_image.initramfs.stat().st_mtime_ns == stamp


def test_a_process_is_not_mistaken_for_a_later_one(tmp_path: Path) -> None:
    """Neither alive nor ended: a number with another start time belongs to a stranger."""
    child = spawn(["sleep", "60"], tmp_path / "log")
    stranger = Process(child.pid, started=Process.of(child.pid).started - 1)
    stranger.end()
    assert not stranger.alive()
    assert child.poll() is None
    end(child)
    with pytest.raises(ProcessLookupError):
        Process.of(child.pid)
