"""The settings of VFs, their GUIDs, and the rules of isolation."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hostcollector.base.definition import Domain, HostDevice, Nic
from hostcollector.base.model import Guest
from hostcollector.sources.sriov.series import RULES, VLAN_DIFFERS
from tests.fakes.link_messages import INFINIBAND, UNKNOWN, link_message
from tests.fakes.sysfs import INFINIBAND_CLASS
from tests.unit.sources.sriov.conftest import (
    FIRST,
    MAC,
    PF,
    A,
    Host,
    add_card,
    add_switchdev_card,
    guest_with,
    owned_by,
    series_of,
    traffic_of,
    vf_of,
)


def test_configuration_is_shown_as_the_card_has_it(host: Host) -> None:
    """VLAN, priority, link, checks and rates in base units, and what describes the VF in its info."""
    add_card(host)
    vf = vf_of(0, 1, vlan=100, qos=3, min_rate=8, max_rate=1000, spoof_check=1, link_state=2, trust=0)
    host.tell(vf, vf_of(1))
    reading = host.read(guest_with(A, FIRST))
    settings = {
        sample.metric.name.removeprefix("libvirt_domain_vf_"): sample.value
        for sample in owned_by(reading, A)
        if len(sample.labels) == 3 and not sample.metric.name.endswith("_total")
    }
    assert settings == {
        "vlan": 100,
        "vlan_priority": 3,
        "link_state": 2,
        "spoof_check": 1,
        "trust": 0,
        "transmit_limit_bytes_per_second": 125_000_000,
        "transmit_guarantee_bytes_per_second": 1_000_000,
    }
    assert series_of(reading, "libvirt_domain_vf_info") == {
        (A, ("ens1", "0", FIRST, MAC, "100", "vfio-pci", "mlx5_core", PF, "mlx5_0")): 1
    }


def test_what_the_driver_does_not_say_is_absent(host: Host) -> None:
    """Unknown checks and rates that are not set have no series; VLAN 0 is a fact."""
    add_card(host)
    host.tell(vf_of(0, 1, spoof_check=UNKNOWN, trust=UNKNOWN), vf_of(1))
    names = {
        sample.metric.name
        for sample in owned_by(host.read(guest_with(A, FIRST)), A)
        if len(sample.labels) == 3
    }
    assert {name for name in names if not name.endswith("_total")} == {
        "libvirt_domain_vf_vlan",
        "libvirt_domain_vf_link_state",
    }


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"trust": 1}, {"trust_on"}),
        ({"spoof_check": 0}, {"spoof_check_off"}),
        ({"vlan": 0}, {"vlan_0"}),
        ({"link_state": 1}, {"link_forced_up"}),
        ({"link_state": 2}, set()),
        ({"mac": b"\x02\0\0\0\0\x01"}, {"mac_differs"}),
        ({}, set()),
    ],
)
def test_policy_drift_is_judged_rule_by_rule(
    host: Host, change: Mapping[str, object], broken: set[str]
) -> None:
    """Each rule is 1 when the VF breaks it and 0 when it does not."""
    add_card(host)
    host.tell(replace(vf_of(0, 1, vlan=100), **change), vf_of(1))  # type: ignore[arg-type]
    drift = series_of(host.read(guest_with(A, FIRST)), "libvirt_domain_vf_policy_drift")
    assert {labels[3]: value for (_, labels), value in drift.items()} == {
        rule: float(rule in broken) for rule in RULES if rule != VLAN_DIFFERS
    }


@pytest.mark.parametrize(
    ("nic", "change", "drift"),
    [
        (Nic(type="hostdev", vlans=(100,)), {"vlan": 100}, {"vlan_differs": 0}),
        (Nic(type="hostdev", vlans=(100,)), {"vlan": 200}, {"vlan_differs": 1}),
        (Nic(type="hostdev", vlans=(100,)), {"vlan": 0}, {"vlan_differs": 1}),
        (
            Nic(type="hostdev", trusts_guest=True),
            {"trust": 1, "spoof_check": 0},
            {"trust_on": 0, "spoof_check_off": 0},
        ),
        (Nic(type="hostdev"), {"trust": 1, "spoof_check": 0}, {"trust_on": 1, "spoof_check_off": 1}),
    ],
    ids=["vlan as asked", "another vlan", "vlan lost", "trust as asked", "trust not asked for"],
)
def test_what_the_definition_asks_for_is_no_drift(
    host: Host, nic: Nic, change: Mapping[str, object], drift: Mapping[str, int]
) -> None:
    """A VLAN and trust are judged against the guest's definition."""
    add_card(host)
    host.tell(replace(vf_of(0, 1, vlan=100), **change), vf_of(1))  # type: ignore[arg-type]
    asked = replace(nic, pci_address=FIRST, mac=MAC)
    guest = Guest(domain=Domain(uuid=A, name="a", nics=(asked,)))
    found = series_of(host.read(guest), "libvirt_domain_vf_policy_drift")
    assert {labels[3]: value for (_, labels), value in found.items() if labels[3] in drift} == drift


