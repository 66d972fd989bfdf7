"""A VF belongs to one guest, to the host, or to no certain owner; its counters start at 0 for each owner."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hostcollector.base.definition import Domain, HostDevice, Nic
from hostcollector.base.model import Guest
from hostcollector.guests.processes import QemuProcesses
from tests.fakes.procfs import Procfs
from tests.unit.sources.sriov.conftest import (
    FIRST,
    PF,
    SECOND,
    THIRD,
    A,
    B,
    Host,
    add_card,
    by_vf,
    guest_with,
    owned_by,
    series_of,
    traffic_of,
    vf_of,
)


def test_a_vf_belongs_to_its_guest_and_the_others_to_the_host(host: Host) -> None:
    """Series of an owned VF carry the guest, those of a free one do not; all name PF, number, address."""
    add_card(host)
    host.tell(vf_of(0, 1000), vf_of(1, 2000))
    reading = host.read(guest_with(A, SECOND))
    assert series_of(reading, "libvirt_domain_vf_receive_bytes_total") == {(A, ("ens1", "1", SECOND)): 0}
    assert series_of(reading, "hostcollector_host_vf_receive_bytes_total") == {("", ("ens1", "0", FIRST)): 0}
    assert not reading.partial


def test_counters_are_those_since_the_owner_came(host: Host) -> None:
    """Every counter grows from 0 by what the card counted, from the guest's point of view."""
    add_card(host)
    host.tell(vf_of(0, 1000), vf_of(1))
    host.read(guest_with(A, FIRST))
    grown = tuple(1000 + value + 10 ** (value % 4) * (value + 1) for value in range(8))
    host.tell(replace(vf_of(0), counters=grown), vf_of(1))
    assert traffic_of(host.read(guest_with(A, FIRST))) == {
        "receive_packets": {"0": 1},
        "transmit_packets": {"0": 20},
        "receive_bytes": {"0": 300},
        "transmit_bytes": {"0": 4000},
        "receive_broadcast_packets": {"0": 5},
        "receive_multicast_packets": {"0": 60},
        "receive_dropped": {"0": 700},
        "transmit_dropped": {"0": 8000},
    }


def test_a_new_owner_starts_at_0_and_so_does_the_time_between(host: Host) -> None:
    """From one tenant's guest over no owner to another tenant's guest nothing is carried along."""
    add_card(host)
    owned, free = "libvirt_domain_vf_receive_bytes_total", "hostcollector_host_vf_receive_bytes_total"
    steps: list[tuple[int, list[Guest], str, object]] = [
        (1000, [guest_with(A, FIRST)], owned, 0),
        (5000, [guest_with(A, FIRST)], owned, 4000),
        (5500, [], free, 0),
        (5600, [], free, 100),
        (6000, [guest_with(B, FIRST)], owned, 0),
        (6009, [guest_with(B, FIRST)], owned, 9),
    ]
    for total, guests, name, expected in steps:
        host.tell(vf_of(0, total), vf_of(1))
        reading = host.read(*guests)
        assert by_vf(reading, name)["0"] == expected
        assert len(owned_by(reading, A)) == 0 or guests[0].domain.uuid == A


def test_a_guest_that_was_started_again_is_a_new_owner(host: Host) -> None:
    """Another guest may have had the VF while the guest was shut off."""
    add_card(host)
    for total, run, expected in ((100, 1, 0), (150, 1, 50), (900, 2, 0), (901, 2, 1)):
        host.tell(vf_of(0, total), vf_of(1))
        reading = host.read(guest_with(A, FIRST, run=run))
        assert by_vf(reading, "libvirt_domain_vf_receive_bytes_total") == {"0": expected}


def test_a_run_whose_end_was_not_seen_is_another_owner(host: Host, tmp_path: Path) -> None:
    """Libvirt gives ids anew once it was away: the guest and its id are the same, its QEMU is not."""
    add_card(host)
    name = "libvirt_domain_vf_receive_bytes_total"
    proc = Procfs(tmp_path)
    guest = guest_with(A, FIRST)
    for start, total, grown in ((100, 1000, 200), (500, 9000, 50)):
        proc.qemu(50, A, guest.domain.name, starttime=start)
        processes = QemuProcesses(tmp_path)
        processes.find({A: guest})
        host.restart(processes)
        host.tell(vf_of(0, total), vf_of(1))
        assert by_vf(host.read(guest), name) == {"0": 0}
        host.tell(vf_of(0, total + grown), vf_of(1))
        assert by_vf(host.read(guest), name) == {"0": grown}
        proc.end(50)


def test_a_restart_of_the_collector_leaves_no_jump(host: Host) -> None:
    """The owner's counters go on where they were, although the first page knows no guests yet."""
    add_card(host)
    name = "libvirt_domain_vf_receive_bytes_total"
    host.tell(vf_of(0, 1000), vf_of(1))
    host.read(guest_with(A, FIRST))
    host.tell(vf_of(0, 1700), vf_of(1))
    assert by_vf(host.read(guest_with(A, FIRST)), name) == {"0": 700}
    host.restart()
    early = host.read(listed=False)
    assert {sample.metric.name for sample in early.samples if "host_vf_" in sample.metric.name} == {
        "hostcollector_host_vf_info_truncated"
    }
    assert any("not all guests are listed yet" in note for note in early.notes)
    host.tell(vf_of(0, 1800), vf_of(1))
    assert by_vf(host.read(guest_with(A, FIRST)), name) == {"0": 800}


