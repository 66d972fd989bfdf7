"""On a host with control groups of version 2, the group above the guests shows whose OOM kill it was."""

import json

import pytest

from tests.lab.sriov.machine import SECONDS, SECONDS_TO_BOOT, run

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(SECONDS + 2 * SECONDS_TO_BOOT)]


def test_only_the_guest_that_the_kernel_killed_ended_by_it() -> None:
    """The kernel killed a process beside the guests too, just before a guest got a signal."""
    seen = run("tests.lab.sriov.oom_inside", lambda outbox: json.loads((outbox / "ends.json").read_text()))
    print(seen)
    assert {name: reason for name, (reason, _) in seen["ends"].items()} == {
        "killed": "failed",
        "oom": "oom_kill",
    }
    assert seen["kills"] == 2
