"""The gaps of a reading: counted, named, and never more than a bounded number of names."""

import pytest

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.gaps import MOST_NAMED, Gaps


def test_no_gap_is_no_trouble() -> None:
    """A fact is noted and is no gap."""
    gaps = Gaps()
    gaps.fact("the driver keeps no counters")
    assert (bool(gaps), gaps.count, gaps.notes) == (False, 0, ("the driver keeps no counters",))


def test_what_is_missing_is_counted_and_named() -> None:
    """Items of a kind share one sentence, which names some of them and counts the rest."""
    gaps = Gaps()
    for number in range(MOST_NAMED + 2):
        gaps.missing("link", f"vnet{number}")
    gaps.missing("thread", "CPU 1/KVM", "of guest 'web'")
    assert gaps.count == MOST_NAMED + 3
    links, thread = gaps.notes
    assert links.startswith("link not found: vnet0, vnet1,")
    assert links.endswith("vnet9 and 2 more")
    assert thread == "thread not found: CPU 1/KVM (of guest 'web')"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(5, "Input/output error"), "Input/output error"),
        (SourceUnavailableError("no answer"), "no answer"),
        (KeyError("Id"), "KeyError: 'Id'"),
        (AttributeError("'NoneType' object has no attribute 'get'"), "AttributeError: 'NoneType' object"),
        (ValueError("not a number: 'x'"), "ValueError: not a number: 'x'"),
    ],
)
def test_a_bad_item_costs_itself(error: Exception, why: str) -> None:
    """The loop goes on behind it, and the note has its path and the reason."""
    gaps, read = Gaps(), []
    for number in range(3):
        with gaps.item(f"node{number}"):
            if number == 1:
                raise error
            read.append(number)
    assert (read, gaps.count, bool(gaps)) == ([0, 2], 1, True)
    assert gaps.notes[0].startswith(f"node1 cannot be read: {why}")


def test_a_fault_of_the_program_is_not_hidden() -> None:
    """What bad data cannot raise passes through to the lane's boundary."""
    gaps = Gaps()
    with pytest.raises(AssertionError), gaps.item("node0"):
        raise AssertionError
