"""On a booted host with policers and bonds, the page says what `tc` and the bond say."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.lab.served import Page, parse
from tests.lab.sriov.machine import SECONDS, SECONDS_TO_BOOT, run

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(SECONDS + 2 * SECONDS_TO_BOOT)]

NIC, LINK, MEMBER = (
    "libvirt_domain_interface",
    "hostcollector_host_link",
    "hostcollector_host_bond_member",
)
LIMITS = {"receive": 125_000, "transmit": 250_000}
KINDS = {"receive": "htb", "transmit": "police"}


@pytest.fixture(scope="module")
def seen() -> Mapping[str, Any]:
    """Give what was seen; one run serves all tests."""
    found: Mapping[str, Any] = run(
        "tests.lab.sriov.network_inside", lambda outbox: json.loads((outbox / "network.json").read_text())
    )
    return found


def page(seen: Mapping[str, Any], name: str) -> Page:
    """Return one of the pages."""
    return parse(seen["pages"][name])


@pytest.mark.parametrize("direction", LIMITS)
def test_libvirts_own_limits_are_on_the_page(seen: Mapping[str, Any], direction: str) -> None:
    """HTB to the guest, a policer from it: as defined, so nothing has drifted."""
    found, labels = page(seen, "limited"), {"uuid": seen["uuid"], "direction": direction}
    assert found.one(f"{NIC}_defined_limit_bytes_per_second", **labels) == LIMITS[direction]
    assert found.one(f"{NIC}_limit_bytes_per_second", **labels) == LIMITS[direction]
    assert found.one(f"{NIC}_limit_info", **labels, kind=KINDS[direction]) == 1
    assert found.one(f"{NIC}_limit_drift", **labels) == 0


def test_what_the_policer_dropped_is_what_tc_says(seen: Mapping[str, Any]) -> None:
    """Of a flood from the guest's side."""
    found, labels = page(seen, "flooded"), {"uuid": seen["uuid"], "direction": "transmit"}
    kernel = seen["kernel"]["flooded"]
    print(kernel)
    assert found.one(f"{NIC}_limit_drops_total", **labels) == kernel["drops"] > 0
    assert found.one(f"{NIC}_limit_overlimits_total", **labels) == kernel["overlimits"]


def test_the_guest_depends_on_the_bond_and_its_card(seen: Mapping[str, Any]) -> None:
    """By tap, bridge and bond."""
    found, card = page(seen, "limited"), seen["card"]
    assert found.one(f"{LINK}_guests", device=card) == found.one(f"{LINK}_guests", device="bond0") == 1
    for uplink in (card, "bond0"):
        assert found.one("libvirt_domain_uplink_info", uuid=seen["uuid"], uplink=uplink) == 1
    assert found.one(f"{LINK}_up", device=card) == found.one(f"{LINK}_up", device="bond0") == 1
    assert found.one(f"{MEMBER}_up", bond="bond0", device=card) == 1


def test_a_member_that_goes_down_is_the_bonds_failure(seen: Mapping[str, Any]) -> None:
    """The bond goes on with its other member."""
    found, card = page(seen, "broken"), seen["card"]
    before = page(seen, "limited")
    print(seen["kernel"]["bond"])
    assert found.one(f"{MEMBER}_up", bond="bond0", device=card) == 0
    failures = f"{MEMBER}_failures_total"
    assert found.one(failures, device=card) > before.one(failures, device=card)
    assert found.one(f"{LINK}_enabled", device=card) == found.one(f"{LINK}_up", device=card) == 0
    assert found.one(f"{LINK}_up", device="bond0") == 1
