"""Bytes of a connection to JSON-RPC messages; they follow each other without a separator (RFC 7047, 4).

A document's end is found by counting braces outside strings, each byte once: a message in a thousand pieces
costs no more than one in a single piece. Only whole messages are decoded; one beyond the limit is refused.
"""

import json
import re
from typing import Any

from hostcollector.base.errors import SourceMalformedError

LARGEST_MESSAGE = 32 * 1024 * 1024

Message = dict[str, Any]

_SPACE = b" \t\r\n"
_QUOTE, _BACKSLASH, _OPEN = b'"\\{'
# Everything up to the next brace outside strings, whole strings included. The classes are possessive, so that
# nothing is kept for going back; the groups are not, because CPython before 3.11.3 loses matches then.
_OUTSIDE = re.compile(rb'[^"{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*"[^"{}]*+)*', re.DOTALL)
# The rest of a string, as far as it has arrived; a backslash waits for the character that it escapes.
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*', re.DOTALL)


class Framer:
    """Cuts a stream into messages. One per connection; of no use after it raised."""

    def __init__(self, limit: int = LARGEST_MESSAGE) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that `data` completes. Raises `SourceMalformedError`."""
        self._buffer += data
        found = []
        while (end := self._end()) is not None:
            found.append(_decode(bytes(self._buffer[:end])))
            del self._buffer[:end]
            self._scanned = 0
        if len(self._buffer) > self._limit:
            raise SourceMalformedError(f"a message of more than {self._limit} bytes")
        return found

    def _end(self) -> int | None:
        """Return where the first document ends, or None while it has not."""
        if self._depth == 0 and not self._begin():
            return None
        while True:
            mark = self._step(_INSIDE if self._in_string else _OUTSIDE)
            if mark is None:
                return None
            self._scanned += 1
            if mark == _QUOTE:  # the end of a string, or the beginning of one whose end is not there
                self._in_string = not self._in_string
                continue
            self._depth += 1 if mark == _OPEN else -1
            if self._depth == 0:
                return self._scanned

    def _step(self, passed_over: re.Pattern[bytes]) -> int | None:
        """Go to the first byte that the pattern does not match; None at the end, or inside an escape."""
        found = passed_over.match(self._buffer, self._scanned)
        assert found is not None  # it matches nothing, too
        self._scanned = found.end()
        mark = self._buffer[self._scanned] if self._scanned < len(self._buffer) else None
        return None if mark == _BACKSLASH else mark

    def _begin(self) -> bool:
        """Step over white space to the next document; returns whether there is one."""
        while self._buffer and self._buffer[0] in _SPACE:
            self._buffer = self._buffer.lstrip(_SPACE)
        if self._buffer and self._buffer[0] != ord("{"):
            raise SourceMalformedError("something that is no JSON-RPC message")
        return bool(self._buffer)


def _decode(document: bytes) -> Message:
    try:
        message = json.loads(document.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise SourceMalformedError(f"a message that is not JSON: {error}") from None
    assert isinstance(message, dict)  # it begins with a brace
    return message


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
