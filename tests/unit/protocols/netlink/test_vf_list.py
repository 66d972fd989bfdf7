"""The VF list is read whole out of the kernel's bytes, whatever its length says, and nothing is made up."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.protocols.netlink.vf_list import ListedVf, parse
from tests.fakes.link_messages import (
    INFINIBAND,
    UNKNOWN,
    Vf,
    attribute,
    link_message,
    vf_info,
)

COUNTERS = (11, 12, 13, 14, 15, 16, 17, 18)
NAMED = {
    "receive_packets": 11,
    "transmit_packets": 12,
    "receive_bytes": 13,
    "transmit_bytes": 14,
    "receive_broadcast_packets": 15,
    "receive_multicast_packets": 16,
    "receive_dropped": 17,
    "transmit_dropped": 18,
}
GUIDS = (0x506B4B0300000001, 0x506B4B0300000002)

u32 = st.integers(0, 2**32 - 1)
vf_values = st.builds(
    Vf,
    number=st.just(0),
    mac=st.binary(min_size=6, max_size=32),
    vlan=u32,
    qos=u32,
    min_rate=u32,
    max_rate=u32,
    spoof_check=u32,
    link_state=u32,
    trust=u32,
    guids=st.none() | st.tuples(*[st.integers(0, 2**64 - 1)] * 2),
    counters=st.none() | st.tuples(*[st.integers(0, 2**64 - 1)] * 8),
)


def _vf(number: int, *, guids: bool = False) -> Vf:
    return Vf(
        number=number,
        mac=bytes([0x52, 0x54, 0, 0, number >> 8, number & 0xFF]),
        vlan=number % 4096,
        counters=tuple(number * 10 + value for value in range(8)),
        guids=GUIDS if guids else None,
    )


@pytest.mark.parametrize("guids", [False, True], ids=["ethernet", "guids"])
@pytest.mark.parametrize("count", [1, 64, 195, 196, 221, 222, 223, 443, 500, 1000])
def test_every_vf_is_read_past_the_length_that_wraps(count: int, guids: bool) -> None:  # noqa: FBT001
    """16 bits hold 221 VFs, or 195 with GUIDs; one more, twice as many and 1,000 are read as well."""
    listed = parse(link_message([_vf(number, guids=guids) for number in range(count)]))
    assert listed.total == count
    assert not listed.truncated
    assert list(listed.vfs) == list(range(count))
    for number, vf in listed.vfs.items():
        assert (vf.number, vf.vlan) == (number, number % 4096)
        assert vf.mac == f"52:54:00:00:{number >> 8:02x}:{number & 0xFF:02x}"
        assert vf.statistics is not None
        assert vf.statistics["receive_packets"] == number * 10


@pytest.mark.parametrize("count", [1, 334, 335, 1000])
def test_a_list_without_statistics_is_read_whole(count: int) -> None:
    """Asked without statistics the kernel's list wraps later; the counters are then unknown."""
    listed = parse(link_message([Vf(number=number, counters=None) for number in range(count)]))
    assert len(listed.vfs) == count
    assert all(vf.statistics is None for vf in listed.vfs.values())


def test_a_vf_is_read_field_by_field() -> None:
    """Each attribute lands where it belongs, in the kernel's units."""
    vf = Vf(
        number=0,
        mac=b"\x02\xab\x00\x01\xff\x7f",
        vlan=100,
        qos=3,
        min_rate=50,
        max_rate=1000,
        spoof_check=1,
        link_state=2,
        trust=0,
        guids=GUIDS,
        counters=COUNTERS,
    )
    assert parse(link_message([vf])).vfs == {
        0: ListedVf(
            number=0,
            mac="02:ab:00:01:ff:7f",
            vlan=100,
            qos=3,
            min_rate=50,
            max_rate=1000,
            spoof_check=True,
            trust=False,
            link_state=2,
            node_guid="50:6b:4b:03:00:00:00:01",
            port_guid="50:6b:4b:03:00:00:00:02",
            statistics=NAMED,
        )
    }


def test_what_the_driver_did_not_say_is_unknown() -> None:
    """0xffffffff is no setting, and a GUID of zeros is one that the host has not set."""
    vf = parse(link_message([Vf(number=0, spoof_check=UNKNOWN, trust=UNKNOWN, guids=(0, 0))])).vfs[0]
    assert (vf.spoof_check, vf.trust, vf.node_guid, vf.port_guid) == (None, None, None, None)


def test_vfs_that_the_driver_left_out_are_missing_and_nothing_else() -> None:
    """The kernel steps over a VF whose driver gave an error: the others keep their numbers."""
    listed = parse(link_message([_vf(number) for number in (0, 2, 5)], count=8))
    assert list(listed.vfs) == [0, 2, 5]
    assert listed.truncated
    assert listed.vfs[5].mac == "52:54:00:00:00:05"


def test_vfs_left_out_of_a_long_list_are_noticed() -> None:
    """Also where the length has wrapped, what follows the list is not taken for a VF."""
    listed = parse(link_message([_vf(number) for number in range(300)], count=320))
    assert list(listed.vfs) == list(range(300))
    assert listed.truncated


