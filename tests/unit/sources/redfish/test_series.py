"""What is shown of the BMC's answer, as whose, for how long, and what is said of the rest."""

from dataclasses import replace

import pytest

from hostcollector.base.model import Guest
from hostcollector.protocols.redfish.values import WalkCounts
from tests.fakes.pci import ASPEED, VGA_CLASS
from tests.unit.sources.redfish.conftest import FIRST, SECOND, Host, gpu, guest

A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
ONE, TWO = "0000:1b:00.0", "0000:2b:00.0"
GUEST, OURS = "libvirt_domain_gpu", "hostcollector_host_gpu"
MAP = f'"{ONE}": GPU_SXM_1\n'


@pytest.fixture
def mapped(host: Host) -> Host:
    """Return a host with a passed-through GPU that the map names, and another one that it does not."""
    host.tree.add(ONE)
    host.tree.add(TWO)
    host.source = host.restarted(mapped=MAP)
    host.says((gpu(FIRST), gpu(SECOND)))
    return host


def test_the_guests_gpu(mapped: Host) -> None:
    """Its readings are the guest's, under the address that the guest has it by."""
    found = mapped.read(guest(A, ONE))
    assert found[f"{GUEST}_power_watts"] == {(A, ONE): 300.0}
    assert found[f"{GUEST}_temperature_headroom_celsius"] == {(A, ONE): 50.0}
    assert found[f"{GUEST}_energy_joules_total"] == {(A, ONE): 0.0}
    assert found[f"{GUEST}_observable"] == {(A, ONE, ONE, "redfish"): 1.0}


def test_what_is_not_mapped_is_the_hosts(mapped: Host) -> None:
    """A GPU of which nothing says which it is has the BMC's name, and no guest, even if there is only one."""
    found = mapped.read(guest(A, ONE), guest(B, TWO))
    assert found[f"{OURS}_power_watts"] == {("GPU_SXM_2",): 300.0}
    assert found[f"{OURS}_observable"] == {("GPU_SXM_2", "", "redfish"): 1.0}
    assert found[f"{GUEST}_observable"][B, TWO, TWO, "redfish"] == 0.0
    assert set(found[f"{GUEST}_power_watts"]) == {(A, ONE)}
    notes = mapped.reading(guest(A, ONE), guest(B, TWO)).notes
    assert [note for note in notes if f"which of {TWO} is GPU_SXM_2" in note and "gpu_map_file" in note]


def test_a_mapped_gpu_without_a_guest(mapped: Host) -> None:
    """It is the host's, by its address."""
    found = mapped.read()
    assert set(found[f"{OURS}_power_watts"]) == {(ONE,), ("GPU_SXM_2",)}


def test_a_gpu_without_a_certain_owner(mapped: Host) -> None:
    """A GPU's readings are not shown while not all guests are known, and while two claim it."""
    unknown = guest(B)
    unknown = Guest(domain=replace(unknown.domain, complete=False))
    for guests in ((unknown,), (guest(A, ONE), guest(B, ONE))):
        found = mapped.read(*guests)
        assert (ONE,) not in found.get(f"{OURS}_power_watts", {})
        assert f"{GUEST}_power_watts" not in found


def test_each_owner_starts_at_zero(mapped: Host) -> None:
    """Counters go on from 0 for each owner, and for each stay of one."""
    values = []
    mapped.read(guest(A, ONE))  # a counter's first 0 is believed when it is read again
    for energy, owner in ((5_000, guest(A, ONE)), (7_500, guest(A, ONE)), (9_000, guest(B, ONE))):
        mapped.read(owner)  # a collection finds its owner
        mapped.now += 15.0
        mapped.says((gpu(FIRST),), energy=energy, links=energy)
        found = mapped.read(owner)
        uuid = owner.domain.uuid
        values.append(
            (found[f"{GUEST}_energy_joules_total"], found[f"{GUEST}_nvlink_receive_bytes_total"][uuid, ONE])
        )
    assert values == [({(A, ONE): 5.0}, 5000), ({(A, ONE): 7.5}, 7500), ({(B, ONE): 0.0}, 0)]
    mapped.read(guest(B, ONE, run=2))
    mapped.now += 15.0
    mapped.says((gpu(FIRST),), energy=9_900)
    assert mapped.read(guest(B, ONE, run=2))[f"{GUEST}_energy_joules_total"] == {(B, ONE): 0.0}


