"""Backing images, block jobs and backups of a real disk are on the page as virsh reports them."""

import re
import subprocess
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.lab.fixtures import Boot
from tests.lab.guest import MIB, Disk, Guest, disk_file
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Served, serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

BACKING = "libvirt_domain_block_backing_images"
PROGRESS = "libvirt_domain_block_job_progress_ratio"
REMAINING = "libvirt_domain_block_job_remaining_bytes"
JOBS = "hostcollector_host_domain_jobs_total"
BLOCK_JOBS = "hostcollector_host_domain_block_jobs_total"
SIZE = 16 * MIB


@pytest.fixture
def guest(boot: Boot) -> RunningGuest:
    """Give a guest with data on its disk, behind its boot sector."""
    running = boot(Guest(name="block-jobs", memory_mib=32, disks=(Disk(size=SIZE),), nics=0, workload=None))
    with disk_file(running.directory, 0).open("r+b") as file:
        file.seek(MIB)
        file.write(b"\1" * (SIZE - MIB))
    return running


def test_a_backup_a_copy_and_a_snapshot(
    guest: RunningGuest, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """One after the other on one disk: each is on the page while it lasts, and counted at its end."""
    with serving(hypervisor.uri_readonly, tmp_path) as served, guest.domain() as domain:
        assert served.page().one(BACKING, uuid=guest.guest.uuid) == 0
        _back_up(domain, guest, served)
        _copy(domain, guest, served, hypervisor)
        domain.snapshotCreateXML(
            "<domainsnapshot><disks><disk name='vda' snapshot='external'>"
            f"<source file='{guest.directory}/layer.qcow2'/></disk></disks></domainsnapshot>",
            libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA,
        )
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "layered", None, None, 0)
        served.page_where(
            lambda page: page.one(BACKING, uuid=guest.guest.uuid) == 1, "the image under the snapshot"
        )


def _back_up(domain: Any, guest: RunningGuest, served: Served) -> None:
    """Make a backup that takes less time than a scrape."""
    target = guest.directory / "backup.qcow2"
    domain.backupBegin(
        "<domainbackup><disks><disk name='vda' type='file'><driver type='qcow2'/>"
        f"<target file='{target}'/></disk></disks></domainbackup>",
        None,
    )
    page = served.page_where(
        lambda page: page.one(JOBS, operation="backup", result="completed") == 1, "the end of the backup"
    )
    assert page.one(JOBS, operation="backup", result="failed") == 0


def _copy(domain: Any, guest: RunningGuest, served: Served, hypervisor: PrivateHypervisor) -> None:
    """Copy the disk so slowly that pages are made meanwhile; then cancel the copy."""
    uuid = guest.guest.uuid
    domain.blockCopy(
        "vda",
        f"<disk type='file'><source file='{guest.directory}/copy.raw'/><driver type='raw'/></disk>",
        {libvirt.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: MIB},
        libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB,
    )
    # libvirt has no event for the begin of a block job: the next event of the guest shows its mirror.
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "copied", None, None, 0)
    page = served.page_where(lambda page: bool(page.all(PROGRESS, uuid=uuid)), "the progress of the copy")
    command = ("virsh", "--readonly", "-c", hypervisor.uri_readonly, "blockjob", guest.guest.name, "vda")
    reported = subprocess.run([*command, "--raw"], capture_output=True, text=True, check=True).stdout
    done, end = (int(re.findall(rf"{word}=(\d+)", reported)[0]) for word in ("cur", "end"))
    shown = page.one(PROGRESS, uuid=uuid, target_device="vda", operation="copy")
    assert 0 < end == SIZE
    assert shown <= done / end <= shown + 0.3
    assert page.one(REMAINING, uuid=uuid, operation="copy") == pytest.approx((1 - shown) * SIZE)
    domain.blockJobAbort("vda")
    until(lambda: not domain.blockJobInfo("vda"), 10, "the end of the copy")
    ended = served.page_where(
        lambda page: page.one(BLOCK_JOBS, operation="copy", result="canceled") == 1, "the copy's end"
    )
    assert not ended.all(PROGRESS, uuid=uuid)
