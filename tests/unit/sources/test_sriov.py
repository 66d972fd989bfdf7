"""VFs are joined to the guests that own them; what their cards really count and how they are set shows."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hostcollector.base.model import Domain, Guest, HostDevice, Nic, Sample
from hostcollector.base.source import Reading, Request
from hostcollector.devices.baselines import Baselines
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.sources.sriov import Sriov
from hostcollector.sources.sriov.card import LOOK_AGAIN_SECONDS
from hostcollector.sources.sriov.series import RULES
from tests.fakes.link_kernel import LinkKernel, Question
from tests.fakes.link_messages import INFINIBAND, UNKNOWN, Vf, link_message
from tests.fakes.procfs import Procfs
from tests.fakes.sysfs import INFINIBAND_CLASS, Sysfs

PF, FIRST, SECOND, THIRD = "0000:3b:00.0", "0000:3b:00.2", "0000:3b:00.3", "0000:3b:00.4"
MAC = "52:54:00:00:00:01"
A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
Labels = tuple[str, ...]


@dataclass(slots=True)
class Host:
    """A host with one card at first, its kernel, and the collector's source on it."""

    sysfs: Sysfs
    kernel: LinkKernel
    baselines: Baselines
    source: Sriov
    vfs: dict[int, list[Vf]] = field(default_factory=dict)
    hardware_type: int = 1

    def tell(self, *vfs: Vf, index: int = 2, count: int | None = None) -> None:
        """Let the kernel list these VFs of the card with this index from now on."""

        def answer(question: Question) -> bytes:
            asked = vfs if question.statistics else [replace(vf, counters=None) for vf in vfs]
            return link_message(
                asked,
                count=count,
                index=index,
                hardware_type=self.hardware_type,
                sequence=question.sequence,
                flags=question.flags,
            )

        self.kernel.links[index] = answer

    def read(self, *guests: Guest, listed: bool = True) -> Reading:
        """Make a collection."""
        by_uuid = {guest.domain.uuid: guest for guest in guests}
        deadline = time.monotonic() + 10
        return self.source.read(
            Request(guests=by_uuid, deadline=deadline, taken_at=0.0, guests_listed=listed)
        )

    def restart(self, processes: QemuProcesses | None = None) -> None:
        """Make a new source on the same host, with what the old one left on disk."""
        self.baselines = Baselines(self.sysfs.root / "state", self.sysfs.root, patience=30)
        route = RouteSocket(self.kernel.connect)
        self.source = Sriov(self.sysfs.root, self.baselines, route, processes=processes)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Give a host without cards and a kernel that knows no links."""
    with LinkKernel({}) as kernel:
        baselines = Baselines(tmp_path / "state", tmp_path, patience=30)
        source = Sriov(tmp_path, baselines, RouteSocket(kernel.connect))
        yield Host(Sysfs(tmp_path), kernel, baselines, source)


def _card(host: Host, driver: str = "mlx5_core") -> None:
    host.sysfs.pf(PF, netdev="ens1", driver=driver, ib_device="mlx5_0")
    host.sysfs.vf(PF, 0, FIRST)
    host.sysfs.vf(PF, 1, SECOND)


def _switchdev_card(host: Host) -> None:
    host.sysfs.pf(PF, netdev="ens1", phys_port_name="p0", phys_switch_id="aa")
    host.sysfs.vf(PF, 0, FIRST)
    host.sysfs.vf(PF, 1, SECOND)


def _guest(uuid: str, *addresses: str, run: int = 1, mac: str = MAC) -> Guest:
    nics = tuple(Nic(type="hostdev", mac=mac, pci_address=address) for address in addresses)
    return Guest(domain=Domain(uuid=uuid, name=uuid[0], id=run, nics=nics))


def _vf(number: int, total: int = 0, **about: int) -> Vf:
    """Return a VF whose counters, in the kernel's order, are total+0 ... total+7 (or all 0)."""
    counters = tuple(total + value for value in range(8)) if total else (0,) * 8
    return replace(Vf(number=number, counters=counters), **about)  # type: ignore[arg-type]


def _series(reading: Reading, name: str) -> dict[tuple[str, Labels], object]:
    """Return the values of a family by owner and labels."""
    return {
        (sample.uuid, sample.labels): sample.value for sample in reading.samples if sample.metric.name == name
    }


