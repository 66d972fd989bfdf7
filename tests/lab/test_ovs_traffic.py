"""Guests on a real Open vSwitch: what one sends is on the page of its tenant, in the right direction."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.fixtures import BootAll
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import own_tenant
from tests.lab.served import Page, serving
from tests.lab.switch import UserSpaceSwitch
from tests.lab.workload import Workload

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

PACKETS = 2000
PACKET_BYTES = 100
OVS = "libvirt_domain_ovs"
# The host's own kernel says hello on a new tap, to the guest.
HOST_PACKETS = 60


@pytest.fixture
def switch(hypervisor: PrivateHypervisor) -> Iterator[UserSpaceSwitch]:
    """Give a switch where the shared libvirtd looks for the machine's own."""
    bridge = f"hclab-{uuid.uuid4().hex[:6]}"
    with UserSpaceSwitch(hypervisor.directory / "run/openvswitch", bridge) as running:
        yield running


def plugged(bridge: str, logical_port: str) -> str:
    """Return an interface that libvirt plugs into the switch."""
    return f"""<interface type='bridge'>
      <source bridge='{bridge}'/>
      <virtualport type='openvswitch'><parameters interfaceid='{logical_port}'/></virtualport>
      <model type='virtio'/>
    </interface>"""


def test_packets_through_the_switch_are_their_tenants(
    hypervisor: PrivateHypervisor, switch: UserSpaceSwitch, boot_all: BootAll, tmp_path: Path
) -> None:
    """All frames of one guest are its transmitted and the other guest's received."""
    ports = [str(uuid.uuid4()) for _ in range(2)]
    # The switch's socket holds some 270 small packets: slowly enough that it is also read on a busy machine.
    work = Workload(packets=PACKETS, packet_bytes=PACKET_BYTES, packets_per_second=400, delay_seconds=5)
    guests = [
        Guest(
            name="ovs-sender",
            nics=0,
            metadata=own_tenant("acme"),
            workload=work,
            devices=plugged(switch.bridge, ports[0]),
        ),
        Guest(
            name="ovs-receiver",
            nics=0,
            metadata=own_tenant("globex"),
            devices=plugged(switch.bridge, ports[1]),
        ),
    ]
    sender, receiver = boot_all(guests)
    for tap in receiver.taps():  # room for all that a guest without KVM takes its time to read
        subprocess.run(["ip", "link", "set", "dev", tap, "txqueuelen", str(2 * PACKETS)], check=True)
    sent, got = {"tenant": "acme", "domain": "ovs-sender"}, {"tenant": "globex", "domain": "ovs-receiver"}
    config = tmp_path / "config.yml"
    config.write_text(f"ovs:\n  remote: {switch.remote}\n")
    with serving(hypervisor.uri_readonly, tmp_path, f"--config.file={config}") as served:
        receiver.account()
        assert sender.account().done.packets == PACKETS

        def arrived(page: Page) -> bool:
            """Whether the switch has written both ports' packets, which it may read at different moments."""
            out = page.all(f"{OVS}_transmit_packets_total", **sent).values()
            into = page.all(f"{OVS}_receive_packets_total", **got).values()
            return PACKETS in out and any(count >= PACKETS for count in into)

        page = served.page_where(arrived, "the packets on the page", 10)
    assert page.one(f"{OVS}_transmit_packets_total", **sent) == PACKETS
    assert page.one(f"{OVS}_transmit_bytes_total", **sent) == PACKETS * PACKET_BYTES
    assert page.one(f"{OVS}_receive_packets_total", **sent) <= HOST_PACKETS
    assert PACKETS <= page.one(f"{OVS}_receive_packets_total", **got) <= PACKETS + HOST_PACKETS
    assert page.one(f"{OVS}_transmit_packets_total", **got) == 0
    _same_as_netlink(page, sent)
    for labels, port in ((sent, ports[0]), (got, ports[1])):
        info = {"bridge": switch.bridge, "interface_id": port, "driver": "tun"}
        assert page.one(f"{OVS}_port_info", **labels, **info) == 1
        assert page.one(f"{OVS}_link_up", **labels) == 1
    assert page.one("hostcollector_source_up", source="ovs") == 1
    assert page.one("hostcollector_ovs_statistics_age_seconds") >= 0


def _same_as_netlink(page: Page, labels: dict[str, str]) -> None:
    """Check that the tap has the common series once, from netlink, and that they say the same."""
    name = "libvirt_domain_interface_stats_transmit_packets_total"
    assert page.one(name, **labels) == page.one(f"{OVS}_transmit_packets_total", **labels)