def test_nothing_from_before_the_take_over(mapped: Host) -> None:
    """What the BMC was asked before the present owner was seen is not shown as its own."""
    mapped.read(guest(A, ONE))
    mapped.now += 5.0
    found = mapped.read(guest(B, ONE))
    assert f"{GUEST}_power_watts" not in found
    assert found[f"{GUEST}_observable"][B, ONE, ONE, "redfish"] == 0.0
    mapped.now += 5.0
    mapped.says((gpu(FIRST),))
    assert mapped.read(guest(B, ONE))[f"{GUEST}_power_watts"] == {(B, ONE): 300.0}


def test_ports_are_older_than_reports(mapped: Host) -> None:
    """The links' counters stay until they are asked for again, with the age of each part."""
    mapped.read(guest(A, ONE))
    assert mapped.answered.answer is not None
    ports = mapped.answered.answer.parts[1]
    mapped.now += 200.0
    mapped.says((gpu(FIRST),))
    assert mapped.answered.answer is not None
    mapped.answered.answer = replace(mapped.answered.answer, parts=(mapped.answered.answer.parts[0], ports))
    found = mapped.read(guest(A, ONE))
    assert found["hostcollector_host_redfish_age_seconds"] == {("reports",): 0.0, ("ports",): 200.0}
    assert found[f"{GUEST}_nvlink_receive_bytes_total"] == {(A, ONE): 0}
    mapped.now += 800.0
    mapped.says((gpu(FIRST),))
    assert mapped.answered.answer is not None
    mapped.answered.answer = replace(mapped.answered.answer, parts=(mapped.answered.answer.parts[0], ports))
    assert f"{GUEST}_nvlink_receive_bytes_total" not in mapped.read(guest(A, ONE))


def test_an_answer_that_is_old(mapped: Host) -> None:
    """What was said last is shown for a while, and then no more; the note says why."""
    mapped.read(guest(A, ONE))
    mapped.answered.failure = "https://bmc: no connection"
    mapped.now += 40.0
    reading = mapped.reading(guest(A, ONE))
    assert reading.partial
    assert "no connection" in reading.notes[0]
    assert mapped.read(guest(A, ONE))[f"{GUEST}_power_watts"]
    mapped.now += 10.0
    reading = mapped.reading(guest(A, ONE))
    assert reading.notes[0] == "the BMC's last answer is 50 s old: https://bmc: no connection"
    found = mapped.read(guest(A, ONE))
    assert found["hostcollector_host_redfish_up"] == {(): 0.0}
    assert found[f"{GUEST}_observable"] == {(A, ONE, ONE, "redfish"): 0.0}
    assert not [name for name in found if "power" in name or "nvlink" in name]


def test_before_the_first_answer(host: Host) -> None:
    """Without any answer the GPUs are said to be out of sight, and why."""
    host.tree.add(ONE)
    host.answered.failure = "no answer yet"
    reading = host.reading(guest(A, ONE))
    assert (reading.notes, reading.partial) == (("no answer yet",), True)
    found = host.read(guest(A, ONE))
    assert found[f"{GUEST}_observable"] == {(A, ONE, ONE, "redfish"): 0.0}
    assert found["hostcollector_host_redfish_up"] == {(): 0.0}


def test_a_gpu_that_the_reports_leave_out(mapped: Host) -> None:
    """It is not observable, although its links were reported before."""
    mapped.without_reports()
    found = mapped.read(guest(A, ONE))
    assert found[f"{GUEST}_observable"] == {(A, ONE, ONE, "redfish"): 0.0}


def test_nvidias_driver_goes_first(mapped: Host) -> None:
    """Of a GPU with that driver only those rows come from the BMC that the driver does not have."""
    mapped.tree.bind(ONE, "nvidia")
    found = mapped.read()
    assert set(found[f"{OURS}_voltage_volts"]) == {(ONE,), ("GPU_SXM_2",)}
    assert set(found[f"{OURS}_temperature_headroom_celsius"]) == {("GPU_SXM_2",)}
    assert set(found[f"{OURS}_power_watts"]) == {("GPU_SXM_2",)}
    assert set(found[f"{OURS}_energy_joules_total"]) == {("GPU_SXM_2",)}
    assert found[f"{OURS}_observable"][ONE, ONE, "redfish"] == 1.0
    mapped.source = mapped.restarted(mapped=MAP, nvml=False)
    assert (ONE,) in mapped.read()[f"{OURS}_power_watts"]


