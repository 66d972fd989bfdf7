"""What UFM's documents mean, whatever shape they have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.errors import SourceMalformedError
from hostcollector.partitions import Member, Membership, Origin, answers
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
    """Return a membership that UFM told."""
    return Member(partition=partition, name=name, membership=membership, origin=Origin.UFM)


def test_members_are_found_by_their_guid() -> None:
    """A port has all its partitions, each with its own kind of membership."""
    document = {"0x1": partition("acme", port(FIRST)), "0x7fff": partition("all", port(FIRST, "limited"))}
    assert answers.members(document) == {
        GUID: (member(1, "acme"), member(0x7FFF, "all", Membership.LIMITED)),
    }


def test_the_same_partition_under_two_pkeys_counts_once() -> None:
    """The membership bit in a key changes nothing."""
    document = {"0x1": partition("acme", port(FIRST)), "0x8001": partition("acme", port(FIRST))}
    assert answers.members(document) == {GUID: (member(1, "acme"),)}


@pytest.mark.parametrize(
    "entry",
    [
        port("0c42a1"),
        port("0" * 16),
        port(FIRST, "both of them"),
        port(FIRST, None),
        {"membership": "full"},
        {"guid": FIRST},
        {"guid": 7, "membership": "full"},
        None,
        FIRST,
    ],
)
def test_a_member_that_is_not_whole_is_left_out(entry: Any) -> None:
    """No membership is made up from an entry that lacks the port or the kind."""
    assert answers.members({"0x1": partition("acme", entry)}) == {}


def test_a_key_that_is_no_pkey_is_left_out() -> None:
    """Nobody is put into a partition without a number."""
    assert answers.members({"0x0": partition("x", port(FIRST)), "acme": partition("x", port(FIRST))}) == {}


def test_a_fabric_without_partitions_has_no_members() -> None:
    """An empty answer is an answer."""
    assert answers.members({}) == {}


@pytest.mark.parametrize("document", [None, [], ["0x1"], "fail", 7, {"error": "busy"}, {"0x1": None}])
def test_what_is_no_list_of_partitions_is_a_failure(document: Any) -> None:
    """A text or a list in place of the partitions does not empty them all."""
    with pytest.raises(SourceMalformedError, match="in place of the partitions"):
        answers.members(document)


def test_partitions_without_any_members_list_are_a_failure() -> None:
    """A manager that does not know the question for the members has not answered it."""
    with pytest.raises(SourceMalformedError, match="without their members"):
        answers.members({"0x1": {"partition": "acme"}})


@given(NESTED)
def test_no_document_breaks_the_reading(document: Any) -> None:
    """Whatever comes is read or refused with the error for it; no partition is out of range."""
    try:
        found = answers.members(document)
    except SourceMalformedError:
        return
    assert all(1 <= each.partition <= 0x7FFF for members in found.values() for each in members)
