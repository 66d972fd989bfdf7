"""Which GPU of the BMC is which of the host: by the operator's map or the GPU's identity, never guessed."""

import pytest

from hostcollector.devices.gpu_identities import GpuIdentity
from hostcollector.protocols.redfish.values import Gpu
from hostcollector.sources.redfish.mapping import MappedBy, MappedGpu, map_gpus
from tests.fakes.samples import table
from tests.unit.sources.redfish.conftest import FIRST, SECOND, Host, gpu, guest

A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
ONE, TWO = "0000:1b:00.0", "0000:2b:00.0"
SERIAL, OTHER = "1653224030001", "1653224030002"
UUID = "c4b0ee2f-1111-4222-8333-444455556666"


def joined(*of: MappedGpu) -> list[tuple[str, str, MappedBy]]:
    """Return name, address and reason of each."""
    return [(one.name, one.address, one.by) for one in of]


def test_the_map_says_it() -> None:
    """A name in the map is the GPU at that address, by its Id or its whole path."""
    found = map_gpus([gpu(FIRST), gpu(SECOND)], {ONE, TWO}, {ONE: "GPU_SXM_2", TWO: FIRST}, {})
    assert joined(*found) == [("GPU_SXM_1", TWO, MappedBy.MAP), ("GPU_SXM_2", ONE, MappedBy.MAP)]


def test_the_identity_says_it() -> None:
    """Without a map the serial number of the driver is the BMC's, else the UUID in either spelling."""
    known = {ONE: GpuIdentity(serial=OTHER), TWO: GpuIdentity(uuid=f"GPU-{UUID}")}
    found = map_gpus([gpu(FIRST, uuid=UUID.upper()), gpu(SECOND, serial=OTHER)], {ONE, TWO}, {}, known)
    assert joined(*found) == [("GPU_SXM_1", TWO, MappedBy.IDENTITY), ("GPU_SXM_2", ONE, MappedBy.IDENTITY)]


def test_nothing_says_it() -> None:
    """Neither order nor number of names leads to an address."""
    found = map_gpus([gpu(FIRST, serial=SERIAL)], {ONE}, {}, {ONE: GpuIdentity(serial=OTHER)})
    assert joined(*found) == [("GPU_SXM_1", "", MappedBy.NOTHING)]
    assert joined(*map_gpus([gpu(FIRST)], {ONE}, {}, {ONE: GpuIdentity()})) == [
        ("GPU_SXM_1", "", MappedBy.NOTHING)
    ]


def test_addresses_that_are_not_there() -> None:
    """A map or an identity of an address that the host does not have says nothing."""
    known = {TWO: GpuIdentity(serial=SERIAL)}
    assert joined(*map_gpus([gpu(FIRST, serial=SERIAL)], {ONE}, {TWO: "GPU_SXM_1"}, known)) == [
        ("GPU_SXM_1", "", MappedBy.NOTHING)
    ]


@pytest.mark.parametrize(
    "known",
    [
        {TWO: GpuIdentity(serial=SERIAL)},  # its serial number is elsewhere
        {ONE: GpuIdentity(serial=OTHER)},  # and another one is there
    ],
)
def test_a_map_against_the_evidence(known: dict[str, GpuIdentity]) -> None:
    """A map that the GPUs' own numbers contradict is not believed, and neither is guessed from it."""
    (found,) = map_gpus([gpu(FIRST, serial=SERIAL)], {ONE, TWO}, {ONE: "GPU_SXM_1"}, known)
    assert (found.address, found.by) == ("", MappedBy.NOTHING)
    assert "the map says that GPU_SXM_1 is 0000:1b:00.0" in found.doubt


def test_a_gpu_that_may_have_moved() -> None:
    """A GPU that was seen in another place of the board, or on another board, is not where it was."""
    for place, board in ((SECOND, "B1"), (FIRST, "B2")):
        known = {ONE: GpuIdentity(serial=SERIAL, baseboard=board, place=place)}
        (found,) = map_gpus([gpu(FIRST, serial=SERIAL)], {ONE}, {}, known)
        assert (found.address, "may have moved" in found.doubt) == ("", True)
    known = {ONE: GpuIdentity(serial=SERIAL, baseboard="B1", place=FIRST)}
    assert map_gpus([gpu(FIRST, serial=SERIAL)], {ONE}, {}, known)[0].address == ONE


def test_one_uuid_twice() -> None:
    """A UUID that two GPUs have identifies neither."""
    twins = {ONE: GpuIdentity(uuid=UUID), TWO: GpuIdentity(uuid=UUID)}
    (found,) = map_gpus([gpu(FIRST, uuid=UUID)], {ONE, TWO}, {}, twins)
    assert (found.address, "more than one GPU" in found.doubt) == ("", True)
    both = map_gpus([gpu(FIRST, uuid=UUID), gpu(SECOND, uuid=UUID)], {ONE}, {}, {ONE: twins[ONE]})
    assert [(one.address, "would both be" in one.doubt) for one in both] == [("", True)] * 2


