"""A gap in a VM's samples is a gap in the typed API, also of a counter: never a rate of 0."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.served import served
from tests.gateway.stores import Sample, victoria_metrics
from tests.gateway.world import VMS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

STEP = 60
BEGINS, ENDS = 1800, 900
"""Seconds before now between which there is no sample."""


def samples(now: int) -> Iterator[Sample]:
    """Yield a counter that moves by 30 a minute, with a gap."""
    for at in range(now - 3600, now + 1, STEP):
        if not ENDS < now - at < BEGINS:
            labels = (("tenant", "a"), ("vm", VMS[0]), ("vcpu", "0"))
            yield Sample("vm_cpu_seconds_total", labels, (at - now + 4000) / 2, at)


def test_a_gap_of_a_counter_has_no_points(tmp_path: Path) -> None:
    """Where a counter is known its rate is right, and where it is not there is nothing."""
    now = int(time.time()) // STEP * STEP
    with (
        victoria_metrics(list(samples(now))) as store,
        served(store, tmp_path / "gateway", workers=1) as gateway,
    ):
        found = gateway.ask(
            f"/api/v1/vms/{VMS[0]}/series",
            metric="vm_cpu_seconds_total",
            start=str(now - 3000),
            end=str(now),
            step=str(STEP),
        )
    (series,) = found.document["series"]
    assert {value for _, value in series["points"]} == {0.5}
    times = [at for at, _ in series["points"]]
    assert not [at for at in times if now - BEGINS + 5 * STEP < at < now - ENDS]
    assert min(times) == now - 3000
    assert max(times) == now