def test_without_configuration(host: Host) -> None:
    """Nothing is shown but that passed-through GPUs are out of sight, with what to configure."""
    host.source = host.restarted(client=False)
    assert (host.reading().samples, host.reading().notes) == ([], ())
    host.tree.add(ONE)
    host.tree.add(TWO, driver="nvidia")
    host.tree.add("0000:02:00.0", pci_class=VGA_CLASS, vendor=ASPEED, driver="ast")
    reading = host.reading(guest(A, ONE))
    assert reading.notes == (
        "1 GPU is held for guests: set redfish.url to see power, temperature and errors",
    )
    assert not reading.partial
    assert host.read(guest(A, ONE)) == {f"{GUEST}_observable": {(A, ONE, ONE, "redfish"): 0.0}}
    host.source.settle(60.0)
    host.source.close()
    host.source.wait_closed(60.0)


def test_a_servers_own_display_is_no_concern(mapped: Host) -> None:
    """The BMC is not expected to report its own graphics chip."""
    mapped.tree.add("0000:02:00.0", pci_class=VGA_CLASS, vendor=ASPEED, driver="ast")
    assert not [labels for labels in mapped.read()[f"{OURS}_observable"] if labels[0].startswith("0000:02")]


def test_closing(host: Host) -> None:
    """The session is given back after polling has ended."""
    host.source.close()
    host.source.wait_closed(1.0)
    assert host.answered.closed == ["close", "wait"]


def test_what_the_walk_found_is_one_line(mapped: Host) -> None:
    """One note says what was found and what was not, which alone is no trouble."""
    mapped.source = mapped.restarted(mapped=f'"{ONE}": GPU_SXM_1\n"{TWO}": GPU_SXM_2\n')
    reading = mapped.reading(guest(A, ONE))
    line = "on the BMC: 2 GPUs found, 2 of known PCI address, 0 processors of other types"
    assert [note for note in reading.notes if note.startswith(line)]
    assert not reading.partial
    assert mapped.answered.answer is not None
    met = WalkCounts(others={"CPU": 2, "FPGA": 1}, empty=1, unread=3, malformed=4)
    mapped.answered.answer = replace(
        mapped.answered.answer, counts=met, problems=("/x cannot be read: answered 500",)
    )
    reading = mapped.reading(guest(A, ONE))
    assert reading.notes == (
        "/x cannot be read: answered 500",
        (
            f"{line[:24]}, 1 empty socket, 2 of known PCI address, 3 processors of other types"
            " (2 CPU, 1 FPGA), 3 resources not read, 4 values not understood"
        ),
    )
    assert (reading.partial, reading.missing) == (True, 3)


def test_a_guests_gpu_that_the_bmc_is_silent_about(mapped: Host) -> None:
    """A mapped GPU of which the last reports had nothing is missed by its address."""
    mapped.without_reports()
    reading = mapped.reading(guest(A, ONE))
    assert [note for note in reading.notes if note.startswith(f"GPU not found: {ONE} ")]
    assert reading.missing == 1


def test_the_place_of_a_guests_gpu(mapped: Host) -> None:
    """A mapped GPU is shown with its place, serial number and UUID at the BMC; an unmapped one is not."""
    mapped.says((gpu(FIRST, serial="1653224030001", uuid="GPU-AB-1"), gpu(SECOND)))
    found = mapped.read(guest(A, ONE), guest(B, TWO))
    assert set(found[f"{GUEST}_slot_info"]) == {(A, ONE, ONE, "GPU_SXM_1", "A", "1653224030001", "ab-1")}
    assert f"{OURS}_slot_info" not in found


def test_the_place_without_a_bmc(host: Host) -> None:
    """Where the BMC cannot be reached, the map and what NVIDIA's driver reported are shown."""
    for address in (ONE, TWO):
        host.tree.add(address)
    host.identities.learn(TWO, "1653224030002", "GPU-AB-2")
    host.source = host.restarted(mapped=MAP, client=False)
    found = host.read(guest(A, ONE))
    assert set(found[f"{GUEST}_slot_info"]) == {(A, ONE, ONE, "GPU_SXM_1", "", "", "")}
    assert set(found[f"{OURS}_slot_info"]) == {(TWO, TWO, "", "", "1653224030002", "ab-2")}


def test_a_refused_map_is_not_shown_as_a_place(host: Host) -> None:
    """A map that the UUIDs contradict gives no place: the UUID does."""
    host.tree.add(ONE)
    host.identities.learn(ONE, "1653224030002", "0000000a-1111-4222-8333-444455556666")
    host.source = host.restarted(mapped=MAP)
    host.says(
        (
            gpu(FIRST, uuid="0000000b-1111-4222-8333-444455556666"),
            gpu(SECOND, uuid="0000000a-1111-4222-8333-444455556666"),
        )
    )
    assert [labels[3] for labels in host.read(guest(A, ONE))[f"{GUEST}_slot_info"]] == ["GPU_SXM_2"]
