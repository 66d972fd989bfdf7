"""A guest whose disk's file system is full or whose disk's file is gone."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.guest import MIB, Disk, Guest, disk_file
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.matrix.harm import NO_HARM
from tests.lab.matrix.reading import in_state, shows
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import loaded
from tests.lab.matrix.watched import watched
from tests.lab.metadata import own_tenant
from tests.lab.workload import Workload

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

WRITES_EVERYWHERE = Workload(write_bytes=256 * 1024, flushes=1, period_seconds=1)
SMALL = "4608k"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system that has room for the guest's disk and little more."""
    directory = tmp_path / "small"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "lab", directory], check=True)
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


def test_a_guest_is_paused_by_an_io_error(
    small_disk: Path, guest_image: GuestImage, tmp_path: Path, begin: Begin
) -> None:
    """The page says that and why it is paused, lacks nothing, and it goes on when there is room."""
    victim = Guest(
        name="full",
        metadata=own_tenant("acme"),
        memory_mib=96,
        disks=(Disk(size=4 * MIB),),
        workload=WRITES_EVERYWHERE,
    )
    with PrivateHypervisor.start() as hypervisor:
        (hypervisor.directory / "guests").mkdir()
        (hypervisor.directory / "guests" / victim.name).symlink_to(small_disk)
        guests = hypervisor.boot_all([victim, loaded("well")], guest_image)
        with (
            watched(hypervisor.uri_readonly, tmp_path, guests) as seen,
            begin("paused on an I/O error (full file system)", seen) as row,
        ):
            for _ in row.each_round():
                with row.fault(NO_HARM), guests[0].domain() as domain:
                    _fill(small_disk)
                    row.see(in_state(guests[0], "paused", "ioerror"), "the guest has an I/O error")
                    row.keep_scraping()
                    (small_disk / "ballast").unlink()
                    domain.resume()
                    row.see(in_state(guests[0], "running", "unpaused"), "the guest runs again")


def _fill(directory: Path) -> None:
    """Take the place that the guest's disk needs, and what is left."""
    subprocess.run(
        ["fallocate", "--punch-hole", "--offset=4096", "--length=4M", disk_file(directory, 0)], check=True
    )
    with (directory / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)


@pytest.mark.full
def test_the_file_of_a_disk_is_removed(
    hypervisor: PrivateHypervisor, guest_image: GuestImage, tmp_path: Path, begin: Begin
) -> None:
    """A guest goes on with a file without a name, and so do its statistics."""
    guest = hypervisor.boot(loaded("removed"), guest_image)
    with (
        watched(hypervisor.uri_readonly, tmp_path, [guest]) as seen,
        begin("file of a disk removed", seen) as row,
    ):
        for _ in row.each_round():
            with row.fault(NO_HARM):
                disk_file(guest.directory, 0).rename(guest.directory / "elsewhere")
                row.see(shows("libvirt_domain_timed_out", 0, guest), "the guest is read")
                row.keep_scraping(3)
                (guest.directory / "elsewhere").rename(disk_file(guest.directory, 0))
    guest.destroy()
