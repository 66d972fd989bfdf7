"""No bytes make a parser raise anything but its own typed error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS


@st.composite
def _spoiled(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Draw a valid input of which pieces were left out, doubled and replaced."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        piece = draw(st.sampled_from((b"", data[start:end] * 2, data[:64])) | st.binary(max_size=8))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_hostile_bytes_raise_nothing_else(name: str, data: st.DataObject) -> None:
    """Whatever a guest, a file, a kernel or a network says: a typed error at most."""
    target = TARGETS[name]
    target.feed(data.draw(st.binary(max_size=200) | _spoiled(target.seeds)))
