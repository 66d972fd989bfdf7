"""The SR-IOV topology is what sysfs' links say: whose VF it is, and which interface is the card's own."""

from pathlib import Path

import pytest

from hostcollector.devices.sriov import Netdev, TopologyReader
from tests.fakes.sysfs import INFINIBAND_CLASS, NVME_CLASS, Sysfs

PF, OTHER = "0000:01:00.0", "0000:01:00.1"


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    """Give a host without cards."""
    return Sysfs(tmp_path)


def test_a_host_without_sriov_has_an_empty_topology(tmp_path: Path) -> None:
    """No directory at all, and cards that cannot be split, give nothing."""
    assert TopologyReader(tmp_path / "nowhere").read().pfs == ()
    Sysfs(tmp_path).function("0000:00:03.0", "virtio-pci")
    assert TopologyReader(tmp_path).read().pfs == ()


def test_vf_numbers_are_those_of_the_links(sysfs: Sysfs) -> None:
    """Intel's igb uses every second function, so that nothing can be computed from the addresses."""
    sysfs.pf(PF, netdev="enp1s0", index=7, driver="igb")
    addresses = {0: "0000:01:10.0", 1: "0000:01:10.2", 2: "0000:01:10.4", 10: "0000:01:12.4"}
    for number, address in addresses.items():
        sysfs.vf(PF, number, address)
    topology = TopologyReader(sysfs.root).read()
    (pf,) = topology.pfs
    assert (pf.address, pf.name, pf.driver) == (PF, "enp1s0", "igb")
    assert pf.netdevs == (Netdev(name="enp1s0", index=7),)
    assert dict(pf.vfs) == addresses
    assert list(pf.vfs) == [0, 1, 2, 10]
    vf = topology.vfs["0000:01:10.2"]
    assert (vf.number, vf.pf) == (1, pf)


def test_network_cards_of_both_kinds_count_and_no_other(sysfs: Sysfs) -> None:
    """InfiniBand cards have a class of their own; a disk with VFs is no network card."""
    sysfs.pf(PF, netdev="ens1", ib_device="mlx5_0")
    sysfs.pf(OTHER, netdev="ib0", index=3, pci_class=INFINIBAND_CLASS, ib_device="mlx5_1")
    sysfs.pf("0000:02:00.0", driver="nvme", pci_class=NVME_CLASS)
    pfs = TopologyReader(sysfs.root).read().pfs
    assert [(pf.name, pf.infiniband, pf.ib_device) for pf in pfs] == [
        ("ens1", False, "mlx5_0"),
        ("ib0", True, "mlx5_1"),
    ]


def test_ipoib_children_are_not_the_card(sysfs: Sysfs) -> None:
    """ib0.8001 shares the parent with ib0, but sits on top of it."""
    sysfs.pf(PF, netdev="ib0", index=5, pci_class=INFINIBAND_CLASS)
    sysfs.netdev("ib0.8001", 9, PF, iflink="5")
    assert [netdev.name for netdev in TopologyReader(sysfs.root).read().pfs[0].netdevs] == ["ib0"]


def test_representors_are_not_the_card_but_stand_for_its_vfs(sysfs: Sysfs) -> None:
    """In switchdev mode the uplink is the card; a representor is known by switch, PF and VF number."""
    switch = "aabbcc"
    sysfs.pf(PF, netdev="ens1f0np0", phys_port_name="p0", phys_switch_id=switch)
    sysfs.netdev("eth0", 20, PF, phys_port_name="pf0vf0", phys_switch_id=switch)
    sysfs.netdev("eth1", 21, PF, phys_port_name="pf0vf1", phys_switch_id=switch)
    sysfs.netdev("eth2", 22, PF, phys_port_name="pf1vf2", phys_switch_id=switch)
    sysfs.netdev("eth3", 23, PF, phys_port_name="pf0vf3", phys_switch_id="other")
    sysfs.netdev("eth4", 24, PF, phys_port_name="c1pf0vf4", phys_switch_id=switch)
    sysfs.netdev("eth5", 25, PF, phys_port_name="pf0sf5", phys_switch_id=switch)
    (pf,) = TopologyReader(sysfs.root).read().pfs
    assert [netdev.name for netdev in pf.netdevs] == ["ens1f0np0"]
    assert dict(pf.representors) == {0: "eth0", 1: "eth1"}
    assert pf.switchdev