def test_in_switchdev_mode_only_the_address_is_judged(host: Host) -> None:
    """There flow rules isolate the guests: each VF has VLAN 0 and no spoof check."""
    add_switchdev_card(host)
    host.sysfs.netdev("eth0", 20, PF, phys_port_name="pf0vf0", phys_switch_id="aa")
    host.tell(vf_of(0, 1, vlan=0, spoof_check=0, trust=1, link_state=1), vf_of(1))
    found = series_of(host.read(guest_with(A, FIRST)), "libvirt_domain_vf_policy_drift")
    assert {labels[3]: value for (_, labels), value in found.items()} == {"mac_differs": 0}


def test_rules_that_cannot_be_judged_are_absent(host: Host) -> None:
    """A definition without a MAC and a driver that does not report a setting leave their rules out."""
    add_card(host)
    host.tell(vf_of(0, 1, spoof_check=UNKNOWN, trust=UNKNOWN), vf_of(1))
    device = HostDevice(type="pci", pci_address=FIRST)
    guest = Guest(domain=Domain(uuid=A, name="a", host_devices=(device,)))
    drift = series_of(host.read(guest), "libvirt_domain_vf_policy_drift")
    assert {(labels[1], labels[3]) for _, labels in drift} == {("0", "vlan_0"), ("0", "link_forced_up")}


def test_a_guest_makes_no_series_by_changing_its_address(host: Host) -> None:
    """The info has the address of the definition; what the card lists of a free VF is the host's."""
    add_card(host)
    for byte in range(3):
        changed = b"\x02\0\0\0\0" + bytes([byte])
        host.tell(vf_of(0, mac=changed), vf_of(1, mac=changed))  # type: ignore[arg-type]
        reading = host.read(guest_with(A, FIRST))
        infos = {labels[3] for _, labels in series_of(reading, "libvirt_domain_vf_info")}
        assert infos == {MAC}
    free = {labels[3] for _, labels in series_of(host.read(), "hostcollector_host_vf_info")}
    assert free == {"02:00:00:00:00:02"}
    device = HostDevice(type="pci", pci_address=FIRST)
    nameless = Guest(domain=Domain(uuid=A, name="a", host_devices=(device,)))
    assert {labels[3] for _, labels in series_of(host.read(nameless), "libvirt_domain_vf_info")} == {""}


def test_infiniband_shows_what_means_something_there(host: Host) -> None:
    """On IPoIB links VLANs, checks and addresses of VFs are meaningless, and less is counted."""
    host.hardware_type = INFINIBAND
    host.sysfs.pf(PF, netdev="ib0", pci_class=INFINIBAND_CLASS, ib_device="mlx5_0")
    host.sysfs.netdev("ib0.8001", 9, PF, iflink="2")
    host.sysfs.vf(PF, 0, FIRST)
    readings = []
    for total in (1000, 1010):
        host.tell(replace(vf_of(0, total), guids=(0x1122334455667788, 0x99AABBCCDDEEFF00)))
        readings.append(host.read(guest_with(A, FIRST)))
    reading = readings[-1]
    assert traffic_of(reading) == {
        name: {"0": 10}
        for name in (
            "receive_bytes",
            "receive_packets",
            "receive_multicast_packets",
            "transmit_bytes",
            "transmit_packets",
        )
    }
    others = {sample.metric.name.removeprefix("libvirt_domain_vf_") for sample in owned_by(reading, A)}
    assert {name for name in others if not name.endswith("_total")} == {
        "link_state",
        "policy_drift",
        "info",
        "infiniband_info",
    }
    assert series_of(reading, "libvirt_domain_vf_info") == {
        (A, ("ib0", "0", FIRST, "", "", "vfio-pci", "mlx5_core", PF, "mlx5_0")): 1
    }
    guids = ("11:22:33:44:55:66:77:88", "99:aa:bb:cc:dd:ee:ff:00")
    assert series_of(reading, "libvirt_domain_vf_infiniband_info") == {(A, ("ib0", "0", FIRST, *guids)): 1}
    assert {question.index for question in host.kernel.questions} == {2}


def test_guids_that_the_host_did_not_set_come_from_the_driver(host: Host) -> None:
    """NVIDIA's own driver reports the GUIDs that the firmware has."""
    host.hardware_type = INFINIBAND
    path = host.sysfs.pf(PF, netdev="ib0", pci_class=INFINIBAND_CLASS)
    host.sysfs.vf(PF, 0, FIRST)
    host.sysfs.write(path / "sriov/0/node", "11:22:33:44:77:66:77:90")
    host.sysfs.write(path / "sriov/0/port", "11:22:33:44:77:66:77:91")
    host.tell(replace(vf_of(0, 1), guids=(0, 0)))
    labels = ("ib0", "0", FIRST, "11:22:33:44:77:66:77:90", "11:22:33:44:77:66:77:91")
    assert series_of(host.read(guest_with(A, FIRST)), "libvirt_domain_vf_infiniband_info") == {(A, labels): 1}


def test_the_interface_that_lists_the_vfs_is_the_card(host: Host) -> None:
    """Where two interfaces could be the card's own, the one with a list of VFs is."""
    add_card(host)
    host.sysfs.netdev("aaa", 9, PF)
    host.kernel.links[9] = lambda question: link_message(None, count=2, index=9, sequence=question.sequence)
    host.tell(vf_of(0, 1), vf_of(1))
    reading = host.read(guest_with(A, FIRST))
    assert series_of(reading, "hostcollector_host_pf_vfs") == {("", ("ens1", PF)): 2}
    assert [question.index for question in host.kernel.questions] == [9, 2]
