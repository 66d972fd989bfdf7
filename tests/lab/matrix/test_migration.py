"""A guest that moves from one hypervisor to another is on both pages for a while, and counted once."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import libvirt
import pytest

from tests.lab.guest import MIB
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.matrix.harm import EVERYTHING, Harm
from tests.lab.matrix.promql import check
from tests.lab.matrix.reading import gone, in_state
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import loaded
from tests.lab.matrix.watched import Watched, watched
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Page
from tests.ports import reserved_port

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

README = Path(__file__).parents[3] / "README.md"
# As the README has them.
WHAT_GUESTS_HAVE = "sum by (tenant) (max by (tenant, uuid) (libvirt_domain_info_maximum_memory_bytes))"
MEMORY = "libvirt_domain_info_maximum_memory_bytes"
VCPU_TIME = "libvirt_domain_vcpu_time_seconds_total"
JOB = "libvirt_domain_job_info_type"
UNBOUNDED = 2
# So slow that some pages are made meanwhile.
MIB_PER_SECOND = 8
FLAGS = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_UNSAFE


@dataclass(frozen=True, slots=True)
class Side:
    """A hypervisor and the collector on it."""

    hypervisor: PrivateHypervisor
    watched: Watched


@contextmanager
def _side(hypervisor: PrivateHypervisor, guests: list[RunningGuest], directory: Path) -> Iterator[Side]:
    """Run a collector that sees the hypervisor's own /run, where its guests' PID files are."""
    directory.mkdir()
    inside = ("nsenter", f"--mount=/proc/{hypervisor.pid}/ns/mnt")
    with watched(hypervisor.uri_readonly, directory, guests, within=inside) as seen:
        yield Side(hypervisor, seen)


@contextmanager
def _migrating(guest: RunningGuest, target: PrivateHypervisor) -> Iterator[None]:
    """Migrate the guest during the block, which ends when it has arrived."""
    failures: list[libvirt.libvirtError] = []

    def migrate() -> None:
        parameters: dict[str, int | str] = {libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: MIB_PER_SECOND}
        try:
            with reserved_port() as port, guest.domain() as domain:
                parameters[libvirt.VIR_MIGRATE_PARAM_URI] = f"tcp://127.0.0.1:{port}"
                domain.migrateToURI3(target.uri, parameters, FLAGS)
        except libvirt.libvirtError as error:
            failures.append(error)

    mover = threading.Thread(target=migrate)
    mover.start()
    try:
        yield
    finally:
        mover.join()
    assert not failures, failures


def test_a_guest_migrates_there_and_back(guest_image: GuestImage, tmp_path: Path, begin: Begin) -> None:
    """While it is on both sides the README's queries count it once; each side counts its own QEMU's part."""
    assert f"`{WHAT_GUESTS_HAVE}`" in README.read_text()
    with PrivateHypervisor.start() as first, PrivateHypervisor.start() as second, ExitStack() as sides:
        (guest, stays) = first.boot_all([loaded("moving"), loaded("staying")], guest_image)
        (other,) = second.boot_all([loaded("elsewhere", tenant="globex")], guest_image)
        here = sides.enter_context(_side(first, [guest, stays], tmp_path / "here"))
        there = sides.enter_context(_side(second, [other], tmp_path / "there"))
        harm = Harm.to([guest], EVERYTHING)
        with (
            begin("live migration, source", here.watched) as row,
            begin("live migration, target", there.watched) as row_there,
        ):
            for _ in row.each_round():
                with row.fault(harm), row_there.fault(harm):
                    with _migrating(guest, second):
                        pages = _both_pages(here, there, guest)
                    _counted_once(pages, guest, tmp_path)
                    row.see(gone(guest), "it has left")
                    row_there.see(in_state(guest, "running", "migrated"), "it has arrived")
                    with _migrating(second.running(guest.guest), first):
                        pass
                    guest = first.running(guest.guest)
                    row_there.see(gone(guest), "it has left again")
            row_there.rounds = row.rounds


def _both_pages(here: Side, there: Side, guest: RunningGuest) -> dict[str, Page]:
    """Return a page of each side, with the guest on both and its migration on the first."""
    uuid = guest.guest.uuid
    pages: dict[str, Page] = {}

    def on_both() -> bool:
        pages.update(here=here.watched.served.page(), there=there.watched.served.page())
        migrates = UNBOUNDED in pages["here"].all(JOB, uuid=uuid).values()
        shown = (page.all(name, uuid=uuid) for page in pages.values() for name in (MEMORY, VCPU_TIME))
        return migrates and all(shown)

    until(on_both, 30, "the guest on both pages")
    return pages


def _counted_once(pages: dict[str, Page], guest: RunningGuest, directory: Path) -> None:
    """Hold the README's queries to one guest, and the vCPU's time to two QEMUs with a part each."""
    uuid = guest.guest.uuid
    size = guest.guest.memory_mib * MIB
    # Of acme are the guest, seen twice, and the one that stays; of globex the one that was there before.
    expected = {'{tenant="acme"}': 2 * size, '{tenant="globex"}': size}
    check(WHAT_GUESTS_HAVE, expected, pages, directory, MEMORY)
    twice = {'{tenant="acme"}': 3 * size, '{tenant="globex"}': size}
    check(f"sum by (tenant) ({MEMORY})", twice, pages, directory, MEMORY)
    used = [sum(page.all(VCPU_TIME, uuid=uuid).values()) for page in (pages["here"], pages["there"])]
    assert used[1] < used[0] / 2, "the target shows the source's time"
