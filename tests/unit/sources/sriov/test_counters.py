"""Which counters of a VF are shown, and where they come from."""

from dataclasses import replace

import pytest

from tests.unit.sources.sriov.conftest import (
    FIRST,
    PF,
    SECOND,
    A,
    Host,
    add_card,
    add_switchdev_card,
    by_vf,
    guest_with,
    series_of,
    traffic_of,
    vf_of,
)


def test_a_sudden_sample_of_zeros_is_dropped(host: Host) -> None:
    """The kernel sends zeros when the card did not answer: no counters then, the configuration stays."""
    add_card(host)
    for total in (1000, 1500):
        host.tell(vf_of(0, total), vf_of(1))
        host.read(guest_with(A, FIRST))
    host.tell(vf_of(0), vf_of(1))
    failed = host.read(guest_with(A, FIRST))
    assert traffic_of(failed) == {}
    assert by_vf(failed, "libvirt_domain_vf_trust") == {"0": 0}
    host.tell(vf_of(0, 1600), vf_of(1))
    assert traffic_of(host.read(guest_with(A, FIRST)))["receive_bytes"] == {"0": 600}


@pytest.mark.parametrize(
    ("driver", "counted"),
    [
        ("i40e", 8),
        ("ice", 8),
        ("ixgbe", 5),
        ("mlx4_core", 4),
        ("igb", 0),
        ("bnxt_en", 0),
        ("", 0),
    ],
)
def test_only_what_the_driver_counts_is_a_counter(host: Host, driver: str, counted: int) -> None:
    """The kernel's zeros of other drivers are no counters; their configuration is there all the same."""
    add_card(host, driver=driver)
    host.tell(vf_of(0), vf_of(1))
    reading = host.read(guest_with(A, FIRST))
    assert len(traffic_of(reading)) == counted
    assert by_vf(reading, "libvirt_domain_vf_spoof_check") == {"0": 1}
    supported = series_of(reading, "hostcollector_host_pf_vf_counters_supported")
    assert supported == {("", ("ens1", PF)): float(counted > 0)}
    assert any("does not count per VF" in note for note in reading.notes) == (counted == 0)


def test_counters_that_the_driver_keeps_and_does_not_report_are_missed(host: Host) -> None:
    """By the VF of the guest; those of the host's own VFs were promised to no guest."""
    add_card(host)
    host.tell(replace(vf_of(0), counters=None), replace(vf_of(1), counters=None))
    reading = host.read(guest_with(A, FIRST))
    assert (reading.missing, reading.partial) == (1, True)
    assert reading.notes[0] == f"counters of the VF not found: {FIRST} of guest 'a'"


@pytest.mark.parametrize("driver", ["igb", "", "bnxt_en"])
def test_a_driver_without_counters_is_a_fact(host: Host, driver: str) -> None:
    """It never will have any: a note, and no trouble."""
    add_card(host, driver)
    host.tell(vf_of(0), vf_of(1))
    reading = host.read(guest_with(A, FIRST))
    assert (reading.missing, reading.partial) == (0, False)
    assert any("does not count per VF" in note for note in reading.notes)


@pytest.mark.parametrize("said", ["-1", "x", "9" * 30, "1.5", f"{2**64}"])
def test_a_vendors_counter_that_is_none_costs_itself(host: Host, said: str) -> None:
    """The other counters of the VF are shown, and the file is named."""
    add_card(host, driver="igb")
    stats = host.sysfs.device(PF) / "sriov/0/stats"
    readings = []
    for value in (1, 3):
        host.sysfs.write(stats, f"rx_bytes : {value}\ntx_bytes : {said}")
        host.tell(vf_of(0), vf_of(1))
        readings.append(host.read(guest_with(A, FIRST)))
    reading = readings[-1]
    assert traffic_of(reading) == {"receive_bytes": {"0": 2}}
    assert (reading.missing, reading.partial) == (1, True)
    assert "sriov/0/stats, tx_bytes cannot be read: it contains" in reading.notes[0]


@pytest.mark.parametrize("form", ["file", "directory"])
def test_vendors_files_stand_in_for_netlink(host: Host, form: str) -> None:
    """NVIDIA's driver has one file of lines, Intel's a directory of files; both are the VF's own view."""
    add_card(host, driver="igb")
    names = ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets", "tx_multicast", "tx_broadcast", "rx_dropped")
    stats = host.sysfs.device(PF) / "sriov/0/stats"
    readings = []
    for base in (1000, 1500):
        counters = {name: base + number * (base // 100) for number, name in enumerate(names)}
        if form == "file":
            lines = [f"{name:<12}: {value}" for name, value in counters.items()]
            host.sysfs.write(stats, "\n".join([*lines, "nonsense", "rx_errors : 5", "tx_dropped : x"]))
        else:
            for name, value in {**counters, "rx_errors": 5}.items():
                host.sysfs.write(stats / name, str(value))
        host.tell(vf_of(0), vf_of(1))
        readings.append(host.read(guest_with(A, FIRST)))
    reading = readings[-1]
    assert {name: values["0"] for name, values in traffic_of(reading).items()} == {
        "receive_bytes": 500,
        "receive_packets": 505,
        "transmit_bytes": 510,
        "transmit_packets": 515,
        "transmit_multicast_packets": 520,
        "transmit_broadcast_packets": 525,
        "receive_dropped": 530,
    }
    assert any("the driver's files" in note for note in reading.notes)


def test_representors_stand_in_with_the_directions_swapped(host: Host) -> None:
    """What the switch received the guest sent; used only for VFs that netlink lacks."""
    add_switchdev_card(host)
    readings = []
    for number in (0, 1):
        host.sysfs.netdev(
            f"eth{number}", 20 + number, PF, phys_port_name=f"pf0vf{number}", phys_switch_id="aa"
        )
    for base in (100, 200):
        for file, value in {"rx_bytes": base, "tx_bytes": base * 10, "rx_packets": base // 10}.items():
            host.sysfs.write(host.sysfs.device(PF) / "net/eth0/statistics" / file, str(value))
        host.tell(vf_of(1, base), count=2)
        readings.append(host.read(guest_with(A, FIRST, SECOND)))
    reading = readings[-1]
    traffic = traffic_of(reading)
    assert traffic["transmit_bytes"] == {"0": 100, "1": 100}
    assert traffic["receive_bytes"] == {"0": 1000, "1": 100}
    assert traffic["transmit_packets"] == {"0": 10, "1": 100}
    assert "receive_dropped" not in traffic


def test_counters_of_another_origin_do_not_mix(host: Host) -> None:
    """A VF that is missing from one list for once does not jump between two ways of counting."""
    add_switchdev_card(host)
    host.sysfs.netdev("eth0", 20, PF, {"tx_bytes": 7}, phys_port_name="pf0vf0", phys_switch_id="aa")
    values = []
    for vfs in ([vf_of(0, 9000), vf_of(1)], [vf_of(1)], [vf_of(0, 9500), vf_of(1)], [vf_of(1)]):
        host.tell(*vfs, count=2)
        reading = host.read(guest_with(A, FIRST))
        values.append(traffic_of(reading).get("receive_bytes", {}).get("0"))
        # Its configuration is missing too.
        assert reading.missing == (2 if len(vfs) == 1 else 0)
    assert values == [0, None, 500, None]
