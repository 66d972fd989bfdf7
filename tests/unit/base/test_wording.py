"""How times, counts and names are said to a person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.wording import counted, duration, one_line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0.00 s"),
        (0.0, "0.00 s"),
        (0.434, "0.43 s"),
        (12.4, "12 s"),
        (59.6, "1 m"),
        (200.0, "3 m 20 s"),
        (3600.0, "1 h"),
        (3605.0, "1 h"),
        (187_200.0, "2 d 4 h"),
        (9.999, "10 s"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    """A duration is said in the two units that matter."""
    assert duration(seconds) == text


def test_counts_agree_with_their_nouns() -> None:
    """One is singular, everything else plural, irregular ones as given."""
    assert [counted(number, "guest") for number in (0, 1, 2)] == ["0 guests", "1 guest", "2 guests"]
    assert counted(2, "series", "series") == "2 series"


@given(st.text())
def test_one_line_is_printable_and_leaves_printable_text_alone(text: str) -> None:
    """No control character, line break or direction override gets through; other text is not changed."""
    assert one_line(text).isprintable()
    assert one_line(text) == text or not text.isprintable()
