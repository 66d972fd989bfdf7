"""Eight hours of scrapes, as fast as they go, a trouble in each hour: what the collector holds is flat."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.matrix.footprint import MIB, Footprint
from tests.lab.process import eventually, until
from tests.lab.served import Served, serving

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(600)]

HOURS = 8
AN_HOUR = 3600 // 30
"""The scrapes of an hour. `make soak` scrapes more often, and for an hour of the clock."""
IN_TROUBLE = 20
WARM_UP = 4
"""Hours after which each kind of trouble has been met once."""
GUESTS = 4
ALLOWED = Footprint(threads=0, descriptors=4, memory=4 * MIB)
"""Of forty such hours the allocator takes 3 MiB in the first eight, and at most 3 MiB in all others."""
UP = "libvirt_up"
READ_BYTES = "libvirt_domain_block_stats_read_bytes_total"


class Host:
    """A hypervisor with a few guests, and what may happen to it for the time of a block."""

    def __init__(self, hypervisor: PrivateHypervisor) -> None:
        self.hypervisor = hypervisor
        self.guests = hypervisor.boot_all(Guest.idle(f"hours-{number}") for number in range(GUESTS))

    @contextmanager
    def hang(self) -> Iterator[None]:
        """Stop a QEMU."""
        self.guests[0].stop()
        yield
        self.guests[0].cont()

    @contextmanager
    def crash(self) -> Iterator[None]:
        """Kill a QEMU, and start its guest again."""
        self.guests[1].kill()
        until(lambda: not self.guests[1].listed(), 30.0, "libvirt's farewell")
        yield
        self.guests[1] = self.hypervisor.boot(self.guests[1].guest)

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Let guests come and go."""
        visitors = self.hypervisor.boot_all(Guest.idle(f"hours-visitor-{number}") for number in range(GUESTS))
        yield
        for visitor in visitors:
            visitor.destroy()

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Kill libvirtd, and start it again."""
        self.hypervisor.kill()
        yield
        self.hypervisor.restart()


def _scrape(served: Served, times: int) -> None:
    for _ in range(times):
        assert served.text()


def _is_whole(served: Served) -> Callable[[], bool]:
    def whole() -> bool:
        page = served.page()
        return page.one(UP) == 1 and len(page.all(READ_BYTES)) == GUESTS

    return whole


def test_after_eight_hours_nothing_is_held_that_was_not_before(tmp_path: Path) -> None:
    """Threads, file descriptors and memory at the end are those of the first half, but for small change."""
    configuration = tmp_path / "hostcollector.yml"
    configuration.write_text("collection: {maximum_age_seconds: 0}\n")
    with PrivateHypervisor.start() as hypervisor:
        host = Host(hypervisor)
        troubles = (host.hang, host.visit, host.crash, host.outage)
        with serving(hypervisor.uri_readonly, tmp_path, f"--config.file={configuration}") as served:
            held = []
            for hour in range(HOURS):
                with troubles[hour % len(troubles)]():
                    _scrape(served, IN_TROUBLE)
                until(_is_whole(served), 60.0, "a page on which all is back")
                _scrape(served, AN_HOUR - IN_TROUBLE)
                held.append(Footprint.of(served.child.pid))
                print(f"hour {hour + 1}: {held[-1]}")

            def flat() -> bool:
                """Whether workers that a slow answer called for have ended, as they do at a later scrape."""
                _scrape(served, 1)
                return not Footprint.of(served.child.pid).growth_over(held[WARM_UP - 1], ALLOWED)

            assert eventually(flat, 30.0, f"what hour {WARM_UP} held instead of {held[-1]}")
