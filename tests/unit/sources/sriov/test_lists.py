"""How the kernel lists the VFs of a card, and what a missing list costs."""

from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.sources.sriov import Sriov
from hostcollector.sources.sriov.card import LOOK_AGAIN_SECONDS
from tests.fakes.link_messages import link_message
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
    series_of,
    traffic_of,
    vf_of,
)


def test_a_host_without_sriov_is_well_and_has_no_series(host: Host) -> None:
    """A host without SR-IOV has a fact and no failure, and the kernel gets no request."""
    reading = host.read(guest_with(A))
    assert (reading.samples, reading.partial, host.kernel.questions) == ((), False, [])
    assert "SR-IOV" in reading.notes[0]


def test_each_card_is_asked_once_per_collection(host: Host) -> None:
    """One request per card for any number of VFs and guests; none for a card without VFs."""
    add_card(host)
    host.sysfs.pf("0000:5e:00.0", netdev="ens2", index=3)
    host.sysfs.vf("0000:5e:00.0", 0, "0000:5e:00.1")
    host.sysfs.pf("0000:5f:00.0", netdev="ens3", index=4)
    host.tell(vf_of(0, 1), vf_of(1))
    host.tell(vf_of(0, 1), index=3)
    for _ in range(2):
        assert not host.read(guest_with(A, FIRST), guest_with(B, SECOND)).partial
    assert [(question.index, question.dump) for question in host.kernel.questions] == [
        (2, False),
        (3, False),
    ] * 2


def test_a_card_that_does_not_answer_costs_its_own_series_only(host: Host) -> None:
    """The other card is complete; what is missing is named, and its VFs are still known to exist."""
    add_card(host)
    host.sysfs.pf("0000:5e:00.0", netdev="ens2", index=3)
    host.sysfs.vf("0000:5e:00.0", 0, "0000:5e:00.1")
    host.tell(vf_of(0, 1), vf_of(1))
    reading = host.read(guest_with(A, FIRST), guest_with(B, "0000:5e:00.1"))
    assert by_vf(reading, "libvirt_domain_vf_trust") == {"0": 0}
    assert {uuid for uuid, _ in series_of(reading, "libvirt_domain_vf_info")} == {A, B}
    assert series_of(reading, "hostcollector_host_vf_info_truncated") == {
        ("", ("ens1", PF)): 0,
        ("", ("ens2", "0000:5e:00.0")): 1,
    }
    assert reading.partial
    assert any("ens2" in note and "cannot be read" in note for note in reading.notes)


def test_vfs_that_the_kernel_leaves_out_are_noticed(host: Host) -> None:
    """The gauge says that the list is not whole; the VF that is missing has no configuration."""
    add_card(host)
    host.tell(vf_of(1, 50), count=2)
    reading = host.read(guest_with(A, FIRST, SECOND))
    assert series_of(reading, "hostcollector_host_vf_info_truncated") == {("", ("ens1", PF)): 1}
    assert by_vf(reading, "libvirt_domain_vf_vlan") == {"1": 0}
    assert by_vf(reading, "libvirt_domain_vf_info") == {"0": 1, "1": 1}
    assert reading.partial


def test_a_long_list_that_wraps_is_whole(host: Host) -> None:
    """With 500 VFs the kernel's length is wrong; every VF is there."""
    host.sysfs.pf(PF, netdev="ens1")
    for number in range(500):
        host.sysfs.vf(PF, number, f"0000:{0x40 + number // 256:02x}:{number % 256 // 8:02x}.{number % 8}")
    host.tell(*(vf_of(number, 1) for number in range(500)))
    reading = host.read()
    assert len(by_vf(reading, "hostcollector_host_vf_receive_bytes_total")) == 500
    assert not reading.partial