def _by_vf(reading: Reading, name: str) -> dict[str, object]:
    """Return the values of a family by VF number."""
    return {labels[1]: value for (_, labels), value in _series(reading, name).items()}


def _traffic(reading: Reading, prefix: str = "libvirt_domain_vf") -> dict[str, dict[str, object]]:
    """Return the counters that can be believed by name and VF number."""
    names = {sample.metric.name for sample in reading.samples if sample.value == sample.value}
    return {
        name.removeprefix(f"{prefix}_").removesuffix("_total"): _by_vf(reading, name)
        for name in names
        if name.startswith(prefix) and name.endswith("_total")
    }


def _of(reading: Reading, uuid: str) -> list[Sample]:
    return [sample for sample in reading.samples if sample.uuid == uuid]


def test_a_host_without_sriov_is_well_and_has_no_series(host: Host) -> None:
    """Nothing to read is no failure; it is said, and the kernel is not asked."""
    reading = host.read(_guest(A))
    assert (reading.samples, reading.partial, host.kernel.questions) == ((), False, [])
    assert "SR-IOV" in reading.notes[0]


def test_a_vf_belongs_to_its_guest_and_the_others_to_the_host(host: Host) -> None:
    """Series of an owned VF carry the guest, those of a free one do not; all name PF, number, address."""
    _card(host)
    host.tell(_vf(0, 1000), _vf(1, 2000))
    reading = host.read(_guest(A, SECOND))
    assert _series(reading, "libvirt_domain_vf_receive_bytes_total") == {(A, ("ens1", "1", SECOND)): 0}
    assert _series(reading, "hostcollector_host_vf_receive_bytes_total") == {("", ("ens1", "0", FIRST)): 0}
    assert not reading.partial


