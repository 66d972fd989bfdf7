"""Guests whose disks QEMU counts nothing for are whole on the page all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.fixtures import BootAll
from tests.lab.guest import BOOT_SECTOR, MIB, Disk, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import end, spawn, until
from tests.lab.served import serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

SHARED_MEMORY = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
EMPTY_CD = "<disk type='file' device='cdrom'><target dev='hda' bus='ide'/><readonly/></disk>"
PARTIAL = "libvirt_domain_stats_partial"
TIMED_OUT = "libvirt_domain_timed_out"
JOB = "libvirt_domain_job_info_type"
READ_BYTES = "libvirt_domain_block_stats_read_bytes_total"
BALLOON = "libvirt_domain_memory_stats_current_balloon_bytes"


@pytest.fixture
def sockets(hypervisor: PrivateHypervisor, tmp_path: Path) -> Iterator[list[Path]]:
    """Give the sockets of two disks that another process serves over vhost-user."""
    served, children = [], []
    for number in range(2):
        file, socket = tmp_path / f"shared{number}.raw", hypervisor.directory / f"vhost-user-{number}"
        file.write_bytes(BOOT_SECTOR.ljust(MIB, b"\0"))
        command = (
            *("qemu-storage-daemon", "--blockdev", f"driver=file,node-name=disk,filename={file}"),
            *(
                "--export",
                f"vhost-user-blk,id=e,node-name=disk,writable=on,addr.type=unix,addr.path={socket}",
            ),
        )
        children.append(spawn(command, tmp_path / "storage.log"))
        until(socket.exists, 10, f"the socket {socket}")
        served.append(socket)
    yield served
    for child in children:
        end(child)


def _vhost_user(socket: Path) -> str:
    return (
        "<disk type='vhostuser' device='disk'><driver name='qemu' type='raw'/>"
        f"<source type='unix' path='{socket}'/><target dev='vdx' bus='virtio'/></disk>"
    )


def test_guests_without_counted_disks_are_no_trouble(
    boot_all: BootAll, hypervisor: PrivateHypervisor, sockets: list[Path], tmp_path: Path
) -> None:
    """They answer, their balloon and job are shown, and their disk's absence is a fact and no gap."""
    odd = [
        Guest(
            name="odd-vhost-user",
            disks=(),
            workload=None,
            elements=SHARED_MEMORY,
            devices=_vhost_user(sockets[0]),
        ),
        Guest(name="odd-both", workload=None, elements=SHARED_MEMORY, devices=_vhost_user(sockets[1])),
        Guest(name="odd-empty-cd", disks=(), workload=None, devices=EMPTY_CD),
        Guest(name="odd-none", disks=(), workload=None),
        Guest(name="plain", disks=(Disk(size=MIB),), workload=None),
    ]
    boot_all(odd)
    uuids = {guest.uuid for guest in odd}
    with serving(hypervisor.uri_readonly, tmp_path) as served:
        page = served.page_where(
            lambda page: uuids <= {dict(labels)["uuid"] for labels in page.all(BALLOON)}, "all balloons"
        )
    for uuid in uuids:
        assert page.one(TIMED_OUT, uuid=uuid) == page.one(PARTIAL, uuid=uuid) == 0
        assert page.one(JOB, uuid=uuid) == 0
    counted = {dict(labels)["domain"] for labels in page.all(READ_BYTES)}
    assert {"odd-both", "plain"} <= counted
    assert not {"odd-vhost-user", "odd-none"} & counted
    assert page.one("hostcollector_source_partial", source="libvirt_monitor") == 0