def test_an_empty_list_and_no_list_are_different() -> None:
    """A card without VFs may list none; a representor has no list although it names the card's VFs."""
    empty, absent = parse(link_message([], count=0)), parse(link_message(None, count=4))
    assert (empty.listed, empty.truncated, empty.vfs) == (True, False, {})
    assert (absent.listed, absent.truncated, absent.vfs) == (False, False, {})


def test_the_link_says_what_hardware_it_is() -> None:
    """IPoIB links have a type of their own."""
    assert parse(link_message([], hardware_type=INFINIBAND)).hardware_type == INFINIBAND


def test_attributes_of_later_kernels_are_stepped_over() -> None:
    """An unknown attribute anywhere in a VF changes nothing else about it."""
    strange = attribute(77, b"\x01" * 50)
    block = vf_info(_vf(0))[4:]
    listed = parse(link_message(None, vf_blocks=[attribute(1, strange + block + strange)]))
    assert listed.vfs == parse(link_message([_vf(0)])).vfs


def test_counters_of_later_kernels_are_stepped_over() -> None:
    """Padding and unknown counters among the statistics do not shift the others."""
    counters = [(6, 0), (0, 11), (1, 12), (2, 13), (3, 14), (4, 15), (5, 16), (7, 17), (8, 18), (9, 99)]
    nest = attribute(8, b"".join(attribute(kind, struct.pack("=Q", raw)) for kind, raw in counters))
    block = vf_info(Vf(number=0, counters=None))[4:]
    listed = parse(link_message(None, vf_blocks=[attribute(1, block + nest)]))
    assert listed.vfs[0].statistics == NAMED


def test_a_legacy_rate_is_taken_where_there_is_no_other() -> None:
    """Old kernels have the limit in an attribute of its own."""
    mac = attribute(1, struct.pack("=I32s", 0, b""))
    listed = parse(
        link_message(None, vf_blocks=[attribute(1, mac + attribute(3, struct.pack("=II", 0, 250)))])
    )
    assert (listed.vfs[0].max_rate, listed.vfs[0].min_rate) == (250, None)


def test_a_value_of_another_vf_is_not_taken() -> None:
    """An attribute that names another VF than its neighbours is not believed."""
    mac = attribute(1, struct.pack("=I32s", 0, b""))
    listed = parse(link_message(None, vf_blocks=[attribute(1, mac + attribute(9, struct.pack("=II", 1, 1)))]))
    assert listed.vfs[0].trust is None


@pytest.mark.parametrize(("count", "step"), [(3, 1), (300, 499)])
def test_a_message_cut_short_gives_whole_vfs_or_none(count: int, step: int) -> None:
    """Wherever the tail is missing, what is read is the beginning of what was sent."""
    message = link_message([_vf(number) for number in range(count)])
    whole = parse(message).vfs
    for length in range(0, len(message), step):
        listed = parse(message[:length])
        assert list(listed.vfs) == list(range(len(listed.vfs)))
        assert all(vf == whole[number] for number, vf in listed.vfs.items())


@given(st.lists(vf_values, max_size=6), st.integers(0, 8))
def test_what_is_read_was_sent(values: list[Vf], more: int) -> None:
    """Any values come back as they are, or as unknown where they mean nothing."""
    sent = [replace(vf, number=number) for number, vf in enumerate(values)]
    listed = parse(link_message(sent, count=len(sent) + more))
    assert len(listed.vfs) == len(sent)
    assert listed.truncated == bool(more)
    for vf, read in zip(sent, listed.vfs.values(), strict=True):
        assert read.mac == vf.mac[:6].hex(":")
        assert read.vlan in {vf.vlan, None}
        assert (read.vlan is None) == (vf.vlan > 4095)
        assert read.trust == {0: False, 1: True}.get(vf.trust)
        assert read.spoof_check == {0: False, 1: True}.get(vf.spoof_check)
        assert read.link_state == (vf.link_state if vf.link_state <= 2 else None)
        assert (read.min_rate, read.max_rate) == (vf.min_rate, vf.max_rate)
        assert (read.statistics is None) == (vf.counters is None)
        assert sorted((read.statistics or {}).values()) == sorted(vf.counters or ())


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_raise(message: bytes) -> None:
    """Whatever is in a message, reading it ends with an answer."""
    listed = parse(message)
    assert len(listed.vfs) <= listed.total


@given(st.data())
def test_a_damaged_message_gives_no_vf_that_the_card_does_not_have(data: st.DataObject) -> None:
    """Bytes changed at random neither raise nor make VFs appear beyond the card's number of them."""
    message = bytearray(link_message([_vf(number, guids=True) for number in range(3)]))
    for _ in range(data.draw(st.integers(1, 8))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    listed = parse(bytes(message[: data.draw(st.integers(0, len(message)))]))
    assert all(0 <= number < listed.total for number in listed.vfs)


@given(st.lists(st.integers(0, 20), unique=True, max_size=6), st.integers(0, 6), st.binary(max_size=60))
def test_one_bad_vf_among_good_ones_loses_only_itself(numbers: list[int], place: int, bad: bytes) -> None:
    """A VF whose attributes are damaged inside its own length: those behind it are read."""
    blocks = [vf_info(Vf(number=number)) for number in numbers]
    blocks.insert(place, attribute(1, bad + bytes(-len(bad) % 4)))
    found = parse(link_message(None, vf_blocks=blocks, count=30)).vfs
    assert set(numbers) <= set(found)
    assert len(found) <= len(numbers) + 1
