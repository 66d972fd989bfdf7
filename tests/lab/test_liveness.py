"""Signs of life of real guests: the agent's channel, the checks, the time available."""

import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from hostcollector.collection.checks import PATIENCE_SECONDS
from tests.lab.fixtures import Boot, BootAll
from tests.lab.guest import AGENT_CHANNEL, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Page, serving
from tests.lab.workload import Workload

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

CONNECTED = "libvirt_domain_agent_connected"
EVENTS = "libvirt_domain_events_total"
CHECK, INFO = "libvirt_domain_check", "libvirt_domain_check_reason_info"
SECONDS = "libvirt_domain_availability_seconds_total"
STATES = ("available", "planned", "unplanned")
SILENT_SECONDS = 60


def _channel_state(guest: RunningGuest) -> str:
    found = re.search(r"name='org.qemu.guest_agent.0' state='(\w+)'", guest.xml())
    return found[1] if found else ""


def test_an_agent_that_comes_and_goes_is_on_the_next_page(
    boot: Boot, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """The page follows the channel's state in the live XML by libvirt's event, without a new listing."""
    work = Workload(delay_seconds=5, agent_seconds=5)
    guest = boot(Guest(name="agent-goes", devices=AGENT_CHANNEL, workload=work))
    plain = boot(Guest.idle("agent-none"))
    uuid = guest.guest.uuid
    with serving(hypervisor.uri_readonly, tmp_path) as served:
        assert served.page().one(CONNECTED, uuid=uuid) == 0.0
        assert not served.page().all(CONNECTED, uuid=plain.guest.uuid)
        until(lambda: served.page().one(CONNECTED, uuid=uuid) == 1.0, 60, "an agent that is connected")
        assert _channel_state(guest) == "connected"
        until(lambda: served.page().one(CONNECTED, uuid=uuid) == 0.0, 60, "an agent that has gone")
        assert _channel_state(guest) == "disconnected"
        for detail in ("connected", "disconnected"):
            assert served.page().one(EVENTS, uuid=uuid, event="agent_lifecycle", detail=detail) == 1.0


def _result(page: Page, guest: RunningGuest, check: str) -> tuple[str, str]:
    """Return result and reason of a check, as the page has them."""
    uuid = guest.guest.uuid
    values = list(page.all(CHECK, uuid=uuid, check=check).values())
    if values == [1.0]:
        assert not page.all(INFO, uuid=uuid, check=check)
        return "passed", ""
    (labels,) = (dict(found) for found in page.all(INFO, uuid=uuid, check=check))
    assert values == ([0.0] if labels["result"] == "failed" else [])
    return labels["result"], labels["reason"]


def _seconds(page: Page, guest: RunningGuest) -> dict[str, float]:
    return {dict(key)["state"]: value for key, value in page.all(SECONDS, uuid=guest.guest.uuid).items()}


def test_a_guest_that_is_paused_is_unavailable_as_planned(
    boot: Boot, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """Its checks are unknown for that time, and its seconds by state sum up to the time between the pages."""
    guest = boot(Guest(name="pausing"))
    guest.account("ready")
    with serving(hypervisor.uri_readonly, tmp_path) as served:
        served.page_where(lambda page: _result(page, guest, "instance")[0] == "passed", "a balloon's report")
        with guest.domain() as domain:
            domain.suspend()
            before = served.page_where(
                lambda page: _result(page, guest, "system") == ("unknown", "not_running"), "the pause"
            )
            time.sleep(3)
            paused = served.page()
            assert _result(paused, guest, "instance") == ("unknown", "not_running")
            domain.resume()
        after = served.page_where(lambda page: _result(page, guest, "system")[0] == "passed", "the end of it")
    grown = {state: _seconds(paused, guest)[state] - _seconds(before, guest)[state] for state in STATES}
    assert grown["planned"] == pytest.approx(3, abs=1.5)
    assert grown["available"] == grown["unplanned"] == _seconds(after, guest)["unplanned"] == 0.0


@pytest.mark.full
@pytest.mark.timeout(600)
def test_guests_that_hang_fail_their_checks_and_an_idle_one_passes(
    boot_all: BootAll, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """A stopped QEMU, halted vCPUs and a panic without a panic device; beside them guests that only idle."""
    channel = AGENT_CHANNEL
    names = {
        "idle": Guest(name="live-idle"),
        "mute": Guest(name="live-mute", balloon_period=0),
        "stopped": Guest(name="live-stopped"),
        "halted": Guest(name="live-halted", workload=Workload(delay_seconds=20, halts=True)),
        "panicked": Guest(name="live-panicked", kernel_parameters="panic=0"),
        "agent": Guest(name="live-agent", devices=channel, workload=Workload(agent_seconds=30)),
    }
    guests = dict(zip(names, boot_all(names.values()), strict=True))
    settings = tmp_path / "settings.yml"
    settings.write_text(f"collection: {{silent_guest_seconds: {SILENT_SECONDS}}}\n")
    expected = {
        "stopped": ("system", ("failed", "qemu_hangs")),
        "halted": ("instance", ("failed", "silent")),
        "panicked": ("instance", ("failed", "loops")),
        "agent": ("instance", ("failed", "agent_lost")),
    }
    failed_after: dict[str, float] = {}
    with serving(hypervisor.uri_readonly, tmp_path, f"--config.file={settings}") as served:
        for name in ("stopped", "panicked", "idle"):
            guests[name].account("ready")

        def answers(page: Page) -> bool:
            return all(
                _result(page, guests[name], "instance")[0] == "passed" for name in ("panicked", "halted")
            )

        first = served.page_where(answers, "the balloons' reports", 60)
        guests["stopped"].stop()
        with guests["panicked"].domain() as domain:
            domain.injectNMI()
        began = time.monotonic()
        page = first
        while len(failed_after) < len(expected) and time.monotonic() - began < 300:
            time.sleep(5)
            page = served.page(30)
            for name, (check, result) in expected.items():
                if _result(page, guests[name], check) == result:
                    failed_after.setdefault(name, time.monotonic() - began)
            for name in ("idle", "mute"):
                assert _result(page, guests[name], "instance")[0] != "failed", name
                assert _result(page, guests[name], "system")[0] != "failed", name
        assert _result(page, guests["idle"], "instance") == ("passed", "")
        _print(first, page, guests, failed_after)
        assert failed_after.keys() == expected.keys()
        assert min(failed_after.values()) >= PATIENCE_SECONDS
        guests["stopped"].cont()
        served.page_where(
            lambda page: _result(page, guests["stopped"], "system")[0] == "passed", "a way back"
        )


def _print(
    first: Page, page: Page, guests: Mapping[str, RunningGuest], failed_after: Mapping[str, float]
) -> None:
    print(f"\n{'guest':10} {'failed after s':>14} {'vCPU s':>8}  system / instance / seconds by state")
    for name, guest in guests.items():
        used = [
            sum(each.all("libvirt_domain_vcpu_time_seconds_total", uuid=guest.guest.uuid).values())
            for each in (first, page)
        ]
        results = [" ".join(_result(page, guest, check)) for check in ("system", "instance")]
        print(
            f"{name:10} {failed_after.get(name, float('nan')):14.0f} {used[1] - used[0]:8.3f}"
            f"  {results[0]} / {results[1]} / {_seconds(page, guest)}"
        )
