"""Which GPU of the BMC is which of the host: by the operator's map or the GPU's identity, never guessed."""

import pytest

from hostcollector.gpu_identities import GpuIdentity
from hostcollector.sources.redfish.joining import By, Joined, join
from tests.sources.redfish.conftest import FIRST, SECOND, Host, gpu, guest

A = "aaaaaaaa-0000-4000-8000-000000000001"
ONE, TWO = "0000:1b:00.0", "0000:2b:00.0"
SERIAL, OTHER = "1653224030001", "1653224030002"
UUID = "c4b0ee2f-1111-4222-8333-444455556666"


def joined(*of: Joined) -> list[tuple[str, str, By]]:
    """Return name, address and reason of each."""
    return [(one.name, one.address, one.by) for one in of]


def test_the_map_says_it() -> None:
    """A name in the map is the GPU at that address, by its Id or its whole path."""
    found = join([gpu(FIRST), gpu(SECOND)], {ONE, TWO}, {ONE: "GPU_SXM_2", TWO: FIRST}, {})
    assert joined(*found) == [("GPU_SXM_1", TWO, By.MAP), ("GPU_SXM_2", ONE, By.MAP)]


def test_the_identity_says_it() -> None:
    """Without a map the serial number that the driver told is the BMC's, else the UUID in either spelling."""
    known = {ONE: GpuIdentity(serial=OTHER), TWO: GpuIdentity(uuid=f"GPU-{UUID}")}
    found = join([gpu(FIRST, uuid=UUID.upper()), gpu(SECOND, serial=OTHER)], {ONE, TWO}, {}, known)
    assert joined(*found) == [("GPU_SXM_1", TWO, By.IDENTITY), ("GPU_SXM_2", ONE, By.IDENTITY)]


def test_nothing_says_it() -> None:
    """Neither order nor number of names leads to an address."""
    found = join([gpu(FIRST, serial=SERIAL)], {ONE}, {}, {ONE: GpuIdentity(serial=OTHER)})
    assert joined(*found) == [("GPU_SXM_1", "", By.NOTHING)]
    assert joined(*join([gpu(FIRST)], {ONE}, {}, {ONE: GpuIdentity()})) == [("GPU_SXM_1", "", By.NOTHING)]


def test_addresses_that_are_not_there() -> None:
    """A map or an identity of an address that the host does not have says nothing."""
    known = {TWO: GpuIdentity(serial=SERIAL)}
    assert joined(*join([gpu(FIRST, serial=SERIAL)], {ONE}, {TWO: "GPU_SXM_1"}, known)) == [
        ("GPU_SXM_1", "", By.NOTHING)
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
    (found,) = join([gpu(FIRST, serial=SERIAL)], {ONE, TWO}, {ONE: "GPU_SXM_1"}, known)
    assert (found.address, found.by) == ("", By.NOTHING)
    assert "the map says that GPU_SXM_1 is 0000:1b:00.0" in found.doubt


def test_a_gpu_that_may_have_moved() -> None:
    """A GPU that was seen in another place of the board, or on another board, is not where it was."""
    for place, board in ((SECOND, "B1"), (FIRST, "B2")):
        known = {ONE: GpuIdentity(serial=SERIAL, baseboard=board, place=place)}
        (found,) = join([gpu(FIRST, serial=SERIAL)], {ONE}, {}, known)
        assert (found.address, "may have moved" in found.doubt) == ("", True)
    known = {ONE: GpuIdentity(serial=SERIAL, baseboard="B1", place=FIRST)}
    assert join([gpu(FIRST, serial=SERIAL)], {ONE}, {}, known)[0].address == ONE


def test_one_number_twice() -> None:
    """A serial number that two GPUs have tells neither from the other."""
    twins = {ONE: GpuIdentity(serial=SERIAL), TWO: GpuIdentity(serial=SERIAL)}
    (found,) = join([gpu(FIRST, serial=SERIAL)], {ONE, TWO}, {}, twins)
    assert (found.address, "more than one GPU" in found.doubt) == ("", True)
    both = join([gpu(FIRST, serial=SERIAL), gpu(SECOND, serial=SERIAL)], {ONE}, {}, {ONE: twins[ONE]})
    assert [(one.address, "would both be" in one.doubt) for one in both] == [("", True)] * 2


def test_the_same_names_in_two_systems() -> None:
    """Where two systems name their GPUs alike the system's name stands before them, in the map too."""
    other = "/Systems/B/Processors/GPU_SXM_1"
    found = join([gpu(FIRST), gpu(other, system="B")], {ONE}, {ONE: "B/GPU_SXM_1"}, {})
    assert joined(*found) == [("A/GPU_SXM_1", "", By.NOTHING), ("B/GPU_SXM_1", ONE, By.MAP)]


def test_a_map_that_changes(host: Host) -> None:
    """The map is followed; a mistake in it keeps the old one in use."""
    host.tree.add(ONE)
    host.source = host.restarted(mapped="")
    host.says((gpu(FIRST),))
    assert "libvirt_domain_gpu_power_watts" not in host.read(guest(A, ONE))
    for content in (f'"{ONE}": GPU_SXM_1\n', "nonsense, which is longer"):
        (host.path / "map").write_text(content)
        assert host.read(guest(A, ONE))["libvirt_domain_gpu_power_watts"] == {(A, ONE): 300.0}


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
