"""Most QEMUs of a hypervisor hang: the others lose nothing, and libvirt goes on taking orders."""

import signal
from pathlib import Path

import pytest

from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.matrix.harm import MONITOR, NO_HARM, Harm
from tests.lab.matrix.reading import both, gone, lacks, shows
from tests.lab.matrix.row import Begin, Row
from tests.lab.matrix.watched import watched
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Page, Served, serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

TIMED_OUT = "libvirt_domain_timed_out"
BLOCKED = "libvirt_domain_monitor_blocked_seconds"
READ_BYTES = "libvirt_domain_block_stats_read_bytes_total"
STUCK = "hostcollector_libvirt_stuck_calls"
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
                    row.see(both(marked, unharmed), "the stopped guests are marked, and no other one")
                    for _ in range(3):
                        _reload(seen.served)
                        row.see(both(marked, unharmed), "that is so after a reload")
                    _second_collector(hypervisor, tmp_path, others)
                    assert others[0].guest.name in others[0].xml()
                    _a_guest_comes_and_goes(hypervisor, row)
                    for guest in stopped:
                        guest.cont()
                with row.fault(NO_HARM):
                    row.keep_scraping()


def _a_guest_comes_and_goes(hypervisor: PrivateHypervisor, row: Row) -> None:
    visitor = hypervisor.boot(Guest.idle("many-new"))
    row.see(lambda page: visitor.guest.uuid in _read(page), "the new guest is read")
    visitor.destroy()
    row.bury(visitor)
    row.see(both(gone(visitor), shows(STUCK, 0)), "it is gone, and no call is stuck")


def _second_collector(hypervisor: PrivateHypervisor, directory: Path, others: list[RunningGuest]) -> None:
    """Start one as after a restart, which knows nothing of the guests that hang."""
    configuration = directory / "second.yml"
    configuration.write_text(f"paths: {{state_directory: {directory / 'second'}}}\n")
    with serving(hypervisor.uri_readonly, directory, f"--config.file={configuration}") as second:
        wanted = {guest.guest.uuid for guest in others}
        until(lambda: _read(second.page()) == wanted, 20, "all others on the second collector's page")
