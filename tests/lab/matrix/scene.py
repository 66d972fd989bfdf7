"""Guests under load with a collector on them, all of them well: what a fault is put into."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.guest import MIB, Disk, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.matrix.watched import Watched, watched
from tests.lab.metadata import own_tenant
from tests.lab.running import RunningGuest
from tests.lab.workload import Workload

GUESTS = int(os.environ.get("LAB_GUESTS", "6"))
"""How many guests are under load: a few on a small machine, 30 for the table."""

LOAD = Workload(
    read_bytes=256 * 1024,
    write_bytes=128 * 1024,
    flushes=1,
    cpu_seconds=0.005,
    packets=10,
    period_seconds=2,
)


@dataclass(slots=True)
class Scene:
    """A hypervisor of its own, its guests, and the collector."""

    hypervisor: PrivateHypervisor
    image: GuestImage
    guests: list[RunningGuest]
    watched: Watched

    def boot_again(self, number: int) -> None:
        """Boot a guest that has ended, as the same one."""
        self.guests[number] = self.hypervisor.boot(self.guests[number].guest, self.image)


def loaded(name: str, tenant: str = "acme") -> Guest:
    """Describe a guest that keeps its disk, its interface and its vCPU busy a little, for ever.

    Its name gets an ending of its own: libvirt names control groups by number and name, and the libvirtds of
    several scenes number their guests alike.
    """
    return Guest(
        name=f"{name}-{secrets.token_hex(3)}",
        metadata=own_tenant(tenant),
        memory_mib=96,
        disks=(Disk(size=4 * MIB),),
        workload=LOAD,
        elements="<on_crash>preserve</on_crash>",
        devices="<panic model='isa'/>",
    )


@contextmanager
def scene(
    image: GuestImage, directory: Path, more: Sequence[Guest] = (), tree: Path | None = None
) -> Iterator[Scene]:
    """Boot the guests under load, and `more`, with a collector on them for the block.

    `tree` is a root tree whose libvirtd and QEMU to take instead of the machine's.
    """
    wanted = [*more, *(loaded(f"loaded-{number}") for number in range(GUESTS))]
    with PrivateHypervisor.start(tree=tree) as hypervisor:
        guests = hypervisor.boot_all(wanted, image)
        with watched(hypervisor.uri_readonly, directory, guests) as on_them:
            yield Scene(hypervisor, image, guests, on_them)