def uuid_of(number: int) -> str:
    """Return the UUID of one of many GPUs."""
    return f"c4b0ee2f-1111-4222-8333-{number:012d}"


NAMES = [f"/Systems/A/Processors/GPU_{number}" for number in range(4)]
ADDRESSES = [f"000{number}:01:00.0" for number in (8, 9, 18, 19)]
MODULES = ["1653224030001"] * 2 + ["1653224030002"] * 2
"""Two GPUs are on one module, and have its serial number."""


def modules(*, uuids: tuple[bool, bool] = (True, True)) -> tuple[list[Gpu], dict[str, GpuIdentity]]:
    """Return four GPUs of two modules as the BMC and the driver know them, with the UUIDs of either side."""
    board = [gpu(path, MODULES[n], uuid_of(n) if uuids[0] else "") for n, path in enumerate(NAMES)]
    answered = {
        address: GpuIdentity(serial=MODULES[n], uuid=f"GPU-{uuid_of(n)}" if uuids[1] else "")
        for n, address in enumerate(ADDRESSES)
    }
    return board, answered


def test_gpus_of_one_module_are_distinguished_by_their_uuids() -> None:
    """Without a map each of the four is known."""
    board, answered = modules()
    found = map_gpus(board, ADDRESSES, {}, answered)
    assert [(one.address, one.by) for one in found] == [(address, MappedBy.IDENTITY) for address in ADDRESSES]


@pytest.mark.parametrize("swapped", [(0, 1), (0, 2), (1, 3)])
def test_a_map_that_swaps_two_gpus_is_not_believed(swapped: tuple[int, int]) -> None:
    """Of one module or of two: each UUID is another known GPU's."""
    board, answered = modules()
    order = list(range(4))
    for place, other in (swapped, swapped[::-1]):
        order[place] = other
    mapped = {address: f"GPU_{number}" for address, number in zip(ADDRESSES, order, strict=True)}
    found = map_gpus(board, ADDRESSES, mapped, answered)
    assert [one.address for one in found] == ["" if n in swapped else ADDRESSES[n] for n in range(4)]
    assert [bool(one.doubt) for one in found] == [n in swapped for n in range(4)]


@pytest.mark.parametrize("uuids", [(False, True), (True, False), (False, False)])
def test_a_modules_serial_number_is_no_gpus(uuids: tuple[bool, bool]) -> None:
    """Where a side has no UUIDs only the map distinguishes the two of a module."""
    board, answered = modules(uuids=uuids)
    assert [one.address for one in map_gpus(board, ADDRESSES, {}, answered)] == [""] * 4
    mapped = {address: f"GPU_{number}" for number, address in enumerate(ADDRESSES)}
    assert [one.address for one in map_gpus(board, ADDRESSES, mapped, answered)] == ADDRESSES
    # One that is on the other module it cannot be.
    crossed = dict(zip(ADDRESSES, ("GPU_2", "GPU_3", "GPU_0", "GPU_1"), strict=True))
    assert [one.address for one in map_gpus(board, ADDRESSES, crossed, answered)] == [""] * 4


def test_half_of_a_module_is_not_taken_for_the_other_half() -> None:
    """Where only one side has seen both GPUs of a module, the serial number is no GPU's either."""
    board, answered = modules(uuids=(False, False))
    assert [
        one.address for one in map_gpus(board, ADDRESSES, {}, {ADDRESSES[0]: answered[ADDRESSES[0]]})
    ] == [""] * 4
    assert [one.address for one in map_gpus(board[:1], ADDRESSES, {}, answered)] == [""]


def test_uuids_that_differ_are_no_evidence_against_a_map() -> None:
    """The two sides may write them differently; without a map they are not the same either."""
    known = {
        ONE: GpuIdentity(serial=SERIAL, uuid=uuid_of(1)),
        TWO: GpuIdentity(serial=OTHER, uuid=uuid_of(2)),
    }
    board = [gpu(FIRST, SERIAL, uuid_of(3)), gpu(SECOND, OTHER, uuid_of(4))]
    mapped = {ONE: "GPU_SXM_1", TWO: "GPU_SXM_2"}
    assert [one.address for one in map_gpus(board, known, mapped, known)] == [ONE, TWO]
    assert [one.address for one in map_gpus(board, known, {}, known)] == ["", ""]


def test_an_address_whose_uuid_is_another_gpu_of_the_bmc() -> None:
    """A GPU without numbers of its own is not believed to be the one that another GPU is."""
    known = {ONE: GpuIdentity(uuid=uuid_of(1))}
    found = map_gpus([gpu(FIRST), gpu(SECOND, uuid=uuid_of(1))], {ONE}, {ONE: "GPU_SXM_1"}, known)
    assert joined(*found) == [("GPU_SXM_1", "", MappedBy.NOTHING), ("GPU_SXM_2", ONE, MappedBy.IDENTITY)]


