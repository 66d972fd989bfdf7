"""Newer libvirt and QEMU than this machine's own, from Debian's later releases, under some of the faults."""

from collections.abc import Iterator
from dataclasses import dataclass

import libvirt
import pytest

from tests.lab.connection import connected
from tests.lab.image import GuestImage
from tests.lab.matrix.harm import EVERYTHING, LIBVIRT, MONITOR, Harm
from tests.lab.matrix.reading import both, lacks, shows
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import Scene, scene
from tests.lab.root_tree import LIBVIRT as PACKAGES
from tests.lab.root_tree import root_tree

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(1200)]

UP = "libvirt_up"
TIMED_OUT = "libvirt_domain_timed_out"
READ_BYTES = "libvirt_domain_block_stats_read_bytes_total"
UNKNOWN_FIELDS = "hostcollector_libvirt_unknown_fields"


@dataclass(frozen=True, slots=True)
class Released:
    """A scene on the libvirt of a release."""

    scene: Scene
    version: str


@pytest.fixture(scope="module", params=["trixie", "forky"])
def released(
    request: pytest.FixtureRequest, guest_image: GuestImage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Released]:
    """Give guests under load on a release's libvirtd and QEMU."""
    tree = root_tree("matrix", request.param, PACKAGES)
    with scene(guest_image, tmp_path_factory.mktemp(request.param), tree=tree) as on_it:
        yield Released(on_it, _version(on_it.hypervisor.uri_readonly))


def _version(uri: str) -> str:
    with connected(uri, readonly=True) as connection:
        number = connection.getLibVersion()
    assert number > libvirt.getVersion(), "not newer than the machine's own"
    return f"{number // 1_000_000}.{number // 1000 % 1000}"


def test_its_qemu_is_stopped(released: Released, begin: Begin) -> None:
    """The stopped guest is marked, its monitor series are absent; no statistics field is unknown."""
    guest = released.scene.guests[0]
    with begin(f"libvirt {released.version}: QEMU stopped", released.scene.watched) as row:
        row.see(shows(UNKNOWN_FIELDS, 0), "each statistics field is known")
        for _ in row.each_round():
            with row.fault(Harm.to([guest], MONITOR)):
                guest.stop()
                try:
                    row.see(both(shows(TIMED_OUT, 1, guest), lacks(READ_BYTES, guest)), "it is marked")
                    row.keep_scraping(3)
                finally:
                    guest.cont()


def test_its_qemu_is_killed(released: Released, begin: Begin) -> None:
    """The guest leaves the page, and is whole on it after its next start."""
    with begin(f"libvirt {released.version}: QEMU killed", released.scene.watched) as row:
        for _ in row.each_round():
            guest = released.scene.guests[0]
            with row.fault(Harm.to([guest], EVERYTHING)):
                guest.kill()
                row.bury(guest)
                row.keep_scraping()
                row.revive(guest)
                released.scene.boot_again(0)


def test_its_libvirtd_is_killed(released: Released, begin: Begin) -> None:
    """The page says so, and all is back after its next start."""
    with begin(f"libvirt {released.version}: libvirtd killed", released.scene.watched) as row:
        for _ in row.each_round():
            with row.fault(Harm(everywhere=LIBVIRT)):
                released.scene.hypervisor.kill()
                row.see(shows(UP, 0), "libvirt is down")
                row.keep_scraping(3)
                released.scene.hypervisor.restart()
