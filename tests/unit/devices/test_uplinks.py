"""From a guest's interface the way leads to the cards and bonds of the host, and to no other guest's."""

from pathlib import Path

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.model import Guest
from hostcollector.devices.uplinks import HostLink, Interface, UplinkReader, interfaces
from tests.fakes.sysfs import Sysfs
from tests.fakes.uplinks import links, state

A, B = "u-a", "u-b"
CARD, OTHER = "0000:3b:00.0", "0000:5e:00.0"


def card(root: Path, name: str = "eth0", address: str = CARD, **about: str) -> Sysfs:
    """Build a host with a card."""
    tree = Sysfs(root)
    tree.pf(address, netdev=name, index=2, **about)
    return tree


def tap(name: str) -> Interface:
    """Return an interface of the guest A."""
    return Interface(A, name, is_vf=False)


def test_a_tap_leads_over_bridge_vlan_and_bond_to_the_cards(tmp_path: Path) -> None:
    """Taps of other guests on the bridge lead nowhere; the bond's members count."""
    tree = card(tmp_path)
    tree.pf(OTHER, netdev="eth1", index=3)
    states = links(
        state(2, "eth0", master=4),
        state(3, "eth1", master=4),
        state(4, "bond0", "bond"),
        state(5, "bond0.7", "vlan", master=6, lower=4),
        state(6, "br7", "bridge"),
        state(7, "tap7", "tun", master=6),
        state(8, "tap8", "tun", master=6),
    )
    found = UplinkReader(tmp_path).read(states, [tap("tap7")])
    assert found.uplinks == {tap("tap7"): ("bond0", "eth0", "eth1")}
    assert {link.name: link.master for link in found.links.values()} == {
        "eth0": "bond0",
        "eth1": "bond0",
        "bond0": "",
    }
    assert found.links[2].kind == "physical"
    assert found.links[4].kind == "bond"


def test_a_veth_pair_leads_from_bridge_to_bridge(tmp_path: Path) -> None:
    """As Nova builds it for security groups; a pair whose other end is in a container ends there."""
    card(tmp_path)
    states = links(
        state(2, "eth0", master=9),
        state(5, "qbr", "bridge"),
        state(6, "tap7", "tun", master=5),
        state(7, "qvb", "veth", master=5, lower=8),
        state(8, "qvo", "veth", master=9, lower=7),
        state(9, "ovs-system", "openvswitch"),
        state(10, "container", "veth", master=9),
    )
    assert UplinkReader(tmp_path).read(states, [tap("tap7")]).uplinks == {tap("tap7"): ("eth0",)}


def test_a_macvtap_has_its_card_below_and_a_vf_its_own(tmp_path: Path) -> None:
    """A macvtap may be on a VLAN."""
    tree = card(tmp_path)
    tree.vf(CARD, 0, "0000:3b:00.1")
    states = links(state(2, "eth0"), state(3, "eth0.5", "vlan", lower=2), state(4, "mv4", "macvtap", lower=3))
    vf = Interface(B, "0000:3b:00.1", is_vf=True)
    found = UplinkReader(tmp_path).read(states, [tap("mv4"), vf])
    assert found.uplinks == {tap("mv4"): ("eth0",), vf: ("eth0",)}


def test_a_bridge_without_a_way_out_has_no_uplink(tmp_path: Path) -> None:
    """Nor has a link of the name that is no tap."""
    card(tmp_path)
    states = links(state(2, "eth0"), state(3, "br", "bridge"), state(4, "tap7", "tun", master=3))
    assert UplinkReader(tmp_path).read(states, [tap("tap7"), tap("eth0")]).uplinks == {}


def test_vfs_and_representors_are_no_cards(tmp_path: Path) -> None:
    """They are many, and tell nothing of the cable."""
    tree = card(tmp_path)
    tree.netdev("rep0", 5, CARD, None, phys_port_name="pf0vf0")
    tree.vf(CARD, 0, "0000:3b:00.1", driver="mlx5_core")
    tree.netdev("vf0", 6, "0000:3b:00.1", None)
    states = links(state(1, "lo"), state(2, "eth0"), state(5, "rep0"), state(6, "vf0"))
    found = UplinkReader(tmp_path).read(states, [])
    assert [link.name for link in found.links.values()] == ["eth0"]


def test_speed_and_duplex_are_those_of_sysfs(tmp_path: Path) -> None:
    """A driver that does not know says -1, or all ones."""
    card(tmp_path, speed="25000", duplex="full")
    (link,) = UplinkReader(tmp_path).read(links(state(2, "eth0")), []).links.values()
    assert link == HostLink(
        name="eth0",
        kind="physical",
        driver="mlx5_core",
        pci_address=CARD,
        speed=3_125_000_000,
        full_duplex=True,
    )
    for unknown in ("-1", "4294967295", ""):
        root = tmp_path / (unknown or "none")
        card(root, speed=unknown, duplex="unknown")
        (link,) = UplinkReader(root).read(links(state(2, "eth0")), []).links.values()
        assert (link.speed, link.full_duplex) == (None, None)


def test_a_name_of_two_guests_is_of_none() -> None:
    """A name passes on before the inventory knows."""

    def guest(uuid: str, *nics: Nic) -> Guest:
        return Guest(domain=Domain(uuid=uuid, name=uuid, nics=nics))

    both, own = Nic(type="bridge", target="tap7"), Nic(type="hostdev", pci_address="0000:3b:00.1")
    found = interfaces({A: guest(A, both, own, Nic(type="user", target="x")), B: guest(B, both)})
    assert found == {Interface(A, "0000:3b:00.1", is_vf=True)}


def test_the_machines_own_cards_are_found() -> None:
    """Whatever this machine has: each has a name of its own in sysfs."""
    names = [path.name for path in Path("/sys/class/net").iterdir()]
    states = links(*(state(number, name) for number, name in enumerate(names, 1)))
    assert {link.name for link in UplinkReader(Path("/")).read(states, []).links.values()} <= set(names)
