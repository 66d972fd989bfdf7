"""QEMUs that are stopped: a few, all, and in the middle of being asked."""

import pytest

from tests.lab.matrix.harm import MONITOR, Harm
from tests.lab.matrix.reading import both, lacks, shows
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import Scene

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

TIMED_OUT = "libvirt_domain_timed_out"
READ_BYTES = "libvirt_domain_block_stats_read_bytes_total"


@pytest.mark.parametrize(
    "hung",
    [pytest.param(1, marks=pytest.mark.full), pytest.param(5, marks=pytest.mark.full), None],
    ids=["one", "five", "all"],
)
def test_stopped_qemus_cost_their_monitor_series(hung: int | None, on_stage: Scene, begin: Begin) -> None:
    """They are marked, their monitor series are absent, everything else stays."""
    stopped = on_stage.guests[:hung]
    with begin(f"QEMU stopped: {hung or 'all'}", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(Harm.to(stopped, MONITOR)):
                for guest in stopped:
                    guest.stop()
                try:
                    row.see(
                        both(shows(TIMED_OUT, 1, *stopped), lacks(READ_BYTES, *stopped)),
                        "the stopped guests are marked and show no disk",
                    )
                    row.keep_scraping(3)
                finally:
                    for guest in stopped:
                        guest.cont()
