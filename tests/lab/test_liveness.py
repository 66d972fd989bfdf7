"""Signs of life of real guests: the agent's channel."""

import re
from pathlib import Path

import pytest

from tests.lab.fixtures import Boot
from tests.lab.guest import AGENT_CHANNEL, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import serving
from tests.lab.workload import Workload

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

CONNECTED = "libvirt_domain_agent_connected"
EVENTS = "libvirt_domain_events_total"


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
