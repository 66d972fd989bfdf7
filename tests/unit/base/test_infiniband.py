"""GUIDs and P_Keys are the same, however they are written."""

import pytest

from hostcollector.base import infiniband as ib_names


@pytest.mark.parametrize(
    "text",
    [
        "0c:42:a1:03:00:ab:cd:ef",
        "0c42:a103:00ab:cdef",
        "0c42a10300abcdef",
        "0x0c42a10300abcdef",
        "0X0C42A10300ABCDEF",
    ],
)
def test_a_guid_has_one_form(text: str) -> None:
    """As sysfs, netlink, UFM and people write it."""
    assert ib_names.guid(text) == "0c:42:a1:03:00:ab:cd:ef"


@pytest.mark.parametrize(
    "text",
    ["", "0c42a10300abcde", "0c42a10300abcdef0", "0c:42:a1:03:00:ab:cd", "zc42a10300abcdef", "0" * 16, "N/A"],
)
def test_what_is_no_guid_is_none(text: str) -> None:
    """Zeros mean that none is set."""
    assert ib_names.guid(text) == ""


@pytest.mark.parametrize(
    ("text", "partition"),
    [("0x8001", 1), ("0x1", 1), ("0x0001", 1), ("0xFFFF", 0x7FFF), ("0x7fff", 0x7FFF)],
)
def test_the_membership_bit_is_no_part_of_a_partition(text: str, partition: int) -> None:
    """P_Keys are compared under the mask 0x7fff, and shown so."""
    assert ib_names.partition(text) == partition
    assert ib_names.partition(ib_names.pkey(partition)) == partition


@pytest.mark.parametrize("text", ["", "1", "0x", "0x0", "0x8000", "0x12345", "0xg", "32769"])
def test_what_is_no_pkey_is_none(text: str) -> None:
    """Zero is an empty slot of a table, not a partition."""
    assert ib_names.partition(text) is None
