"""A stream of bytes becomes the same messages however it is cut, and nothing else than messages."""

import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.errors import SourceMalformedError
from hostcollector.protocols.ovsdb.framing import Framer

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), min_size=1, max_size=6)
GAPS = st.sampled_from(["", "\n", " \t\r\n "])


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """Cut a stream at the positions, taken modulo its length."""
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[begin:end] for begin, end in pairwise(places)]


def fed(parts: list[bytes]) -> list[dict[str, Any]]:
    """Return what a new framer makes of the parts."""
    framer = Framer()
    return [message for part in parts for message in framer.feed(part)]


@given(MESSAGES, GAPS, st.sampled_from(["ascii", "utf-8"]), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_cut_gives_the_same_messages(
    messages: list[dict[str, Any]], gap: str, encoding: str, cuts: list[int]
) -> None:
    """Pieces may end anywhere: inside a string, after its backslash, inside a character."""
    text = gap.join(json.dumps(message, ensure_ascii=encoding == "ascii") for message in messages) + gap
    stream = text.encode(encoding)
    assert fed([stream]) == messages
    assert fed(pieces(stream, cuts)) == messages
    assert fed([bytes([byte]) for byte in stream]) == messages


@given(
    st.lists(
        st.binary(max_size=40) | st.sampled_from([b"{", b"}", b'"', b"\\", b'{"a":[', b"]}"]), max_size=12
    )
)
def test_no_bytes_raise_anything_but_the_typed_error(parts: list[bytes]) -> None:
    """Garbage is a malformed message, or an unfinished one."""
    framer = Framer(limit=200)
    try:
        for part in parts:
            framer.feed(part)
    except SourceMalformedError:
        return
    assert sum(map(len, parts)) <= 200 or framer.feed(b"") == []


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"[]",
        b"}",
        b'{"a": }',
        b'{"a": NaN}',
        b'{"a": "\xff"}',
        b'{"a": 1}x',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b"1" * 5000 + b"}",
    ],
)
def test_what_is_no_message_is_malformed(stream: bytes) -> None:
    """Other protocols, broken JSON, wrong encodings, absurd nesting and numbers are refused."""
    with pytest.raises(SourceMalformedError):
        fed([stream])


def test_a_message_that_never_ends_is_refused_at_the_limit() -> None:
    """Memory is bounded: half a message may grow to the limit and no further."""
    framer = Framer(limit=1000)
    assert framer.feed(b'{"a": "' + b"x" * 900) == []
    with pytest.raises(SourceMalformedError, match="more than 1000 bytes"):
        framer.feed(b"x" * 200)


def test_a_large_message_in_small_pieces_is_found_whole() -> None:
    """Thousands of rows in thousands of pieces are one message."""
    random.seed(1)
    rows = {f"row{number}": {"initial": {"name": '{[\\"' * 3}} for number in range(5000)}
    stream = json.dumps({"id": 1, "result": {"Interface": rows}}).encode()
    cuts = [random.randrange(len(stream)) for _ in range(3000)]
    assert fed(pieces(stream, cuts)) == [json.loads(stream)]
