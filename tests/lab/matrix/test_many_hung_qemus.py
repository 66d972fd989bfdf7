"""Most QEMUs of a hypervisor hang: the others lose nothing, and libvirt goes on taking orders."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.matrix.harm import MONITOR, NO_HARM, Harm
from tests.lab.matrix.reading import both, gone, lacks, shows
from tests.lab.matrix.row import Begin, Row
from tests.lab.matrix.watched import watched
from tests.lab.process import spawn, until
from tests.lab.running import RunningGuest
from tests.lab.served import Page, Served, serving

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(900)]

TIMED_OUT = "libvirt_domain_timed_out"
BLOCKED = "libvirt_domain_monitor_blocked_seconds"
READ_BYTES = "libvirt_domain_block_stats_read_bytes_total"
STUCK = "hostcollector_libvirt_stuck_calls"
OCCUPIED = 2
"""VIR_DOMAIN_CONTROL_OCCUPIED"""
RELOADED = "configuration reloaded"


def _read(page: Page) -> set[str]:
    """Return the guests whose disks are on the page."""
    return {dict(labels)["uuid"] for labels in page.all(READ_BYTES)}


def _reload(served: Served) -> None:
    before = served.log.read_text().count(RELOADED)
    served.child.send_signal(signal.SIGHUP)
    until(lambda: served.log.read_text().count(RELOADED) > before, 20, "the reload")


@pytest.mark.parametrize(
    ("guests", "hung"),
    [
        (8, 7),
        *(pytest.param(30, hung, marks=pytest.mark.full) for hung in (5, 9, 10, 15, 25, 29)),
    ],
)
def test_any_number_of_stopped_qemus_costs_their_own_series_only(
    guests: int, hung: int, tmp_path: Path, begin: Begin
) -> None:
    """Over reloads and beside a second collector too; meanwhile a guest is created, described and ended."""
    with PrivateHypervisor.start() as hypervisor:
        running = hypervisor.boot_all(Guest.idle(f"many-{number}") for number in range(guests))
        stopped, others = running[:hung], running[hung:]
        with (
            watched(hypervisor.uri_readonly, tmp_path, running) as seen,
            begin(f"{hung} of {guests} QEMUs stopped, reloads", seen) as row,
        ):
            for _ in row.each_round():
                with row.fault(Harm.to(stopped, MONITOR)):
                    for guest in stopped:
                        guest.stop()
                    marked = both(shows(TIMED_OUT, 1, *stopped), lacks(READ_BYTES, *stopped))
                    unharmed = both(shows(TIMED_OUT, 0, *others), shows(BLOCKED, 0, *others))
                    page = row.see(both(marked, unharmed), "the stopped guests are marked, and no other one")
                    # A QEMU may have been stopped in the middle of being asked.
                    stuck = page.one(STUCK)
                    for _ in range(3):
                        _reload(seen.served)
                        row.see(both(marked, unharmed), "that is so after a reload")
                    _second_collector(hypervisor, tmp_path, others)
                    assert others[0].guest.name in others[0].xml()
                    _a_guest_comes_and_goes(hypervisor, row)
                    assert row.keep_scraping(1).one(STUCK) <= stuck
                    for guest in stopped:
                        guest.cont()
                with row.fault(NO_HARM):
                    row.keep_scraping()


def test_monitors_that_other_clients_occupy_are_not_asked(tmp_path: Path, begin: Begin) -> None:
    """Their QEMUs seem to run: libvirt's control state shows it, and no call gets stuck."""
    with PrivateHypervisor.start() as hypervisor:
        running = hypervisor.boot_all(Guest.idle(f"occupied-{number}") for number in range(8))
        occupied, others = running[:5], running[5:]
        with (
            watched(hypervisor.uri_readonly, tmp_path, running) as seen,
            begin("5 of 8 monitors occupied by other clients", seen) as row,
        ):
            for _ in row.each_round():
                with row.fault(Harm.to(occupied, MONITOR)), ExitStack() as commands:
                    for guest in occupied:
                        commands.enter_context(_occupied(guest, tmp_path))
                    marked = both(shows(TIMED_OUT, 1, *occupied), lacks(READ_BYTES, *occupied))
                    row.see(both(marked, shows(TIMED_OUT, 0, *others)), "they are marked, and no other one")
                    _reload(seen.served)
                    row.see(both(marked, shows(TIMED_OUT, 0, *others)), "that is so after a reload")
                    _second_collector(hypervisor, tmp_path, others)
                    _a_guest_comes_and_goes(hypervisor, row)


@contextmanager
def _occupied(guest: RunningGuest, directory: Path) -> Iterator[None]:
    """Let another client's command hang in the guest's QEMU: it opens a pipe that has no other end."""
    pipe = directory / guest.guest.name
    os.mkfifo(pipe)
    disk = {"driver": "file", "node-name": "pipe", "filename": str(pipe), "read-only": True}
    command = json.dumps({"execute": "blockdev-add", "arguments": disk})
    order = ("virsh", "-c", guest.uri, "qemu-monitor-command", guest.guest.name, command)
    child = spawn(order, directory / "virsh.log")
    try:
        with guest.domain() as domain:
            until(lambda: domain.controlInfo()[0] == OCCUPIED, 10, f"the command in {guest.guest.name}")
        yield
    finally:
        pipe.open("wb").close()
        child.wait(20)
        pipe.unlink()


def _a_guest_comes_and_goes(hypervisor: PrivateHypervisor, row: Row) -> None:
    visitor = hypervisor.boot(Guest.idle("many-new"))
    row.see(lambda page: visitor.guest.uuid in _read(page), "the new guest is read")
    visitor.destroy()
    row.bury(visitor)
    row.see(gone(visitor), "it is gone")


def _second_collector(hypervisor: PrivateHypervisor, directory: Path, others: list[RunningGuest]) -> None:
    """Start one as after a restart, which knows nothing of the guests that hang."""
    configuration = directory / "second.yml"
    configuration.write_text(f"paths: {{state_directory: {directory / 'second'}}}\n")
    with serving(hypervisor.uri_readonly, directory, f"--config.file={configuration}") as second:
        wanted = {guest.guest.uuid for guest in others}
        until(lambda: _read(second.page()) == wanted, 20, "all others on the second collector's page")
