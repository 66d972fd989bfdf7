"""What changes while a guest runs is on the page at once, and the counters of the rest go on."""

from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.lab.connection import connected
from tests.lab.guest import MIB, Guest, domain_xml, make_disks
from tests.lab.matrix.harm import EVERYTHING, MONITOR, NO_HARM, Harm
from tests.lab.matrix.reading import counts, only, shows
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import Scene
from tests.lab.process import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

READS = "libvirt_domain_block_stats_read_requests_total"
RECEIVED = "libvirt_domain_interface_stats_receive_packets_total"
BALLOON = "libvirt_domain_memory_stats_current_balloon_bytes"
NAMESPACE = "urn:hostcollector:domain:1"
NIC = "<interface type='ethernet'><mac address='52:54:00:00:77:77'/><model type='virtio'/></interface>"


def _disk(file: Path) -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{file}'/>"
        "<target dev='vdb' bus='virtio'/></disk>"
    )


def test_devices_are_plugged_in_and_out(on_stage: Scene, begin: Begin) -> None:
    """A disk and an interface have series from when they come to when they go; the balloon is followed.

    While libvirt changes a guest, up to 5 s for a device that goes, it gives none of the guest's statistics.
    """
    guest = on_stage.guests[0]
    disk = on_stage.hypervisor.directory / "plugged.raw"
    with begin("disk, NIC and balloon hot-plug", on_stage.watched) as row:
        for _ in row.each_round():
            harm = Harm.to([guest], MONITOR)
            with row.fault(harm), guest.domain() as domain, disk.open("wb") as file:
                file.truncate(MIB)
                domain.attachDevice(_disk(disk))
                row.see(counts(READS, guest, 2), "the new disk is read")
                domain.attachDevice(NIC)
                row.see(counts(RECEIVED, guest, 2), "the new interface is read")
                domain.setMemory(64 * 1024)
                row.see(shows(BALLOON, 64 * MIB, guest), "the balloon has grown")
                domain.setMemory(96 * 1024)
                domain.detachDevice(NIC)
                row.see(counts(RECEIVED, guest, 1), "the interface is gone")
                domain.detachDevice(_disk(disk))
                row.see(counts(READS, guest, 1), "the disk is gone")
                row.see(shows(BALLOON, 96 * MIB, guest), "the balloon is as it was")


@pytest.mark.full
def test_snapshot_and_backup_run(on_stage: Scene, begin: Begin) -> None:
    """A disk that is snapshot, merged again and backed up goes on counting where it was."""
    guest = on_stage.guests[0]
    directory = on_stage.hypervisor.directory
    layer, copy = directory / "layer.qcow2", directory / "backup.qcow2"
    with begin("snapshot, merge and backup jobs", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(Harm.to([guest], MONITOR)), guest.domain() as domain:
                domain.snapshotCreateXML(
                    "<domainsnapshot><disks><disk name='vda' snapshot='external'>"
                    f"<source file='{layer}'/></disk></disks></domainsnapshot>",
                    libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
                    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA,
                )
                row.keep_scraping()
                domain.blockCommit("vda", None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
                until(lambda: _merged(domain), 30, "the merge of the snapshot")
                domain.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
                domain.backupBegin(
                    "<domainbackup><disks><disk name='vda' type='file'>"
                    f"<driver type='qcow2'/><target file='{copy}'/></disk></disks></domainbackup>",
                    None,
                )
                row.keep_scraping()
                until(lambda: domain.jobInfo()[0] == 0, 30, "the end of the backup")
            layer.unlink()
            copy.unlink()


def _merged(domain: Any) -> bool:
    job = domain.blockJobInfo("vda")
    return bool(job) and job["cur"] == job["end"] > 0


def test_the_tenant_changes(on_stage: Scene, begin: Begin) -> None:
    """From one page to the next all of the guest's series are the new tenant's, and none is the old one's."""
    guest = on_stage.guests[0]
    with begin("tenant change while running", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(NO_HARM), guest.domain() as domain:
                for tenant in ("globex", "acme"):
                    domain.setMetadata(
                        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                        f'<tenant id="{tenant}"/>',
                        "hc",
                        NAMESPACE,
                        libvirt.VIR_DOMAIN_AFFECT_LIVE,
                    )
                    row.see(only("tenant", tenant, guest.guest.uuid), f"it is {tenant}'s")


@pytest.mark.full
def test_the_title_changes(on_stage: Scene, begin: Begin) -> None:
    """A description that changes is one series, with the new text."""
    guest = on_stage.guests[0]
    with begin("metadata change", on_stage.watched) as row:
        for number in row.each_round():
            with row.fault(NO_HARM), guest.domain() as domain:
                title = f"title {number}"
                domain.setMetadata(
                    libvirt.VIR_DOMAIN_METADATA_TITLE, title, None, None, libvirt.VIR_DOMAIN_AFFECT_LIVE
                )
                row.see(shows("libvirt_domain_title_info", 1, guest, title=title), f"it is {title}")
                row.see(counts("libvirt_domain_title_info", guest, 1), "that is its only title")


@pytest.mark.full
def test_a_guest_is_renamed(on_stage: Scene, begin: Begin) -> None:
    """What is shut off can be renamed: after its next start all its series have the new name."""
    guest = Guest.idle("renamed-0")
    directory = on_stage.hypervisor.directory / "guests" / guest.name
    directory.mkdir(parents=True)
    make_disks(guest, directory)
    with begin("rename", on_stage.watched) as row, connected(on_stage.hypervisor.uri) as connection:
        domain = connection.defineXML(domain_xml(guest, directory, None))
        for number in row.each_round():
            with row.fault(Harm(guests={guest.uuid: EVERYTHING})):
                domain.create()
                row.see(only("domain", f"renamed-{number}", guest.uuid), "it has its name")
                domain.destroy()
                domain.rename(f"renamed-{number + 1}")
                row.see(lambda page: guest.uuid not in page.guests(), "it is gone")
        domain.undefine()