@pytest.mark.parametrize(
    "filler",
    [
        *(
            "",
            "Unknown",
            "N/A",
            "0",
            "0000000000000",
            "None",
            "To be filled by O.E.M.",
            "to Be Filled By OEM",
        ),
        *("  ", "null", "NA", "Not Available", "not specified", "unavailable", "Default string", "xxxxxxxx"),
        *("-----", "System Serial Number", "0123456789", "FFFFFFFF", "N/A\u00a0", "unassigned"),
    ],
)
def test_what_fills_the_place_of_a_number_is_no_number(filler: str) -> None:
    """On either side: the UUID decides then, a map is used, and two GPUs with the same filler are not one."""
    known = {
        ONE: GpuIdentity(serial=SERIAL, uuid=f"GPU-{uuid_of(1)}"),
        TWO: GpuIdentity(serial=filler, uuid=f"GPU-{uuid_of(2)}"),
    }
    board = [gpu(FIRST, filler, uuid_of(1)), gpu(SECOND, OTHER, uuid_of(2))]
    mapped = {ONE: "GPU_SXM_1", TWO: "GPU_SXM_2"}
    for said in ({}, mapped):
        assert [(one.address, one.doubt) for one in map_gpus(board, {ONE, TWO}, said, known)] == [
            (ONE, ""),
            (TWO, ""),
        ]
    nothing = {ONE: GpuIdentity(serial=filler), TWO: GpuIdentity(uuid="GPU-" + str(UUIDS_OF_NO_GPU[0]))}
    for uuid in UUIDS_OF_NO_GPU:
        assert [one.address for one in map_gpus([gpu(FIRST, filler, uuid)], {ONE, TWO}, {}, nothing)] == [""]


UUIDS_OF_NO_GPU = (
    "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "Unknown",
    "N/A",
    "",
)


def test_a_map_that_gives_one_gpu_two_addresses() -> None:
    """By its Id and by its path: neither is believed."""
    (found,) = map_gpus([gpu(FIRST)], {ONE, TWO}, {ONE: "GPU_SXM_1", TWO: FIRST}, {})
    assert (found.address, found.doubt) == ("", f"the map says that GPU_SXM_1 is {ONE} and {TWO}")


def test_two_processors_with_the_same_id() -> None:
    """They are called by their paths, in the map too, and share no series."""
    found = map_gpus([gpu(FIRST), Gpu(path=SECOND, name="GPU_SXM_1", system="A")], {ONE}, {ONE: SECOND}, {})
    assert joined(*found) == [(FIRST, "", MappedBy.NOTHING), (SECOND, ONE, MappedBy.MAP)]


def test_the_same_names_in_two_systems() -> None:
    """Where two systems name their GPUs alike the system's name comes before them, in the map too."""
    other = "/Systems/B/Processors/GPU_SXM_1"
    found = map_gpus([gpu(FIRST), gpu(other, system="B")], {ONE}, {ONE: "B/GPU_SXM_1"}, {})
    assert joined(*found) == [("A/GPU_SXM_1", "", MappedBy.NOTHING), ("B/GPU_SXM_1", ONE, MappedBy.MAP)]


def test_a_map_that_changes(host: Host) -> None:
    """The map is followed; a mistake in it keeps the old one in use."""
    host.tree.add(ONE)
    host.source = host.restarted(mapped="")
    host.says((gpu(FIRST),))
    assert "libvirt_domain_gpu_power_watts" not in host.read(guest(A, ONE))
    for content in (f'"{ONE}": GPU_SXM_1\n', "nonsense, which is longer"):
        (host.path / "map").write_text(content)
        assert host.read(guest(A, ONE))["libvirt_domain_gpu_power_watts"] == {(A, ONE): 300.0}


def test_no_tenant_is_shown_the_other_gpu_of_its_module(host: Host) -> None:
    """A map in the order of the bus swaps them: neither is shown until it is right, and the note says why."""
    one, two = ADDRESSES[:2]
    board, answered = modules()
    for address in (one, two):
        host.tree.add(address)
        host.identities.learn(address, answered[address].serial, answered[address].uuid)
    host.says(tuple(board[:2]))
    guests = (guest(A, one), guest(B, two))
    host.source = host.restarted(mapped=f'"{one}": GPU_1\n"{two}": GPU_0\n')
    reading = host.reading(*guests)
    assert "libvirt_domain_gpu_power_watts" not in table(reading.samples)
    assert sum("the map says" in note for note in reading.notes) == 2
    host.source = host.restarted()
    assert host.read(*guests)["libvirt_domain_gpu_power_watts"] == {(A, one): 300.0, (B, two): 300.0}


def test_what_was_learned_is_kept(host: Host) -> None:
    """A GPU that the driver had once is known after a restart, with a guest and without a driver."""
    host.tree.add(ONE)
    host.identities.learn(ONE, SERIAL, "")
    host.says((gpu(FIRST, serial=SERIAL),))
    host.read()
    host.identities = type(host.identities)(host.path / "state")
    assert host.identities.known == {ONE: GpuIdentity(serial=SERIAL, baseboard="B1", place=FIRST)}
    host.source = host.restarted()
    assert host.read(guest(A, ONE))["libvirt_domain_gpu_power_watts"] == {(A, ONE): 300.0}