def test_a_card_without_interface_goes_by_its_address(sysfs: Sysfs) -> None:
    """An InfiniBand card without IPoIB still has VFs."""
    sysfs.pf(PF, pci_class=INFINIBAND_CLASS, ib_device="mlx5_0")
    sysfs.vf(PF, 0, "0000:01:00.2")
    (pf,) = TopologyReader(sysfs.root).read().pfs
    assert (pf.name, pf.netdevs, dict(pf.vfs)) == (PF, (), {0: "0000:01:00.2"})


def test_of_two_ports_on_one_function_the_first_is_asked_first(sysfs: Sysfs) -> None:
    """ConnectX-3 has both ports on one PCI function."""
    sysfs.pf(PF, netdev="aaa", index=4, driver="mlx4_core", dev_port="1")
    sysfs.netdev("zzz", 3, PF, dev_port="0")
    assert [netdev.name for netdev in TopologyReader(sysfs.root).read().pfs[0].netdevs] == ["zzz", "aaa"]


def test_the_topology_is_read_again_only_when_something_changed(sysfs: Sysfs) -> None:
    """VFs that come and go, new cards, renamed interfaces and drivers are noticed; else nothing is read."""
    sysfs.pf(PF, netdev="ens1")
    reader = TopologyReader(sysfs.root)
    first = reader.read()
    assert reader.read() is first
    sysfs.vf(PF, 0, "0000:01:00.2")
    second = reader.read()
    assert (dict(second.pfs[0].vfs), reader.read()) == ({0: "0000:01:00.2"}, second)
    sysfs.remove_vf(PF, 0)
    assert reader.read().vfs == {}
    sysfs.pf(OTHER, netdev="ens2", index=3)
    assert [pf.name for pf in reader.read().pfs] == ["ens1", "ens2"]
    sysfs.write(sysfs.device(PF) / "net/ens1/ifindex", "77")
    sysfs.write(sysfs.device(PF) / "net/ens1/iflink", "77")
    assert reader.read().pfs[0].netdevs[0].index == 77
    sysfs.bind(OTHER, "vfio-pci")
    assert reader.read().pfs[1].driver == "vfio-pci"


def test_the_driver_of_a_function_is_the_present_one(sysfs: Sysfs) -> None:
    """A VF changes hands between vfio-pci, its own driver and none."""
    sysfs.pf(PF, netdev="ens1")
    sysfs.vf(PF, 0, "0000:01:00.2")
    reader = TopologyReader(sysfs.root)
    drivers = [reader.driver("0000:01:00.2")]
    for driver in ("mlx5_core", ""):
        sysfs.bind("0000:01:00.2", driver)
        drivers.append(reader.driver("0000:01:00.2"))
    assert drivers == ["vfio-pci", "mlx5_core", ""]


def test_an_interface_is_followed_to_its_function(sysfs: Sysfs) -> None:
    """The interface of a VF leads to the VF; one that no PCI function has leads nowhere."""
    sysfs.pf(PF, netdev="ens1")
    sysfs.vf(PF, 0, "0000:01:00.2", driver="mlx5_core")
    sysfs.netdev("ens1v0", 20, "0000:01:00.2")
    (sysfs.root / "sys/class/net/lo").mkdir()
    reader = TopologyReader(sysfs.root)
    assert [reader.netdev_address(name) for name in ("ens1v0", "lo", "", "none")] == [
        "0000:01:00.2",
        "",
        "",
        "",
    ]


def test_a_vdpa_device_is_followed_to_its_vf(sysfs: Sysfs) -> None:
    """A guest's definition names the character device; the VF is its parent's parent."""
    sysfs.pf(PF, netdev="ens1")
    sysfs.vf(PF, 0, "0000:01:00.2", driver="mlx5_core")
    sysfs.vf(PF, 1, "0000:01:00.3", driver="mlx5_core")
    sysfs.vdpa("vdpa0", 4, "0000:01:00.2")
    device = sysfs.vdpa("blue", 0, "0000:01:00.3")
    reader = TopologyReader(sysfs.root)
    assert reader.vdpa_address(device) == "0000:01:00.3"
    assert [reader.vdpa_address(name) for name in ("/dev/vhost-vdpa-9", "", "/dev/")] == ["", "", ""]
