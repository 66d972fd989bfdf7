"""A port of the switch has the one owner that all its signs agree on, or none."""

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.model import Guest
from hostcollector.devices.switch import SwitchPort
from hostcollector.sources.ovs.owners import PortOwners, owned

ONE, TWO = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"


def guest(uuid: str, nic: Nic) -> Guest:
    """Return a guest with an interface."""
    return Guest(domain=Domain(uuid=uuid, name=f"guest-{uuid[0]}", nics=(nic,)))


def owner_of(port: SwitchPort, *known: Guest) -> str | None:
    """Return the UUID of the guest that a port belongs to."""
    owners = PortOwners({guest.domain.uuid: guest for guest in known})
    return next((found.uuid for found in owned([port], owners)), None)


MAC = "52:54:00:00:00:01"


@pytest.mark.parametrize(
    ("port", "nic"),
    [
        (SwitchPort(name="tap1", guest_uuid=ONE), Nic(type="bridge")),
        (SwitchPort(name="tap1", interface_id="lp"), Nic(type="bridge", interface_id="lp")),
        (SwitchPort(name="tap1"), Nic(type="ethernet", target="tap1")),
        (SwitchPort(name="rep0", mac=MAC), Nic(type="hostdev", mac=MAC.upper())),
        (
            SwitchPort(name="vhu1", type="dpdkvhostuser", socket="/run/openvswitch/vhu1"),
            Nic(type="vhostuser", source_socket="/run/openvswitch/vhu1"),
        ),
    ],
    ids=["uuid", "logical port", "netdev", "mac", "socket"],
)
def test_each_sign_finds_the_owner(port: SwitchPort, nic: Nic) -> None:
    """The guest's UUID, the logical port, the netdev, the MAC address, the socket: any of them will do."""
    assert owner_of(port, guest(ONE, nic), guest(TWO, Nic(type="bridge", mac="52:54:00:00:00:02"))) == ONE


def test_a_representor_has_the_owner_of_its_vf() -> None:
    """What is written on the port must not contradict it."""
    known = {ONE: guest(ONE, Nic(type="hostdev")), TWO: guest(TWO, Nic(type="hostdev"))}
    owners = PortOwners(known, {"rep0": ONE})
    assert owners.of(SwitchPort(name="rep0")) == {ONE}
    assert owners.of(SwitchPort(name="rep0", guest_uuid=TWO)) == {ONE, TWO}
    assert owners.of(SwitchPort(name="rep1")) == frozenset()


@pytest.mark.parametrize(
    ("port", "first", "second"),
    [
        (SwitchPort(name="tap1", guest_uuid=ONE), Nic(type="bridge"), Nic(type="bridge", target="tap1")),
        (
            SwitchPort(name="tap1", interface_id="lp"),
            Nic(type="bridge", interface_id="lp"),
            Nic(type="bridge", target="tap1"),
        ),
        (SwitchPort(name="x", mac=MAC), Nic(type="bridge", mac=MAC), Nic(type="bridge", mac=MAC)),
        (SwitchPort(name="x", guest_uuid="gone", mac=MAC), Nic(type="bridge", mac=MAC), Nic(type="bridge")),
        (SwitchPort(name="x", type="patch", mac=MAC), Nic(type="bridge", mac=MAC), Nic(type="bridge")),
        (SwitchPort(name="br-int"), Nic(type="bridge"), Nic(type="bridge")),
        (SwitchPort(name="v", type="dpdkvhostuser"), Nic(type="bridge", target="v"), Nic(type="bridge")),
    ],
    ids=[
        "contradiction",
        "contradicting ids",
        "one mac twice",
        "gone guest",
        "patch",
        "no sign",
        "no netdev",
    ],
)
def test_what_is_in_doubt_is_unassigned(port: SwitchPort, first: Nic, second: Nic) -> None:
    """Signs of two guests, or one sign that two guests have, give no series to either."""
    assert owner_of(port, guest(ONE, first), guest(TWO, second)) is None