def test_an_owner_that_came_while_the_collector_was_away_starts_at_0(host: Host) -> None:
    """The record on disk is another guest's: it is not the new one's."""
    add_card(host)
    host.tell(vf_of(0, 1000), vf_of(1))
    host.read(guest_with(A, FIRST))
    host.restart()
    host.tell(vf_of(0, 9000), vf_of(1))
    assert by_vf(host.read(guest_with(B, FIRST)), "libvirt_domain_vf_receive_bytes_total") == {"0": 0}


def test_every_kind_of_pass_through_finds_its_vf(host: Host) -> None:
    """Interfaces, PCI devices, VFs of a network's pool, vDPA and macvtap on its own lead to the same VF."""
    add_card(host)
    device = host.sysfs.vdpa("vdpa0", 3, FIRST)
    host.sysfs.netdev("ens1v0", 20, FIRST)
    host.tell(vf_of(0, 1), vf_of(1))
    owners: list[Callable[[Domain], Domain]] = [
        lambda domain: replace(domain, nics=(Nic(type="hostdev", pci_address=FIRST),)),
        lambda domain: replace(domain, nics=(Nic(type="network", network="pool", pci_address=FIRST),)),
        lambda domain: replace(domain, host_devices=(HostDevice(type="pci", pci_address=FIRST),)),
        lambda domain: replace(domain, nics=(Nic(type="vdpa", source_device=device),)),
        lambda domain: replace(
            domain, nics=(Nic(type="direct", source_device="ens1v0", source_mode="passthrough"),)
        ),
    ]
    for owner in owners:
        guest = Guest(domain=owner(Domain(uuid=A, name="a")))
        assert by_vf(host.read(guest), "libvirt_domain_vf_info") == {"0": 1}


def test_a_vf_below_a_shared_macvtap_stays_with_the_host(host: Host) -> None:
    """In bridge mode the VF's interface may serve several guests: its counters belong to no single guest."""
    add_card(host)
    host.sysfs.netdev("ens1v0", 20, FIRST)
    host.tell(vf_of(0, 1), vf_of(1))
    nics = (Nic(type="direct", source_device="ens1v0", source_mode="bridge"),)
    reading = host.read(Guest(domain=Domain(uuid=A, name="a", nics=nics)))
    assert by_vf(reading, "libvirt_domain_vf_info") == {}
    assert by_vf(reading, "hostcollector_host_vf_info") == {"0": 1, "1": 1}


def test_a_guest_without_a_readable_definition_may_own_any_free_vf(host: Host) -> None:
    """Until it can be read, VFs without a known owner are left out rather than called free."""
    add_card(host)
    host.tell(vf_of(0, 1000), vf_of(1, 2000))
    host.read(guest_with(A, FIRST), guest_with(B, SECOND))
    host.tell(vf_of(0, 1100), vf_of(1, 2200))
    unreadable = Guest(domain=Domain(uuid=B, name="b", complete=False))
    reading = host.read(guest_with(A, FIRST), unreadable)
    assert traffic_of(reading)["receive_bytes"] == {"0": 100}
    assert traffic_of(reading, "hostcollector_host_vf") == {}
    assert reading.partial
    assert traffic_of(host.read(guest_with(A, FIRST), guest_with(B, SECOND)))["receive_bytes"] == {
        "0": 100,
        "1": 200,
    }


def test_a_vf_in_two_definitions_has_no_owner(host: Host) -> None:
    """While a stopped guest still lingers beside the next one, the VF is left out, and noted."""
    add_card(host)
    host.tell(vf_of(0, 1000), vf_of(1, 2000))
    reading = host.read(guest_with(A, FIRST), guest_with(B, FIRST))
    assert not any(FIRST in sample.labels for sample in reading.samples)
    assert any(SECOND in sample.labels for sample in reading.samples)
    assert any(FIRST in note for note in reading.notes)


def test_a_network_function_that_is_gone_is_missed_and_named(host: Host) -> None:
    """Also where no card can be split any more."""
    reading = host.read(guest_with(A, FIRST))
    assert (reading.missing, reading.partial) == (1, True)
    assert reading.notes[0] == f"network function not found: {FIRST} of guest 'a'"


def test_a_vf_split_off_or_removed_is_noticed(host: Host) -> None:
    """VFs come and go while the collector runs."""
    add_card(host)
    host.tell(vf_of(0, 1), vf_of(1))
    assert series_of(host.read(), "hostcollector_host_pf_vfs") == {("", ("ens1", PF)): 2}
    host.sysfs.vf(PF, 2, THIRD)
    host.tell(vf_of(0, 1), vf_of(1), vf_of(2, 1))
    reading = host.read(guest_with(A, THIRD))
    assert by_vf(reading, "libvirt_domain_vf_receive_bytes_total") == {"2": 0}
    host.sysfs.remove_vf(PF, 2)
    host.tell(vf_of(0, 1), vf_of(1))
    assert owned_by(host.read(guest_with(A, THIRD)), A) == []
    assert host.baselines.status.records == 2


def test_no_series_comes_twice(host: Host) -> None:
    """Also for a guest whose definition names its VF twice, as an interface and as a device."""
    add_card(host)
    guest = guest_with(A, FIRST, SECOND)
    device = HostDevice(type="pci", pci_address=FIRST)
    doubled = Guest(domain=replace(guest.domain, host_devices=(device,)))
    host.tell(vf_of(0, 1, vlan=5), vf_of(1, 1))
    reading = host.read(doubled)
    series = [(sample.metric.name, sample.uuid, sample.labels) for sample in reading.samples]
    assert len(series) == len(set(series)) > 40
    drift = series_of(reading, "libvirt_domain_vf_policy_drift")
    assert drift[A, ("ens1", "0", FIRST, "mac_differs")] == 0
