"""The uplinks source shows carrier, speed and duplex of the host's links, and how many guests they have."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.model import Guest
from hostcollector.base.source import Reading, Request
from hostcollector.protocols.netlink.messages import BondMember, link_state
from hostcollector.sources.uplinks import KEPT_SECONDS, Uplinks
from tests.fakes.link_messages import attribute, link_message
from tests.fakes.sysfs import Sysfs
from tests.fakes.uplinks import Kernel, links, state
from tests.unit.devices.test_uplinks import CARD, OTHER

A = "6f0c2a0e-5d6e-4c1b-9a60-0a6f0f7d2b11"
TAP = state(7, "tap7", "tun", master=4)


def bonded(root: Path) -> Kernel:
    """Return a host with a bond of two cards below a bridge with a tap."""
    tree = Sysfs(root)
    tree.pf(CARD, netdev="eth0", index=2, speed="10000", duplex="full")
    tree.pf(OTHER, netdev="eth1", index=3, speed="10000", duplex="half")
    member = BondMember(up=True, active=True, failures=3)
    present = links(
        state(2, "eth0", master=5)._replace(member=member),
        state(3, "eth1", master=5)._replace(carrier=False, member=BondMember(False, False, None)),
        state(4, "br0", "bridge"),
        state(5, "bond0", "bond", master=4),
        TAP,
    )
    return Kernel(dict(present))


def source(root: Path, kernel: Kernel) -> Uplinks:
    """Return the source on such a host."""
    return Uplinks(root, kernel, clock=lambda: kernel.now)


def ask(uplinks: Uplinks, *targets: str) -> Reading:
    """Read with a guest that has these interfaces."""
    nics = tuple(Nic(type="bridge", target=target) for target in targets)
    guests = {A: Guest(domain=Domain(uuid=A, name="web", nics=nics))} if nics else {}
    return uplinks.read(Request(guests=guests, deadline=time.monotonic() + 10, taken_at=0.0))


def shown(reading: Reading, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of one metric by its own labels."""
    return {
        sample.labels: float(sample.value)
        for sample in reading.samples
        if sample.metric.name == name and isinstance(sample.value, int | float)
    }


LINK, BOND = "hostcollector_host_link", "hostcollector_host_bond_member"


def test_links_have_carrier_speed_and_guests(tmp_path: Path) -> None:
    """The speed of a link without a carrier is absent, and so is what the driver does not say."""
    reading = ask(source(tmp_path, bonded(tmp_path)), "tap7")
    assert shown(reading, f"{LINK}_up") == {("eth0",): 1, ("eth1",): 0, ("bond0",): 1}
    assert shown(reading, f"{LINK}_enabled") == {("eth0",): 1, ("eth1",): 1, ("bond0",): 1}
    assert shown(reading, f"{LINK}_speed_bytes_per_second") == {("eth0",): 1.25e9}
    assert shown(reading, f"{LINK}_full_duplex") == {("eth0",): 1}
    assert shown(reading, f"{LINK}_guests") == {("eth0",): 1, ("eth1",): 1, ("bond0",): 1}
    changes = shown(reading, f"{LINK}_carrier_changes_total")
    assert (changes["eth0", "up"], changes["eth0", "down"]) == (2, 1)
    info = shown(reading, f"{LINK}_info")
    assert ("eth0", "physical", "bond0", "mlx5_core", CARD) in info
    assert ("bond0", "bond", "br0", "", "") in info
    uplinks = shown(reading, "libvirt_domain_uplink_info")
    assert set(uplinks) == {("tap7", "bond0"), ("tap7", "eth0"), ("tap7", "eth1")}
    assert not reading.partial


def test_bond_members_are_as_the_bond_finds_them(tmp_path: Path) -> None:
    """Usable, in use, and how often it failed."""
    reading = ask(source(tmp_path, bonded(tmp_path)))
    assert shown(reading, f"{BOND}_up") == {("bond0", "eth0"): 1, ("bond0", "eth1"): 0}
    assert shown(reading, f"{BOND}_active") == {("bond0", "eth0"): 1, ("bond0", "eth1"): 0}
    assert shown(reading, f"{BOND}_failures_total") == {("bond0", "eth0"): 3}


