"""What UFM's documents mean, whatever shape they have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.errors import SourceMalformedError
from hostcollector.protocols import ufm
from hostcollector.protocols.ufm import Member, Membership, Origin, UfmAnswer
from tests.fakes.ufm import FIRST, partition, port

GUID = "0c:42:a1:03:00:ab:cd:01"
_KEYS = st.sampled_from(("0x1", "0x8001", "0xffff", "zzz", "partition", "guids", "guid", "membership"))
_LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from((FIRST, "full", "limited", "x"))
NESTED = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


def member(partition: int, name: str, membership: Membership = Membership.FULL) -> Member:
    """Return a membership that UFM reported."""
    return Member(partition=partition, name=name, membership=membership, origin=Origin.UFM)


def test_members_are_found_by_their_guid() -> None:
    """A port has all its partitions, each with its own kind of membership."""
    document = {"0x1": partition("acme", port(FIRST)), "0x7fff": partition("all", port(FIRST, "limited"))}
    assert ufm.read_partitions(document).members == {
        GUID: (member(1, "acme"), member(0x7FFF, "all", Membership.LIMITED)),
    }


def test_the_same_partition_under_two_pkeys_counts_once() -> None:
    """The membership bit in a key changes nothing."""
    document = {"0x1": partition("acme", port(FIRST)), "0x8001": partition("acme", port(FIRST))}
    assert ufm.read_partitions(document).members == {GUID: (member(1, "acme"),)}


@pytest.mark.parametrize(
    "entry",
    [
        port("0c42a1"),
        port("0" * 16),
        port(FIRST, "both of them"),
        port(FIRST, None),
        port(FIRST, ["full"]),
        {"membership": "full"},
        {"guid": FIRST},
        {"guid": 7, "membership": "full"},
        [],
        None,
        FIRST,
    ],
)
def test_a_member_that_is_not_whole_costs_itself(entry: Any) -> None:
    """No membership is made up from an entry that lacks the port or the kind; it is named."""
    answer = ufm.read_partitions({"0x1": partition("acme", entry, port(FIRST))})
    assert answer.members == {GUID: (member(1, "acme"),)}
    assert answer.unread == 1
    assert answer.notes[0].startswith("partition '0x1', member 0 cannot be read: ")


@pytest.mark.parametrize("said", ["both", "BOTH"])
def test_a_port_can_be_a_member_of_both_kinds(said: str) -> None:
    """The managers of the fabric know a third kind beside full and limited."""
    assert ufm.read_partitions({"0x1": partition("acme", port(FIRST, said))}).members == {
        GUID: (member(1, "acme", Membership.BOTH),)
    }


@pytest.mark.parametrize(
    ("pkey", "entry"),
    [
        ("0x2", None),
        ("0x2", []),
        ("0x2", "acme"),
        ("0x2", {"partition": "x"}),
        ("0x2", {"partition": "x", "guids": None}),
        ("0x2", {"partition": "x", "guids": {FIRST: "full"}}),
        ("0x0", partition("x", port(FIRST))),
        ("acme", partition("x", port(FIRST))),
        ("0x7fff", {"guids": [], "membership": "none"}),
    ],
)
def test_a_partition_that_cannot_be_read_costs_itself(pkey: str, entry: Any) -> None:
    """No port is put into a partition without a number or a list, and all the others are read."""
    answer = ufm.read_partitions({"0x1": partition("acme", port(FIRST)), pkey: entry})
    assert (answer.members, answer.unread) == ({GUID: (member(1, "acme"),)}, 1)
    assert f"partition {pkey!r} cannot be read" in answer.notes[0]


def test_all_ports_are_in_the_default_partition() -> None:
    """It has no list of members then; a port that is listed all the same is what the list says."""
    document = {
        "0x7fff": {"partition": "management", "membership": "limited", "guids": []},
        "0x1": partition("acme", port(FIRST)),
    }
    answer = ufm.read_partitions(document)
    management = member(0x7FFF, "management", Membership.LIMITED)
    assert answer.of(GUID) == (member(1, "acme"), management)
    assert answer.of("0c:42:a1:03:00:ab:cd:99") == (management,)
    document["0x8001"] = {"partition": "acme", "membership": "full", "guids": []}
    assert ufm.read_partitions(document).of("0c:42:a1:03:00:ab:cd:99") == (management,)
    listed = {"0x7fff": partition("management", port(FIRST))}
    assert ufm.read_partitions(listed).of(GUID) == (member(0x7FFF, "management"),)


@given(st.lists(st.tuples(st.integers(1, 0x7FFE), st.booleans()), unique_by=lambda pair: pair[0]), NESTED)
def test_one_bad_partition_among_good_ones_loses_only_itself(good: list[tuple[int, bool]], bad: Any) -> None:
    """Whatever is in one partition's place, every port of the others has its memberships."""
    document = {
        f"{number:#x}": partition("p", port(FIRST, "full" if full else "limited")) for number, full in good
    }
    expected = ufm.read_partitions(document).of(GUID)
    try:
        found = ufm.read_partitions({"0x7fff": bad, **document}).of(GUID)
    except SourceMalformedError:
        assert not good
        return
    assert [each for each in found if each.partition != 0x7FFF] == list(expected)


def test_a_fabric_without_partitions_has_no_members() -> None:
    """An empty answer is an answer."""
    assert ufm.read_partitions({}) == UfmAnswer()


@pytest.mark.parametrize("document", [None, [], ["0x1"], "fail", 7, {"error": "busy"}, {"0x1": None}])
def test_what_is_no_list_of_partitions_is_a_failure(document: Any) -> None:
    """A text or a list in place of the partitions does not empty them all."""
    with pytest.raises(SourceMalformedError, match="in place of the partitions"):
        ufm.read_partitions(document)


def test_partitions_without_any_members_list_are_a_failure() -> None:
    """A manager that does not know the question for the members has not answered it."""
    with pytest.raises(SourceMalformedError, match="without their members"):
        ufm.read_partitions({"0x1": {"partition": "acme"}})


@given(NESTED)
def test_no_document_breaks_the_reading(document: Any) -> None:
    """Whatever comes is read or refused with the error for it; no partition is out of range."""
    try:
        found = ufm.read_partitions(document).members
    except SourceMalformedError:
        return
    assert all(1 <= each.partition <= 0x7FFF for members in found.values() for each in members)
