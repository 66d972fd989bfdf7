"""A VM whose state changes: each state is a series of its own, and the store knows no end of one."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostcollector.gateway.accounts.accounts import Scope
from tests.gateway.served import DAY, served
from tests.gateway.stores import Sample, victoria_metrics
from tests.gateway.world import VMS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

STEP = 60
CHANGES = {VMS[0]: ("running", "paused"), VMS[1]: ("paused", "running")}


def samples(now: int) -> Iterator[Sample]:
    """Yield the states of two VMs that have changed a minute ago; the second one is read no more since."""
    for vm, (before, after) in CHANGES.items():
        for at in range(now - 600, now + 1, STEP):
            late = vm == VMS[1]
            state = before if at < now - STEP * (1 + late) else after
            if not (late and at > now - STEP):
                yield Sample("vm_state", (("tenant", "a"), ("vm", vm), ("state", state)), 1, at)


def test_the_newest_state_is_shown(tmp_path: Path) -> None:
    """In the list and of one VM; a token for some VMs gets the time of the newest sample of these."""
    now = int(time.time()) // STEP * STEP
    with (
        victoria_metrics(list(samples(now))) as store,
        served(store, tmp_path / "gateway", workers=1) as gateway,
    ):
        page = gateway.ask("/api/v1/vms").document
        shown = {vm["id"]: vm["state"] for vm in page["vms"]}
        assert shown == {vm: after for vm, (_, after) in CHANGES.items()}
        assert page["data_until"] == now
        for vm, (_, after) in CHANGES.items():
            assert gateway.ask(f"/api/v1/vms/{vm}").document["state"] == after
        some = gateway.changes.issue_token("a", [Scope.METRICS], DAY, vms=[VMS[1]])
        gateway.wait_for_workers()
        page = gateway.ask("/api/v1/vms", some).document
        assert ([vm["id"] for vm in page["vms"]], page["data_until"]) == ([VMS[1]], now - STEP)