def test_an_answer_that_does_not_fit_is_dumped_and_then_left_without_counters(host: Host) -> None:
    """One failed question is enough: kernels with that fault warn in their log each time."""
    add_card(host)
    host.tell(vf_of(0, 1), vf_of(1))
    host.kernel.too_long = {(2, True)}
    for _ in range(2):
        assert len(traffic_of(host.read(guest_with(A, FIRST)))) == 8
    assert [question.dump for question in host.kernel.questions] == [False, True, True]
    host.kernel.too_long = {(2, True), (0, True)}
    reading = host.read(guest_with(A, FIRST))
    assert traffic_of(reading) == {}
    assert by_vf(reading, "libvirt_domain_vf_trust") == {"0": 0}
    host.read(guest_with(A, FIRST))
    assert [(question.dump, question.mask) for question in host.kernel.questions[3:]] == [
        (True, 1),
        (False, 9),
        (False, 9),
    ]
    host.sysfs.vf(PF, 2, THIRD)
    host.kernel.too_long = set()
    assert len(traffic_of(host.read(guest_with(A, FIRST)))) == 8


def test_a_dump_that_lacks_the_card_costs_that_collection_only(host: Host) -> None:
    """It may have been interrupted: the next one is made as ever, and the counters go on."""
    add_card(host)
    host.kernel.too_long = {(2, True)}
    values = []
    for number in range(4):
        host.tell(vf_of(0, 100 + 10 * number), vf_of(1))
        whole = host.kernel.links[2]
        if number == 2:
            host.kernel.links[2] = lambda question, whole=whole: (  # type: ignore[misc] # bound as it is now
                link_message(None, index=7, sequence=question.sequence) if question.dump else whole(question)
            )
        reading = host.read(guest_with(A, FIRST))
        values.append(traffic_of(reading).get("receive_bytes", {}).get("0"))
        assert (reading.missing, reading.partial) == ((1, True) if number == 2 else (0, False))
        assert by_vf(reading, "libvirt_domain_vf_trust") == {"0": 0}
    assert values == [0, 10, None, 30]


def test_counters_that_the_kernel_cannot_send_are_a_fact_for_an_hour(host: Host) -> None:
    """Said as a note and no trouble; then the cheapest way is tried again, which a newer answer may fit."""
    add_card(host)
    now = [0.0]
    host.source = Sriov(
        host.sysfs.root, host.baselines, RouteSocket(host.kernel.connect), clock=lambda: now[0]
    )
    host.tell(vf_of(0, 1), vf_of(1))
    host.kernel.too_long = {(2, True), (0, True)}
    reading = host.read(guest_with(A, FIRST))
    assert (reading.missing, reading.partial) == (0, False)
    assert any("cannot send those of so many VFs" in note for note in reading.notes)
    host.kernel.too_long = set()
    assert traffic_of(host.read(guest_with(A, FIRST))) == {}
    now[0] += LOOK_AGAIN_SECONDS
    assert len(traffic_of(host.read(guest_with(A, FIRST)))) == 8


def test_a_card_without_an_interface_is_a_fact(host: Host) -> None:
    """As one that a user-space driver has: its VFs are known, and their configuration is not."""
    host.sysfs.pf(PF, driver="vfio-pci")
    host.sysfs.vf(PF, 0, FIRST)
    reading = host.read(guest_with(A, FIRST))
    assert by_vf(reading, "libvirt_domain_vf_info") == {"0": 1}
    assert (reading.missing, reading.partial) == (0, False)
    assert any("no network interface" in note for note in reading.notes)


def test_a_state_directory_that_cannot_be_written_is_reported(host: Host) -> None:
    """The source works without it, and says what a restart will cost."""
    add_card(host)
    (host.sysfs.root / "state").write_text("in the way")
    host.tell(vf_of(0, 1), vf_of(1))
    host.read(guest_with(A, FIRST))
    host.tell(vf_of(0, 6), vf_of(1))
    reading = host.read(guest_with(A, FIRST))
    assert traffic_of(reading)["receive_bytes"] == {"0": 5}
    assert any("after a restart" in note for note in reading.notes)


def test_the_notes_say_what_each_card_gives(host: Host) -> None:
    """Driver, VFs, owners and the origin of the counters."""
    add_card(host)
    host.sysfs.pf("0000:5f:00.0", netdev="ens3", index=4, driver="ice")
    host.tell(vf_of(0, 1), vf_of(1))
    assert host.read(guest_with(A, FIRST)).notes == (
        f"ens1 ({PF}, mlx5_core): 2 VFs, 1 owned by guests; counters from netlink",
        "ens3 (0000:5f:00.0, ice): not split into VFs",
    )