def test_the_map_is_kept_and_the_state_is_new(tmp_path: Path) -> None:
    """A new interface, and time, make it anew; a guest that ends does not."""
    kernel = bonded(tmp_path)
    uplinks = source(tmp_path, kernel)
    ask(uplinks, "tap7")
    kernel.present[2] = kernel.present[2]._replace(carrier=False)
    assert shown(ask(uplinks, "tap7"), f"{LINK}_up")["eth0",] == 0
    ended = ask(uplinks)
    assert shown(ended, f"{LINK}_guests")["eth0",] == 0
    assert not shown(ended, "libvirt_domain_uplink_info")
    assert kernel.dumps == 1
    ask(uplinks, "tap7", "tap8")
    assert kernel.dumps == 2
    kernel.now += KEPT_SECONDS
    ask(uplinks, "tap7")
    assert kernel.dumps == 3


def test_a_link_that_goes_is_missing_once(tmp_path: Path) -> None:
    """Then the host does not have it any more; one that is not answered for costs itself."""
    kernel = bonded(tmp_path)
    uplinks = source(tmp_path, kernel)
    ask(uplinks)
    del kernel.present[3]
    kernel.refused.add(2)
    reading = ask(uplinks)
    assert (reading.partial, reading.missing) == (True, 2)
    assert "link not found: eth1 (it has gone)" in reading.notes
    assert set(shown(reading, f"{LINK}_up")) == {("bond0",)}
    kernel.refused.clear()
    assert not ask(uplinks).partial


def number(value: int, size: int = 4) -> bytes:
    """Return a number as the kernel writes it."""
    return value.to_bytes(size, sys.byteorder)


def test_a_members_message_is_read_wherever_it_ends() -> None:
    """Master, carrier, counts, and what the bond says; a message that is cut short has what there is."""
    slave = attribute(1, number(0, 1)) + attribute(2, number(0, 1)) + attribute(3, number(4))
    about = attribute(4, b"bond\0") + attribute(5, slave)
    rest = attribute(10, number(5)) + attribute(5, number(9)) + attribute(33, number(1, 1))
    rest += attribute(47, number(2)) + attribute(48, number(1)) + attribute(18, about)
    message = link_message(None, index=2)[:44] + rest
    whole = link_state(message)
    assert (whole.master, whole.lower, whole.carrier, whole.ups, whole.downs) == (5, 9, True, 2, 1)
    assert whole.member == BondMember(up=True, active=True, failures=4)
    assert link_state(message + attribute(37, number(0))).lower == 0
    for cut in range(32, len(message)):
        part = link_state(message[:cut])
        assert part.master in (0, 5)
        assert part.downs in (None, 1)
        assert part.member in (None, whole.member, BondMember(up=True, active=True, failures=None))


REAL = """
import sys, time
from pathlib import Path
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.devices.uplinks import Interface, UplinkReader
states = RouteSocket().states(time.monotonic() + 20)
named = {state.name: state for state in states.values()}
tap, bridge, pair = named["tap0"], named["br0"], named["out"]
assert (tap.kind, states[tap.master].name, tap.enabled, tap.carrier) == ("tun", "br0", True, False), tap
assert (bridge.kind, pair.kind, states[pair.lower].name) == ("bridge", "veth", "far")
assert states[named["mv0"].lower].name == "far", named["mv0"]
assert named["out"].ups is not None and named["out"].downs is not None
"""
SET = """
ip tuntap add tap0 mode tap && ip link add br0 type bridge && ip link set tap0 master br0 up || exit 77
ip link add out type veth peer name far && ip link set out master br0 up && ip link set far up || exit 77
ip link add link far name mv0 type macvtap || exit 77
exec "$@"
"""


@pytest.mark.lab
def test_the_real_kernel_says_what_leads_where() -> None:
    """Tap, bridge, veth pair and macvtap in a network namespace."""
    ran = subprocess.run(
        ["unshare", "--net", "sh", "-c", SET, "sh", sys.executable, "-c", REAL],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert ran.returncode == 0, ran.stderr