def test_counters_are_those_since_the_owner_came(host: Host) -> None:
    """Every counter grows from 0 by what the card counted, from the guest's point of view."""
    _card(host)
    host.tell(_vf(0, 1000), _vf(1))
    host.read(_guest(A, FIRST))
    grown = tuple(1000 + value + 10 ** (value % 4) * (value + 1) for value in range(8))
    host.tell(replace(_vf(0), counters=grown), _vf(1))
    assert _traffic(host.read(_guest(A, FIRST))) == {
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
    _card(host)
    owned, free = "libvirt_domain_vf_receive_bytes_total", "hostcollector_host_vf_receive_bytes_total"
    steps: list[tuple[int, list[Guest], str, object]] = [
        (1000, [_guest(A, FIRST)], owned, 0),
        (5000, [_guest(A, FIRST)], owned, 4000),
        (5500, [], free, 0),
        (5600, [], free, 100),
        (6000, [_guest(B, FIRST)], owned, 0),
        (6009, [_guest(B, FIRST)], owned, 9),
    ]
    for total, guests, name, expected in steps:
        host.tell(_vf(0, total), _vf(1))
        reading = host.read(*guests)
        assert _by_vf(reading, name)["0"] == expected
        assert len(_of(reading, A)) == 0 or guests[0].domain.uuid == A


def test_a_guest_that_was_started_again_is_a_new_owner(host: Host) -> None:
    """Another guest may have had the VF while the guest was shut off."""
    _card(host)
    for total, run, expected in ((100, 1, 0), (150, 1, 50), (900, 2, 0), (901, 2, 1)):
        host.tell(_vf(0, total), _vf(1))
        reading = host.read(_guest(A, FIRST, run=run))
        assert _by_vf(reading, "libvirt_domain_vf_receive_bytes_total") == {"0": expected}


def test_a_run_that_nobody_saw_end_is_another_owner(host: Host, tmp_path: Path) -> None:
    """Libvirt gives ids anew once it was away: the guest and its id are the same, its QEMU is not."""
    _card(host)
    name = "libvirt_domain_vf_receive_bytes_total"
    proc = Procfs(tmp_path)
    guest = _guest(A, FIRST)
    for start, total, grown in ((100, 1000, 200), (500, 9000, 50)):
        proc.qemu(50, A, guest.domain.name, starttime=start)
        processes = QemuProcesses(tmp_path)
        processes.find({A: guest})
        host.restart(processes)
        host.tell(_vf(0, total), _vf(1))
        assert _by_vf(host.read(guest), name) == {"0": 0}
        host.tell(_vf(0, total + grown), _vf(1))
        assert _by_vf(host.read(guest), name) == {"0": grown}
        proc.end(50)


def test_a_restart_of_the_collector_leaves_no_jump(host: Host) -> None:
    """The owner's counters go on where they were, although the first page knows no guests yet."""
    _card(host)
    name = "libvirt_domain_vf_receive_bytes_total"
    host.tell(_vf(0, 1000), _vf(1))
    host.read(_guest(A, FIRST))
    host.tell(_vf(0, 1700), _vf(1))
    assert _by_vf(host.read(_guest(A, FIRST)), name) == {"0": 700}
    host.restart()
    early = host.read(listed=False)
    assert {sample.metric.name for sample in early.samples if "host_vf_" in sample.metric.name} == {
        "hostcollector_host_vf_info_truncated"
    }
    assert any("not all guests are listed yet" in note for note in early.notes)
    host.tell(_vf(0, 1800), _vf(1))
    assert _by_vf(host.read(_guest(A, FIRST)), name) == {"0": 800}


def test_an_owner_that_came_while_the_collector_was_away_starts_at_0(host: Host) -> None:
    """The record on disk is another guest's: it is not the new one's."""
    _card(host)
    host.tell(_vf(0, 1000), _vf(1))
    host.read(_guest(A, FIRST))
    host.restart()
    host.tell(_vf(0, 9000), _vf(1))
    assert _by_vf(host.read(_guest(B, FIRST)), "libvirt_domain_vf_receive_bytes_total") == {"0": 0}


def test_a_sudden_sample_of_zeros_is_dropped(host: Host) -> None:
    """The kernel sends zeros when the card did not answer: no counters then, the configuration stays."""
    _card(host)
    for total in (1000, 1500):
        host.tell(_vf(0, total), _vf(1))
        host.read(_guest(A, FIRST))
    host.tell(_vf(0), _vf(1))
    failed = host.read(_guest(A, FIRST))
    assert _traffic(failed) == {}
    assert _by_vf(failed, "libvirt_domain_vf_trust") == {"0": 0}
    host.tell(_vf(0, 1600), _vf(1))
    assert _traffic(host.read(_guest(A, FIRST)))["receive_bytes"] == {"0": 600}


def test_configuration_is_shown_as_the_card_has_it(host: Host) -> None:
    """VLAN, priority, link, checks and rates in base units, and what describes the VF in its info."""
    _card(host)
    vf = _vf(0, 1, vlan=100, qos=3, min_rate=8, max_rate=1000, spoof_check=1, link_state=2, trust=0)
    host.tell(vf, _vf(1))
    reading = host.read(_guest(A, FIRST))
    settings = {
        sample.metric.name.removeprefix("libvirt_domain_vf_"): sample.value
        for sample in _of(reading, A)
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
    assert _series(reading, "libvirt_domain_vf_info") == {
        (A, ("ens1", "0", FIRST, MAC, "100", "vfio-pci", "mlx5_core", PF, "mlx5_0")): 1
    }


def test_what_the_driver_does_not_say_is_absent(host: Host) -> None:
    """Unknown checks and rates that are not set have no series; VLAN 0 is a fact."""
    _card(host)
    host.tell(_vf(0, 1, spoof_check=UNKNOWN, trust=UNKNOWN), _vf(1))
    names = {sample.metric.name for sample in _of(host.read(_guest(A, FIRST)), A) if len(sample.labels) == 3}
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
    _card(host)
    host.tell(replace(_vf(0, 1, vlan=100), **change), _vf(1))  # type: ignore[arg-type]
    drift = _series(host.read(_guest(A, FIRST)), "libvirt_domain_vf_policy_drift")
    assert {labels[3]: value for (_, labels), value in drift.items()} == {
        rule: float(rule in broken) for rule in RULES
    }


def test_rules_that_cannot_be_judged_are_absent(host: Host) -> None:
    """A definition without a MAC and a driver that does not tell leave their rules out."""
    _card(host)
    host.tell(_vf(0, 1, spoof_check=UNKNOWN, trust=UNKNOWN), _vf(1))
    device = HostDevice(type="pci", pci_address=FIRST)
    guest = Guest(domain=Domain(uuid=A, name="a", host_devices=(device,)))
    drift = _series(host.read(guest), "libvirt_domain_vf_policy_drift")
    assert {(labels[1], labels[3]) for _, labels in drift} == {("0", "vlan_0"), ("0", "link_forced_up")}


def test_every_kind_of_pass_through_finds_its_vf(host: Host) -> None:
    """Interfaces, PCI devices, VFs of a network's pool, vDPA and macvtap on its own lead to the same VF."""
    _card(host)
    device = host.sysfs.vdpa("vdpa0", 3, FIRST)
    host.sysfs.netdev("ens1v0", 20, FIRST)
    host.tell(_vf(0, 1), _vf(1))
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
        assert _by_vf(host.read(guest), "libvirt_domain_vf_info") == {"0": 1}


def test_a_guest_makes_no_series_by_changing_its_address(host: Host) -> None:
    """The info has the address of the definition; what the card lists of a free VF is the host's."""
    _card(host)
    for byte in range(3):
        changed = b"\x02\0\0\0\0" + bytes([byte])
        host.tell(_vf(0, mac=changed), _vf(1, mac=changed))  # type: ignore[arg-type]
        reading = host.read(_guest(A, FIRST))
        infos = {labels[3] for _, labels in _series(reading, "libvirt_domain_vf_info")}
        assert infos == {MAC}
    free = {labels[3] for _, labels in _series(host.read(), "hostcollector_host_vf_info")}
    assert free == {"02:00:00:00:00:02"}
    device = HostDevice(type="pci", pci_address=FIRST)
    nameless = Guest(domain=Domain(uuid=A, name="a", host_devices=(device,)))
    assert {labels[3] for _, labels in _series(host.read(nameless), "libvirt_domain_vf_info")} == {""}


def test_a_vf_below_a_shared_macvtap_stays_with_the_host(host: Host) -> None:
    """In bridge mode the VF's interface may serve several guests: its counters belong to no single guest."""
    _card(host)
    host.sysfs.netdev("ens1v0", 20, FIRST)
    host.tell(_vf(0, 1), _vf(1))
    nics = (Nic(type="direct", source_device="ens1v0", source_mode="bridge"),)
    reading = host.read(Guest(domain=Domain(uuid=A, name="a", nics=nics)))
    assert _by_vf(reading, "libvirt_domain_vf_info") == {}
    assert _by_vf(reading, "hostcollector_host_vf_info") == {"0": 1, "1": 1}


def test_a_guest_without_a_readable_definition_may_own_any_free_vf(host: Host) -> None:
    """Until it can be read, VFs without a known owner are left out rather than called free."""
    _card(host)
    host.tell(_vf(0, 1000), _vf(1, 2000))
    host.read(_guest(A, FIRST), _guest(B, SECOND))
    host.tell(_vf(0, 1100), _vf(1, 2200))
    unreadable = Guest(domain=Domain(uuid=B, name="b", complete=False))
    reading = host.read(_guest(A, FIRST), unreadable)
    assert _traffic(reading)["receive_bytes"] == {"0": 100}
    assert _traffic(reading, "hostcollector_host_vf") == {}
    assert reading.partial
    assert _traffic(host.read(_guest(A, FIRST), _guest(B, SECOND)))["receive_bytes"] == {"0": 100, "1": 200}


def test_a_vf_that_two_definitions_name_is_nobodys(host: Host) -> None:
    """While a stopped guest still lingers beside the next one, the VF is left out, and noted."""
    _card(host)
    host.tell(_vf(0, 1000), _vf(1, 2000))
    reading = host.read(_guest(A, FIRST), _guest(B, FIRST))
    assert not any(FIRST in sample.labels for sample in reading.samples)
    assert any(SECOND in sample.labels for sample in reading.samples)
    assert any(FIRST in note for note in reading.notes)


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
    _card(host, driver=driver)
    host.tell(_vf(0), _vf(1))
    reading = host.read(_guest(A, FIRST))
    assert len(_traffic(reading)) == counted
    assert _by_vf(reading, "libvirt_domain_vf_spoof_check") == {"0": 1}
    supported = _series(reading, "hostcollector_host_pf_vf_counters_supported")
    assert supported == {("", ("ens1", PF)): float(counted > 0)}
    assert any("does not count per VF" in note for note in reading.notes) == (counted == 0)


def test_infiniband_shows_what_means_something_there(host: Host) -> None:
    """On IPoIB links VLANs, checks and addresses of VFs are meaningless, and less is counted."""
    host.hardware_type = INFINIBAND
    host.sysfs.pf(PF, netdev="ib0", pci_class=INFINIBAND_CLASS, ib_device="mlx5_0")
    host.sysfs.netdev("ib0.8001", 9, PF, iflink="2")
    host.sysfs.vf(PF, 0, FIRST)
    readings = []
    for total in (1000, 1010):
        host.tell(replace(_vf(0, total), guids=(0x1122334455667788, 0x99AABBCCDDEEFF00)))
        readings.append(host.read(_guest(A, FIRST)))
    reading = readings[-1]
    assert _traffic(reading) == {
        name: {"0": 10}
        for name in (
            "receive_bytes",
            "receive_packets",
            "receive_multicast_packets",
            "transmit_bytes",
            "transmit_packets",
        )
    }
    others = {sample.metric.name.removeprefix("libvirt_domain_vf_") for sample in _of(reading, A)}
    assert {name for name in others if not name.endswith("_total")} == {
        "link_state",
        "policy_drift",
        "info",
        "infiniband_info",
    }
    assert _series(reading, "libvirt_domain_vf_info") == {
        (A, ("ib0", "0", FIRST, "", "", "vfio-pci", "mlx5_core", PF, "mlx5_0")): 1
    }
    guids = ("11:22:33:44:55:66:77:88", "99:aa:bb:cc:dd:ee:ff:00")
    assert _series(reading, "libvirt_domain_vf_infiniband_info") == {(A, ("ib0", "0", FIRST, *guids)): 1}
    assert {question.index for question in host.kernel.questions} == {2}


def test_guids_that_the_host_did_not_set_come_from_the_driver(host: Host) -> None:
    """NVIDIA's own driver reports the GUIDs that the firmware has."""
    host.hardware_type = INFINIBAND
    path = host.sysfs.pf(PF, netdev="ib0", pci_class=INFINIBAND_CLASS)
    host.sysfs.vf(PF, 0, FIRST)
    host.sysfs.write(path / "sriov/0/node", "11:22:33:44:77:66:77:90")
    host.sysfs.write(path / "sriov/0/port", "11:22:33:44:77:66:77:91")
    host.tell(replace(_vf(0, 1), guids=(0, 0)))
    labels = ("ib0", "0", FIRST, "11:22:33:44:77:66:77:90", "11:22:33:44:77:66:77:91")
    assert _series(host.read(_guest(A, FIRST)), "libvirt_domain_vf_infiniband_info") == {(A, labels): 1}


def test_each_card_is_asked_once_per_collection(host: Host) -> None:
    """However many VFs and guests there are; a card without VFs is not asked at all."""
    _card(host)
    host.sysfs.pf("0000:5e:00.0", netdev="ens2", index=3)
    host.sysfs.vf("0000:5e:00.0", 0, "0000:5e:00.1")
    host.sysfs.pf("0000:5f:00.0", netdev="ens3", index=4)
    host.tell(_vf(0, 1), _vf(1))
    host.tell(_vf(0, 1), index=3)
    for _ in range(2):
        assert not host.read(_guest(A, FIRST), _guest(B, SECOND)).partial
    assert [(question.index, question.dump) for question in host.kernel.questions] == [
        (2, False),
        (3, False),
    ] * 2


def test_a_card_that_does_not_answer_costs_its_own_series_only(host: Host) -> None:
    """The other card is complete; what is missing is named, and its VFs are still known to exist."""
    _card(host)
    host.sysfs.pf("0000:5e:00.0", netdev="ens2", index=3)
    host.sysfs.vf("0000:5e:00.0", 0, "0000:5e:00.1")
    host.tell(_vf(0, 1), _vf(1))
    reading = host.read(_guest(A, FIRST), _guest(B, "0000:5e:00.1"))
    assert _by_vf(reading, "libvirt_domain_vf_trust") == {"0": 0}
    assert {uuid for uuid, _ in _series(reading, "libvirt_domain_vf_info")} == {A, B}
    assert _series(reading, "hostcollector_host_vf_info_truncated") == {
        ("", ("ens1", PF)): 0,
        ("", ("ens2", "0000:5e:00.0")): 1,
    }
    assert reading.partial
    assert any("ens2" in note and "cannot be read" in note for note in reading.notes)


def test_vfs_that_the_kernel_leaves_out_are_noticed(host: Host) -> None:
    """The gauge says that the list is not whole; the VF that is missing has no configuration."""
    _card(host)
    host.tell(_vf(1, 50), count=2)
    reading = host.read(_guest(A, FIRST, SECOND))
    assert _series(reading, "hostcollector_host_vf_info_truncated") == {("", ("ens1", PF)): 1}
    assert _by_vf(reading, "libvirt_domain_vf_vlan") == {"1": 0}
    assert _by_vf(reading, "libvirt_domain_vf_info") == {"0": 1, "1": 1}
    assert reading.partial


def test_a_long_list_that_wraps_is_whole(host: Host) -> None:
    """With 500 VFs the kernel's length is wrong; every VF is there."""
    host.sysfs.pf(PF, netdev="ens1")
    for number in range(500):
        host.sysfs.vf(PF, number, f"0000:{0x40 + number // 256:02x}:{number % 256 // 8:02x}.{number % 8}")
    host.tell(*(_vf(number, 1) for number in range(500)))
    reading = host.read()
    assert len(_by_vf(reading, "hostcollector_host_vf_receive_bytes_total")) == 500
    assert not reading.partial


def test_an_answer_that_does_not_fit_is_dumped_and_then_left_without_counters(host: Host) -> None:
    """One failed question is enough: kernels with that fault warn in their log each time."""
    _card(host)
    host.tell(_vf(0, 1), _vf(1))
    host.kernel.too_long = {(2, True)}
    for _ in range(2):
        assert len(_traffic(host.read(_guest(A, FIRST)))) == 8
    assert [question.dump for question in host.kernel.questions] == [False, True, True]
    host.kernel.too_long = {(2, True), (0, True)}
    reading = host.read(_guest(A, FIRST))
    assert _traffic(reading) == {}
    assert _by_vf(reading, "libvirt_domain_vf_trust") == {"0": 0}
    host.read(_guest(A, FIRST))
    assert [(question.dump, question.mask) for question in host.kernel.questions[3:]] == [
        (True, 1),
        (False, 9),
        (False, 9),
    ]
    host.sysfs.vf(PF, 2, THIRD)
    host.kernel.too_long = set()
    assert len(_traffic(host.read(_guest(A, FIRST)))) == 8


def test_a_dump_that_lacks_the_card_costs_that_collection_only(host: Host) -> None:
    """It may have been interrupted: the next one is made as ever, and the counters go on."""
    _card(host)
    host.kernel.too_long = {(2, True)}
    values = []
    for number in range(4):
        host.tell(_vf(0, 100 + 10 * number), _vf(1))
        whole = host.kernel.links[2]
        if number == 2:
            host.kernel.links[2] = lambda question, whole=whole: (  # type: ignore[misc] # bound as it is now
                link_message(None, index=7, sequence=question.sequence) if question.dump else whole(question)
            )
        reading = host.read(_guest(A, FIRST))
        values.append(_traffic(reading).get("receive_bytes", {}).get("0"))
        assert (reading.missing, reading.partial) == ((1, True) if number == 2 else (0, False))
        assert _by_vf(reading, "libvirt_domain_vf_trust") == {"0": 0}
    assert values == [0, 10, None, 30]


def test_counters_that_the_kernel_cannot_tell_are_a_fact_for_an_hour(host: Host) -> None:
    """Said as a note and no trouble; then the cheapest way is tried again, which a newer answer may fit."""
    _card(host)
    now = [0.0]
    host.source = Sriov(
        host.sysfs.root, host.baselines, RouteSocket(host.kernel.connect), clock=lambda: now[0]
    )
    host.tell(_vf(0, 1), _vf(1))
    host.kernel.too_long = {(2, True), (0, True)}
    reading = host.read(_guest(A, FIRST))
    assert (reading.missing, reading.partial) == (0, False)
    assert any("cannot send those of so many VFs" in note for note in reading.notes)
    host.kernel.too_long = set()
    assert _traffic(host.read(_guest(A, FIRST))) == {}
    now[0] += LOOK_AGAIN_SECONDS
    assert len(_traffic(host.read(_guest(A, FIRST)))) == 8


def test_counters_that_the_driver_keeps_and_does_not_tell_are_missed(host: Host) -> None:
    """By the VF of the guest; those of the host's own VFs were promised to no guest."""
    _card(host)
    host.tell(replace(_vf(0), counters=None), replace(_vf(1), counters=None))
    reading = host.read(_guest(A, FIRST))
    assert (reading.missing, reading.partial) == (1, True)
    assert reading.notes[0] == f"counters of the VF not found: {FIRST} of guest 'a'"


@pytest.mark.parametrize("driver", ["igb", "", "bnxt_en"])
def test_a_driver_without_counters_is_a_fact(host: Host, driver: str) -> None:
    """It never will have any: a note, and no trouble."""
    _card(host, driver)
    host.tell(_vf(0), _vf(1))
    reading = host.read(_guest(A, FIRST))
    assert (reading.missing, reading.partial) == (0, False)
    assert any("does not count per VF" in note for note in reading.notes)


def test_a_card_without_an_interface_is_a_fact(host: Host) -> None:
    """As one that a user-space driver has: its VFs are known, and their configuration is not."""
    host.sysfs.pf(PF, driver="vfio-pci")
    host.sysfs.vf(PF, 0, FIRST)
    reading = host.read(_guest(A, FIRST))
    assert _by_vf(reading, "libvirt_domain_vf_info") == {"0": 1}
    assert (reading.missing, reading.partial) == (0, False)
    assert any("no network interface" in note for note in reading.notes)


def test_a_network_function_that_is_gone_is_missed_and_named(host: Host) -> None:
    """Also where no card can be split any more."""
    reading = host.read(_guest(A, FIRST))
    assert (reading.missing, reading.partial) == (1, True)
    assert reading.notes[0] == f"network function not found: {FIRST} of guest 'a'"


@pytest.mark.parametrize("said", ["-1", "x", "9" * 30, "1.5", f"{2**64}"])
def test_a_vendors_counter_that_is_none_costs_itself(host: Host, said: str) -> None:
    """The other counters of the VF are shown, and the file is named."""
    _card(host, driver="igb")
    stats = host.sysfs.device(PF) / "sriov/0/stats"
    readings = []
    for value in (1, 3):
        host.sysfs.write(stats, f"rx_bytes : {value}\ntx_bytes : {said}")
        host.tell(_vf(0), _vf(1))
        readings.append(host.read(_guest(A, FIRST)))
    reading = readings[-1]
    assert _traffic(reading) == {"receive_bytes": {"0": 2}}
    assert (reading.missing, reading.partial) == (1, True)
    assert "sriov/0/stats, tx_bytes cannot be read: it contains" in reading.notes[0]


@pytest.mark.parametrize("form", ["file", "directory"])
def test_vendors_files_stand_in_for_netlink(host: Host, form: str) -> None:
    """NVIDIA's driver has one file of lines, Intel's a directory of files; both are the VF's own view."""
    _card(host, driver="igb")
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
        host.tell(_vf(0), _vf(1))
        readings.append(host.read(_guest(A, FIRST)))
    reading = readings[-1]
    assert {name: values["0"] for name, values in _traffic(reading).items()} == {
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
    _switchdev_card(host)
    readings = []
    for number in (0, 1):
        host.sysfs.netdev(
            f"eth{number}", 20 + number, PF, phys_port_name=f"pf0vf{number}", phys_switch_id="aa"
        )
    for base in (100, 200):
        for file, value in {"rx_bytes": base, "tx_bytes": base * 10, "rx_packets": base // 10}.items():
            host.sysfs.write(host.sysfs.device(PF) / "net/eth0/statistics" / file, str(value))
        host.tell(_vf(1, base), count=2)
        readings.append(host.read(_guest(A, FIRST, SECOND)))
    reading = readings[-1]
    traffic = _traffic(reading)
    assert traffic["transmit_bytes"] == {"0": 100, "1": 100}
    assert traffic["receive_bytes"] == {"0": 1000, "1": 100}
    assert traffic["transmit_packets"] == {"0": 10, "1": 100}
    assert "receive_dropped" not in traffic


def test_counters_of_another_origin_do_not_mix(host: Host) -> None:
    """A VF that is missing from one list for once does not jump between two ways of counting."""
    _switchdev_card(host)
    host.sysfs.netdev("eth0", 20, PF, {"tx_bytes": 7}, phys_port_name="pf0vf0", phys_switch_id="aa")
    values = []
    for vfs in ([_vf(0, 9000), _vf(1)], [_vf(1)], [_vf(0, 9500), _vf(1)], [_vf(1)]):
        host.tell(*vfs, count=2)
        reading = host.read(_guest(A, FIRST))
        values.append(_traffic(reading).get("receive_bytes", {}).get("0"))
        # Its configuration is missing too.
        assert reading.missing == (2 if len(vfs) == 1 else 0)
    assert values == [0, None, 500, None]


def test_a_vf_split_off_or_removed_is_noticed(host: Host) -> None:
    """VFs come and go while the collector runs."""
    _card(host)
    host.tell(_vf(0, 1), _vf(1))
    assert _series(host.read(), "hostcollector_host_pf_vfs") == {("", ("ens1", PF)): 2}
    host.sysfs.vf(PF, 2, THIRD)
    host.tell(_vf(0, 1), _vf(1), _vf(2, 1))
    reading = host.read(_guest(A, THIRD))
    assert _by_vf(reading, "libvirt_domain_vf_receive_bytes_total") == {"2": 0}
    host.sysfs.remove_vf(PF, 2)
    host.tell(_vf(0, 1), _vf(1))
    assert _of(host.read(_guest(A, THIRD)), A) == []
    assert host.baselines.status.records == 2


def test_a_state_directory_that_cannot_be_written_is_told(host: Host) -> None:
    """The source works without it, and says what a restart will cost."""
    _card(host)
    (host.sysfs.root / "state").write_text("in the way")
    host.tell(_vf(0, 1), _vf(1))
    host.read(_guest(A, FIRST))
    host.tell(_vf(0, 6), _vf(1))
    reading = host.read(_guest(A, FIRST))
    assert _traffic(reading)["receive_bytes"] == {"0": 5}
    assert any("after a restart" in note for note in reading.notes)


def test_the_notes_say_what_each_card_gives(host: Host) -> None:
    """For the engineer who asks why: driver, VFs, owners and where the counters come from."""
    _card(host)
    host.sysfs.pf("0000:5f:00.0", netdev="ens3", index=4, driver="ice")
    host.tell(_vf(0, 1), _vf(1))
    assert host.read(_guest(A, FIRST)).notes == (
        f"ens1 ({PF}, mlx5_core): 2 VFs, 1 owned by guests; counters from netlink",
        "ens3 (0000:5f:00.0, ice): not split into VFs",
    )


def test_the_interface_that_lists_the_vfs_is_the_card(host: Host) -> None:
    """Where two interfaces could be the card's own, the one with a list of VFs is."""
    _card(host)
    host.sysfs.netdev("aaa", 9, PF)
    host.kernel.links[9] = lambda question: link_message(None, count=2, index=9, sequence=question.sequence)
    host.tell(_vf(0, 1), _vf(1))
    reading = host.read(_guest(A, FIRST))
    assert _series(reading, "hostcollector_host_pf_vfs") == {("", ("ens1", PF)): 2}
    assert [question.index for question in host.kernel.questions] == [9, 2]


def test_no_series_comes_twice(host: Host) -> None:
    """Also for a guest whose definition names its VF twice, as an interface and as a device."""
    _card(host)
    guest = _guest(A, FIRST, SECOND)
    device = HostDevice(type="pci", pci_address=FIRST)
    doubled = Guest(domain=replace(guest.domain, host_devices=(device,)))
    host.tell(_vf(0, 1, vlan=5), _vf(1, 1))
    reading = host.read(doubled)
    series = [(sample.metric.name, sample.uuid, sample.labels) for sample in reading.samples]
    assert len(series) == len(set(series)) > 40
    drift = _series(reading, "libvirt_domain_vf_policy_drift")
    assert drift[A, ("ens1", "0", FIRST, "mac_differs")] == 0
